// Choose ε: the central difference, its truncation error and its rounding error.
//
//   dL/dw ≈ (L(w + ε) - L(w - ε)) / 2ε        L(w) = ln(1 + exp(-w)), the cross-entropy of the logits (w, 0), label 0
//   error ≈ |L'''| · ε² / 6 + u · |L| / ε     exact: dL/dw = p - 1, p = 1 / (1 + exp(-w))
"use strict";

const single = Math.fround, double = (x) => x;

// The loss as the library computes it, each step rounded by ``r``: single or double precision.
function loss(w, r = double) {
  const most = Math.max(w, 0), shifted = [r(w - most), r(0 - most)];
  const sum = r(r(Math.exp(shifted[0])) + r(Math.exp(shifted[1])));
  return r(r(Math.log(sum)) - shifted[0]);
}

function slope(w) {
  return 1 / (1 + Math.exp(-w)) - 1;
}

function relu(x) {
  return Math.max(x, 0);
}

// The numerical gradient at w, and the two values it is computed from.
function difference(L, w, eps, {oneSided = false, r = double} = {}) {
  const up = L(r(r(w) + r(eps)), r), down = oneSided ? L(r(w), r) : L(r(r(w) - r(eps)), r);
  return {up, down, found: r(r(up - down) / r((oneSided ? 1 : 2) * eps))};
}

const CASES = {central: {}, oneSided: {oneSided: true}, single: {r: single}, kink: {kink: true}};

// The error of one case at step eps, relative to the gradient. It is absolute
// at the kink of a ReLU, where backward returns 0.
function errorOf(name, eps, w = 0.5) {
  const {kink, ...how} = CASES[name];
  if (kink) return Math.abs(difference(relu, 0, eps).found - 0);
  return Math.abs(difference(loss, w, eps, how).found - slope(w)) / Math.abs(slope(w));
}

function drawEpsilon(figure) {
  const now = {power: -6, name: "central"}, steps = [...Array(61)].map((_, n) => -15 + n / 4);
  const names = {central: t("float64, central"), oneSided: t("float64, one-sided"), single: t("float32, central"),
                 kink: t("at the kink of a ReLU")};
  const drawing = element("div", {class: "plot"}), table = element("pre", {class: "said", role: "status"});
  const set = (name) => function (value) {
    now[name] = value;
    draw();
  };
  const x = (power) => 46 + 20.5 * (power + 15), y = (error) => 14 + 13 * -clamp(Math.log10(error), -14, 0.3);

  function draw() {
    const {power, name} = now, eps = 10 ** power, error = errorOf(name, eps);
    const {kink, ...how} = CASES[name], at = kink ? 0 : 0.5;
    const {up, down, found} = difference(kink ? relu : loss, at, eps, how);
    const plot = svg("svg", {viewBox: "0 0 372 228", role: "img",
      "aria-label": t("the error over ε on logarithmic axes, with a mark at the chosen ε")});
    for (let tick = -15; tick <= 0; tick += 3) {
      plot.append(svg("line", {x1: x(tick), x2: x(tick), y1: 10, y2: 198, class: "grid"}),
                  svg("text", {x: x(tick), y: 212, class: "tick"}, "1e" + tick));
    }
    for (let tick = -14; tick <= 0; tick += 2) {
      plot.append(svg("line", {x1: 46, x2: 354, y1: y(10 ** tick), y2: y(10 ** tick), class: "grid"}),
                  svg("text", {x: 42, y: y(10 ** tick) + 4, class: "tick end"}, "1e" + tick));
    }
    for (const one of Object.keys(CASES)) {
      const points = steps.map((p) => `${x(p)},${y(Math.max(errorOf(one, 10 ** p), 1e-14))}`).join(" ");
      plot.append(svg("polyline", {points, class: one === name ? "line chosen" : "line"}));
    }
    plot.append(svg("circle", {cx: x(power), cy: y(Math.max(error, 1e-14)), r: 5, class: "dot"}),
                svg("text", {x: 200, y: 226, class: "tick"}, t("ε; vertical: the error")));
    drawing.replaceChildren(plot);
    const exact = kink ? 0 : slope(0.5);
    table.textContent = [[`L(w + ε)`, up], [how.oneSided ? "L(w)" : "L(w - ε)", down], [t("difference"), up - down],
      [t("gradient"), found], [t("exact"), exact]].map(([what, value]) => what.padEnd(12) + String(value)).join("\n")
      + "\n" + t("error").padEnd(12) + error.toExponential(1) + (kink ? "" : t(", relative"));
  }

  figure.append(element("div", {class: "controls"},
    slider("ε", {min: -15, max: 0, step: 0.25, value: -6, text: (p) => (10 ** p).toExponential(1)}, set("power")),
    menu(t("case"), names, set("name"))), element("div", {class: "drawing"}, drawing, table));
  draw();
}

start("backward", drawEpsilon);
