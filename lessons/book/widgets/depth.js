// Choose σ: how the size of the activations changes with depth, by the formula and measured with random weights.
//
//   mean square of x_l = (fan_in · σ² / 2)^l · mean square of x_0        size: its square root
"use strict";

function predictedSize(sigma, fanIn, layer) {
  return (fanIn * sigma ** 2 / 2) ** (layer / 2);
}

// Standard normal numbers: a small generator (mulberry32), and the method of Box and Muller.
function normals(seed) {
  let state = seed;
  function uniform() {
    state = (state + 0x6D2B79F5) | 0;
    let a = Math.imul(state ^ (state >>> 15), 1 | state);
    a = (a + Math.imul(a ^ (a >>> 7), 61 | a)) ^ a;
    return ((a ^ (a >>> 14)) >>> 0) / 4294967296;
  }
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

// The size after each of ``layers`` layers, for N random inputs of size 1: [1, size of x_1, …].
function measuredSizes(sigma, fanIn, layers = 20, N = 12, seed = 9) {
  const normal = normals(seed), sizes = [1];
  let x = [...Array(N)].map(() => Float64Array.from({length: fanIn}, normal));
  const size = () => Math.sqrt(x.reduce((sum, row) => sum + row.reduce((s, v) => s + v * v, 0), 0) / (N * fanIn));
  const first = size();
  for (let layer = 0; layer < layers; layer++) {
    const w = [...Array(fanIn)].map(() => Float64Array.from({length: fanIn}, () => sigma * normal()));
    x = x.map((row) => Float64Array.from(w, (weights) =>
      Math.max(0, weights.reduce((sum, weight, k) => sum + weight * row[k], 0))));
    sizes.push(size() / first);
  }
  return sizes;
}

function drawSigma(figure) {
  const now = {fanIn: 100, power: -2, seed: 9}, LAYERS = 20;
  const drawing = element("div", {class: "plot"}), said = element("p", {class: "said", role: "status"});
  const sigma = slider("σ", {min: -2.5, max: -0.3, step: 0.01, value: -2, text: (p) => short(10 ** p)}, (power) => {
    now.power = power;
    draw();
  });
  const preset = (label, value) => {
    const button = element("button", {type: "button"}, label);
    button.addEventListener("click", () => {
      now.power = Math.log10(value());
      sigma.move(now.power);
      draw(value());
    });
    return button;
  };
  const x = (layer) => 46 + 15 * layer, y = (size) => 76 - 4.6 * clamp(Math.log10(size || 1e-99), -26, 14);

  function draw(exact = 10 ** now.power) {
    const sizes = measuredSizes(exact, now.fanIn, LAYERS, 12, now.seed);
    const plot = svg("svg", {viewBox: "0 0 360 228", role: "img",
                             "aria-label": t("the size of the activations by layer, on a logarithmic axis")});
    for (let tick = -24; tick <= 12; tick += 6) {
      plot.append(svg("line", {x1: 46, x2: 346, y1: y(10 ** tick), y2: y(10 ** tick), class: "grid"}),
                  svg("text", {x: 42, y: y(10 ** tick) + 4, class: "tick end"}, "1e" + tick));
    }
    for (let layer = 0; layer <= LAYERS; layer += 5) {
      plot.append(svg("text", {x: x(layer), y: 212, class: "tick"}, String(layer)));
    }
    const line = sizes.map((_, layer) => `${x(layer)},${y(predictedSize(exact, now.fanIn, layer))}`).join(" ");
    plot.append(svg("polyline", {points: line, class: "line chosen"}),
                ...sizes.map((size, layer) => svg("circle", {cx: x(layer), cy: y(size), r: 3, class: "dot"})),
                svg("text", {x: 196, y: 226, class: "tick"}, t("layer; vertical: the size")));
    drawing.replaceChildren(plot);
    const factor = Math.sqrt(now.fanIn / 2) * exact;
    said.textContent = t("Each layer multiplies the size by √(fan_in / 2) · σ = {f}.").replace("{f}", short(factor))
      + " " + t("After {n} layers: {a} by the formula, {b} measured.").replace("{n}", LAYERS)
      .replace("{a}", short(predictedSize(exact, now.fanIn, LAYERS))).replace("{b}", short(sizes[LAYERS]))
      + " " + (factor < 0.9 ? t("It vanishes.") : factor > 1.1 ? t("It explodes.") : t("It stays."));
  }

  figure.append(element("div", {class: "controls"}, sigma,
    slider("fan_in", {min: 20, max: 200, step: 20, value: 100}, (value) => {
      now.fanIn = value;
      draw();
    }), preset("0.01", () => 0.01), preset("Xavier, √(1/fan_in)", () => Math.sqrt(1 / now.fanIn)),
    preset("He, √(2/fan_in)", () => Math.sqrt(2 / now.fanIn)),
    preset(t("other weights"), () => {
      now.seed += 1;
      return 10 ** now.power;
    })), element("div", {class: "drawing"}, drawing), said);
  draw();
}

start("depth", drawSigma);
