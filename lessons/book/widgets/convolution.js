// Drag the window: one position of a convolution is one row of im2col's matrix, and gives one value of y.
//
//   y[i, j] = Σ_u Σ_v x[i·S + u - P, j·S + v - P] · w[u, v]        O = floor((size + 2·P - K) / S) + 1
"use strict";

function padded(x, P) {
  const zeros = (n) => Array(n).fill(0), wide = x[0].length + 2 * P;
  return [...Array(P)].map(() => zeros(wide))
    .concat(x.map((row) => [...zeros(P), ...row, ...zeros(P)]), [...Array(P)].map(() => zeros(wide)));
}

function outputSize(size, K, S, P) {
  return Math.floor((size + 2 * P - K) / S) + 1;
}

function windowAt(x, K, S, P, i, j) {
  return padded(x, P).slice(i * S, i * S + K).map((row) => row.slice(j * S, j * S + K));
}

function im2col(x, K, S, P) {
  const rows = [];
  for (let i = 0; i < outputSize(x.length, K, S, P); i++) {
    for (let j = 0; j < outputSize(x[0].length, K, S, P); j++) rows.push(windowAt(x, K, S, P, i, j).flat());
  }
  return rows;
}

function convolve(x, w, S, P) {
  const OW = outputSize(x[0].length, w.length, S, P), y = [];
  im2col(x, w.length, S, P).forEach(function (row, n) {
    const sum = row.reduce((total, value, at) => total + value * w.flat()[at], 0);
    if (n % OW) y[y.length - 1].push(sum); else y.push([sum]);
  });
  return y;
}

function drawConvolution(figure) {
  const x = [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]], w = [[1, 2], [0, 3]], K = 2;
  const now = {S: 1, P: 0, i: 0, j: 1};
  const drawing = element("div", {class: "drawing"}), columns = element("div", {class: "drawing"});
  const said = element("p", {class: "said", role: "status"});
  const set = (name) => function (value) {
    now[name] = value;
    draw();
  };
  const row = slider(t("row i"), {min: 0, max: 1, value: now.i}, set("i"));
  const column = slider(t("column j"), {min: 0, max: 2, value: now.j}, set("j"));
  const surface = element("div");  // stays while its content is drawn anew, so that a drag goes on
  dragged(surface, function (event) {
    const [r, c] = surface.firstChild.cellAt(event);
    now.i = Math.round((r - K / 2) / now.S);
    now.j = Math.round((c - K / 2) / now.S);
    draw();
  });

  function draw() {
    const {S, P} = now, OH = outputSize(3, K, S, P), OW = outputSize(4, K, S, P);
    now.i = clamp(now.i, 0, OH - 1);
    now.j = clamp(now.j, 0, OW - 1);
    row.move(now.i, OH - 1);
    column.move(now.j, OW - 1);
    const {i, j} = now, y = convolve(x, w, S, P), inside = windowAt(x, K, S, P, i, j), n = i * OW + j;
    const border = (r, c) => r < P || c < P || r >= 3 + P || c >= 4 + P;
    const covered = (r, c) => r >= i * S && r < i * S + K && c >= j * S && c < j * S + K;
    surface.replaceChildren(matrix(padded(x, P), {
      name: "x", mark: (r, c) => (border(r, c) ? "dashed " : "") + (covered(r, c) ? "marked" : "")}));
    drawing.replaceChildren(surface, matrix(w, {name: "w"}),
      matrix(y, {name: `y, ${OH}×${OW}`, mark: (r, c) => r === i && c === j ? "result" : ""}));
    columns.replaceChildren(
      matrix(im2col(x, K, S, P), {name: `X, ${OH * OW}×${K * K}`, size: 24, mark: (r) => r === n ? "marked" : ""}),
      matrix(w.flat().map((value) => [value]), {name: "w", size: 24}),
      matrix(y.flat().map((value) => [value]), {name: "X w", size: 24, mark: (r) => r === n ? "result" : ""}));
    said.textContent = `y[${i}, ${j}] = ` + inside.flat().map((value, at) => `${value}·${w.flat()[at]}`).join(" + ")
      + ` = ${y[i][j]}.  ` + t("Windows along a row:") + ` floor((4 + 2·${P} - ${K}) / ${S}) + 1 = ${OW}.`;
  }

  figure.append(element("div", {class: "controls"}, row, column,
    slider(t("stride S"), {min: 1, max: 2, value: 1}, set("S")),
    slider(t("padding P"), {min: 0, max: 1, value: 0}, set("P"))), drawing, said, columns);
  draw();
}

start("convolution", drawConvolution);
