// Slide a filter: one small array of weights, the same at every position of the image.
//
//   y[i, j] = Σ_u Σ_v x[i + u, j + v] · w[u, v]
"use strict";

const FILTERS = {
  vertical: [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], horizontal: [[-1, -2, -1], [0, 0, 0], [1, 2, 1]],
  right: [[0, 0, 0], [0, -1, 1], [0, 0, 0]], spots: [[0, -1, 0], [-1, 4, -1], [0, -1, 0]],
  blur: Array(3).fill(Array(3).fill(1 / 9)), nothing: [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
};

function slide(x, w) {
  const y = [];
  for (let i = 0; i + w.length <= x.length; i++) {
    y.push([]);
    for (let j = 0; j + w[0].length <= x[0].length; j++) {
      let sum = 0;
      w.forEach((row, u) => row.forEach((weight, v) => { sum += x[i + u][j + v] * weight; }));
      y[i].push(sum);
    }
  }
  return y;
}

// The clock of the lesson in gray, every fourth pixel: 64 rows, 80 columns.
function clock() {
  const rows = [];
  for (let row = 2; row < 256; row += 4) {
    rows.push([]);
    for (let column = 2; column < 320; column += 4) {
      const v = row - 128, u = column - 160, r = Math.hypot(u, v), hour = Math.atan2(u, -v) / (Math.PI / 6);
      let gray = r < 95 ? 738 / 3 : r < 105 ? 130 / 3 : 560 / 3;
      if (Math.abs(hour - Math.round(hour)) * Math.PI / 6 * r < 3 && r > 76 && r < 90) gray = 20;
      for (const [angle, length, width] of [[-1, 50, 5], [1.05, 72, 3]]) {
        const along = u * Math.sin(angle) - v * Math.cos(angle), across = u * Math.cos(angle) + v * Math.sin(angle);
        if (along > -8 && along < length && Math.abs(across) < width) gray = 20;
      }
      rows[rows.length - 1].push(gray);
    }
  }
  return rows;
}

// A canvas that shows values: low is black, high is white.
function pixels(values, low, high, label) {
  const canvas = element("canvas", {width: values[0].length, height: values.length, role: "img", "aria-label": label});
  const context = canvas.getContext("2d"), data = context.createImageData(values[0].length, values.length);
  values.flat().forEach(function (value, at) {
    data.data.fill(clamp(255 * (value - low) / (high - low), 0, 255), 4 * at, 4 * at + 3);
    data.data[4 * at + 3] = 255;
  });
  context.putImageData(data, 0, 0);
  return canvas;
}

function drawFilter(figure) {
  const x = clock(), now = {w: FILTERS.vertical, i: 20, j: 17};
  const input = element("div", {class: "canvas"}), output = element("div", {class: "canvas"});
  const near = element("div", {class: "drawing"}), said = element("p", {class: "said", role: "status"});
  const set = (name) => function (value) {
    now[name] = value;
    draw();
  };
  const row = slider(t("row i"), {min: 0, max: 61, value: now.i}, set("i"));
  const column = slider(t("column j"), {min: 0, max: 77, value: now.j}, set("j"));
  const weights = [...Array(9)].map(function (_, at) {
    const field = element("input", {type: "number", step: "any", "aria-label": `w[${Math.floor(at / 3)}, ${at % 3}]`});
    field.addEventListener("input", function () {
      now.w = now.w.map((line, u) => line.map((old, v) => 3 * u + v === at ? Number(field.value) || 0 : old));
      draw();
    });
    return field;
  });
  const fill = () => weights.forEach((field, at) => { field.value = short(now.w.flat()[at]); });
  dragged(input, function (event) {
    const place = input.getBoundingClientRect();
    now.i = clamp(Math.floor(64 * (event.clientY - place.top) / place.height) - 1, 0, 61);
    now.j = clamp(Math.floor(80 * (event.clientX - place.left) / place.width) - 1, 0, 77);
    row.move(now.i);
    column.move(now.j);
    draw();
  });

  function frame(i, j, size, height, width) {  // a mark on a canvas of height × width pixels
    const percent = (value, of) => `${100 * value / of}%`;
    return element("span", {class: "frame", style: `top: ${percent(i, height)}; left: ${percent(j, width)}; ` +
                            `height: ${percent(size, height)}; width: ${percent(size, width)}`});
  }

  function draw() {
    const {w, i, j} = now, y = slide(x, w), inside = x.slice(i, i + 3).map((line) => line.slice(j, j + 3));
    const sum = w.flat().reduce((total, weight) => total + weight, 0), signed = Math.abs(sum) < 1e-9;
    const reach = 255 / 2 * w.flat().reduce((total, weight) => total + Math.abs(weight), 0) || 1;
    input.replaceChildren(pixels(x, 0, 255, t("the clock, 64×80 pixels")), frame(i, j, 3, 64, 80));
    output.replaceChildren(pixels(y, signed ? -reach : 0, signed ? reach : 255 * Math.abs(sum), t("the output, 62×78")),
                           frame(i, j, 1, 62, 78));
    const whole = (value) => String(Math.round(value));
    near.replaceChildren(matrix(inside, {name: t("x in the window"), size: 44, text: whole}),
      matrix(inside.map((line, u) => line.map((value, v) => value * w[u][v])), {name: "x · w", size: 44, text: whole}));
    said.textContent = `y[${i}, ${j}] = ${short(y[i][j])}. ` + (signed ? t("The weights sum to 0: gray is 0.")
      : t("The weights sum to {sum}.").replace("{sum}", short(sum)));
  }

  fill();
  figure.append(element("div", {class: "controls"},
    menu(t("filter"), {vertical: t("vertical edges"), horizontal: t("horizontal edges"), right: t("right minus left"),
                       spots: t("spots"), blur: t("blur"), nothing: t("the image itself")}, function (name) {
      now.w = FILTERS[name];
      fill();
      draw();
    }), row, column), element("div", {class: "drawing"}, input, element("div", {class: "weights"}, ...weights), output),
    said, near);
  draw();
}

start("first_look", drawFilter);
