// Widths and cost of an inception module, in multiply-adds and weights (without biases).
//
//   a K×K convolution from C to F channels on H×W pixels:  H·W·K·K·C·F multiply-adds,  K·K·C·F weights
"use strict";

// Table 1: module, side of its input, channels C, then 1×1, 3×3 reduce, 3×3, 5×5 reduce, 5×5, pool projection.
const MODULES = [["3a", 28, 192, 64, 96, 128, 16, 32, 32], ["3b", 28, 256, 128, 128, 192, 32, 96, 64],
  ["4a", 14, 480, 192, 96, 208, 16, 48, 64], ["4b", 14, 512, 160, 112, 224, 24, 64, 64],
  ["4c", 14, 512, 128, 128, 256, 24, 64, 64], ["4d", 14, 512, 112, 144, 288, 32, 64, 64],
  ["4e", 14, 528, 256, 160, 320, 32, 128, 128], ["5a", 7, 832, 256, 160, 320, 32, 128, 128],
  ["5b", 7, 832, 384, 192, 384, 48, 128, 128]];

const WIDTHS = ["1×1", "3×3 reduce", "3×3", "5×5 reduce", "5×5", "pool proj"];

// {layer: weights} of a module with C input channels, and the number of its output channels.
function moduleWeights(C, [n1, r3, n3, r5, n5, proj], reduced) {
  return reduced
    ? {layers: {"1×1": C * n1, "3×3 reduce": C * r3, "3×3": 9 * r3 * n3, "5×5 reduce": C * r5, "5×5": 25 * r5 * n5,
                "pool proj": C * proj}, channels: n1 + n3 + n5 + proj}
    : {layers: {"1×1": C * n1, "3×3": 9 * C * n3, "5×5": 25 * C * n5}, channels: n1 + n3 + n5 + C};
}

function total(layers) {
  return Object.values(layers).reduce((sum, weights) => sum + weights, 0);
}

function drawModule(figure) {
  const now = {side: 28, C: 192, widths: [64, 96, 128, 16, 32, 32]};
  const bars = element("div", {class: "bars"}), said = element("p", {class: "said", role: "status"});
  const channels = slider(t("input channels C"), {min: 16, max: 1024, step: 16, value: now.C}, function (value) {
    now.C = value;
    draw();
  });
  const sliders = WIDTHS.map((name, at) => slider(name, {min: 0, max: 400, step: 8, value: now.widths[at]}, (value) => {
    now.widths[at] = value;
    draw();
  }));
  const choice = menu(t("module"), Object.fromEntries(MODULES.map(([name]) => [name, name])), function (name) {
    const [, side, C, ...widths] = MODULES.find((row) => row[0] === name);
    Object.assign(now, {side, C, widths});
    channels.move(C);
    sliders.forEach((one, at) => one.move(widths[at]));
    draw();
  });

  function bar(name, {layers}, most) {
    const macs = now.side ** 2 * total(layers);
    const each = Object.entries(layers).map(([layer, weights]) => `${layer} ${short(now.side ** 2 * weights)}`);
    const row = element("div", {class: "bar", role: "img", "aria-label": `${name}: ${each.join(", ")}`});
    for (const [layer, weights] of Object.entries(layers)) {
      row.append(element("span", {class: "part", title: layer, "data-layer": WIDTHS.indexOf(layer),
                                  style: `width: ${100 * weights / most}%`}, weights > 0.12 * most ? layer : ""));
    }
    return [element("p", {}, `${name}: ${(macs / 1e6).toFixed(1)} M`), row];
  }

  function draw() {
    const reduced = moduleWeights(now.C, now.widths, true), naive = moduleWeights(now.C, now.widths, false);
    const most = Math.max(total(reduced.layers), total(naive.layers));
    bars.replaceChildren(...bar(t("with reductions"), reduced, most), ...bar(t("naive"), naive, most));
    const times = total(naive.layers) / (total(reduced.layers) || 1);
    const count = (text, {layers, channels}) => text.replace("{n}", channels)
      .replace("{macs}", (now.side ** 2 * total(layers)).toLocaleString("en"));
    said.textContent = t("{side}×{side} pixels.").replaceAll("{side}", now.side) + " "
      + count(t("With reductions: {macs} multiply-adds, {n} output channels."), reduced) + " "
      + count(t("Naive: {macs} multiply-adds, {n} output channels."), naive) + " "
      + t("Naive costs {x} times as much.").replace("{x}", times.toFixed(2));
  }

  figure.append(element("div", {class: "controls"}, choice, channels, ...sliders), bars, said);
  draw();
}

start("inception", drawModule);
