// Where the gradient goes: each window adds its dy to its maximum, or dy / (number of pixels) to all of its pixels.
//
//   windows: (size - K) / S, rounded up or down, + 1; the last one is clipped at the border, and has to start before it
"use strict";

function windows(size, K, S, roundUp) {
  const n = (roundUp ? Math.ceil((size - K) / S) : Math.floor((size - K) / S)) + 1;
  return (n - 1) * S >= size ? n - 1 : n;
}

// The pixels [row, column] of window (i, j), in reading order.
function pixelsOf(x, K, S, i, j) {
  const found = [];
  for (let r = i * S; r < Math.min(i * S + K, x.length); r++) {
    for (let c = j * S; c < Math.min(j * S + K, x[0].length); c++) found.push([r, c]);
  }
  return found;
}

// What window (i, j) gives to its pixels: [[row, column, share of dy], …]. Of several maxima, the first one counts.
function shares(x, K, S, i, j, kind) {
  const pixels = pixelsOf(x, K, S, i, j);
  if (kind === "average") return pixels.map(([r, c]) => [r, c, 1 / pixels.length]);
  return [[...pixels.reduce((best, pixel) => x[pixel[0]][pixel[1]] > x[best[0]][best[1]] ? pixel : best), 1]];
}

// The terms of each pixel's gradient: terms[row][column] is a list; dx is their sum.
function terms(dy, x, K, S, kind) {
  const found = x.map((row) => row.map(() => []));
  dy.forEach((row, i) => row.forEach(function (d, j) {
    for (const [r, c, share] of shares(x, K, S, i, j, kind)) found[r][c].push(d * share);
  }));
  return found;
}

function poolBackward(dy, x, K, S, kind) {
  return terms(dy, x, K, S, kind).map((row) => row.map((list) => list.reduce((sum, term) => sum + term, 0)));
}

function drawPooling(figure) {
  const lesson = [[1, 2, 0, 3, 1, 4], [0, 5, 2, 1, 6, 0], [3, 1, 9, 2, 0, 7], [2, 0, 1, 8, 3, 1]];
  const images = {lesson, tie: lesson.map((row) => row.map(() => 1)),
                  relu: lesson.map((row) => row.map((value) => Math.max(0, value - 4)))};
  const now = {image: "lesson", kind: "max", K: 3, S: 2, up: true, n: 1};
  const drawing = element("div", {class: "drawing"}), said = element("p", {class: "said", role: "status"});
  const sums = element("p", {class: "said"}), surface = element("div");
  const set = (name) => function (value) {
    now[name] = value;
    draw();
  };
  const chosen = slider(t("window"), {min: 1, max: 6, value: 2}, (value) => set("n")(value - 1));
  const round = element("input", {type: "checkbox", checked: ""});
  round.addEventListener("change", () => set("up")(round.checked));
  dragged(surface, function (event) {
    const [r, c] = surface.firstChild.cellAt(event), half = now.K / 2;
    const OH = windows(4, now.K, now.S, now.up), OW = windows(6, now.K, now.S, now.up);
    now.n = clamp(Math.round((r - half) / now.S), 0, OH - 1) * OW + clamp(Math.round((c - half) / now.S), 0, OW - 1);
    draw();
  });

  function draw() {
    const {kind, K, S} = now, x = images[now.image], OH = windows(4, K, S, now.up), OW = windows(6, K, S, now.up);
    now.n = clamp(now.n, 0, OH * OW - 1);
    chosen.move(now.n + 1, OH * OW);
    const i = Math.floor(now.n / OW), j = now.n % OW, few = OH * OW <= 8;  // powers of 2 show who gave what
    const dy = [...Array(OH)].map((_, r) => [...Array(OW)].map((_, c) => few ? 2 ** (r * OW + c) : 1));
    const parts = terms(dy, x, K, S, kind), dx = poolBackward(dy, x, K, S, kind), top = Math.max(...dx.flat());
    const inside = pixelsOf(x, K, S, i, j), got = shares(x, K, S, i, j, kind);
    const covered = (r, c) => inside.some((pixel) => pixel[0] === r && pixel[1] === c) ? "marked" : "";
    surface.replaceChildren(matrix(x, {name: "x", mark: covered}));
    const heat = matrix(dx, {name: "dx", text: (value) => value ? short(value) : "",
                             mark: (r, c) => dx[r][c] ? "heat" : covered(r, c)});
    heat.querySelectorAll("rect").forEach(function (box, at) {
      if (dx.flat()[at]) box.style.fillOpacity = 0.12 + 0.5 * dx.flat()[at] / top;
    });
    drawing.replaceChildren(surface,
      matrix(dy, {name: `dy, ${OH}×${OW}`, mark: (r, c) => r === i && c === j ? "result" : ""}), heat);
    const last = inside[inside.length - 1];
    said.textContent = t("Rows {a} to {b}, columns {c} to {d}:").replace("{a}", inside[0][0]).replace("{b}", last[0])
      .replace("{c}", inside[0][1]).replace("{d}", last[1]) + " " + (kind === "max"
      ? t("the maximum {x} in row {r}, column {c} gets dy = {dy}.").replace("{x}", x[got[0][0]][got[0][1]])
        .replace("{r}", got[0][0]).replace("{c}", got[0][1])
      : t("each of {m} pixels gets {dy} / {m}.").replaceAll("{m}", inside.length)).replace("{dy}", dy[i][j]);
    const several = parts.flatMap((row, r) => row.map((list, c) => [r, c, list])).filter((one) => one[2].length > 1)
      .sort((a, b) => b[2].length - a[2].length);
    const example = several.slice(0, kind === "max" ? 4 : 1).map(([r, c, list]) =>
      `dx[${r}, ${c}] = ${list.map(short).join(" + ")} = ${short(dx[r][c])}`).join(";  ");
    sums.textContent = several.length ? t("In several windows:") + " " + example
      : t("No pixel gets several gradients.");
  }

  figure.append(element("div", {class: "controls"}, chosen,
    menu(t("pooling"), {max: t("max"), average: t("average")}, set("kind")),
    menu(t("values"), {lesson: t("of the lesson"), tie: t("all equal"), relu: t("after a ReLU")}, set("image")),
    slider("K", {min: 2, max: 3, value: 3}, set("K")), slider("S", {min: 1, max: 3, value: 2}, set("S")),
    element("label", {class: "control"}, round, t("round up"))), drawing, said, sums);
  draw();
}

start("pooling", drawPooling);
