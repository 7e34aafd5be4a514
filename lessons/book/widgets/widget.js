// What the figures share: elements, sliders, menus, and matrices drawn as boxes.
"use strict";

const SVG = "http://www.w3.org/2000/svg";

// An HTML element: element("p", {class: "said"}, "text", child …).
function element(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

// The same for SVG.
function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// A labeled slider with its value as text. onInput(value) is called when it moves.
// move(value, max) sets it from outside without a call.
function slider(label, {min, max, step = 1, value, text = String}, onInput) {
  const input = element("input", {type: "range", min, max, step, value}), output = element("output", {}, text(value));
  const box = element("label", {class: "control"}, label + " ", input, output);
  const say = function () {
    output.textContent = text(Number(input.value));
    input.setAttribute("aria-valuetext", output.textContent);
  };
  input.addEventListener("input", function () {
    say();
    onInput(Number(input.value));
  });
  box.move = function (value, max = input.max) {
    input.max = max;
    input.value = value;
    say();
  };
  say();
  return box;
}

// A labeled menu of {value: text}.
function menu(label, options, onChange) {
  const select = element("select", {}, ...Object.entries(options).map(([value, text]) =>
    element("option", {value}, text)));
  select.addEventListener("change", () => onChange(select.value));
  const box = element("label", {class: "control"}, label + " ", select);
  box.select = (value) => { select.value = value; };
  return box;
}

// A matrix as SVG. mark(i, j) is the CSS class of a box, or "".
// box.cellAt(event) is the place of a pointer in rows and columns.
function matrix(values, {name, size = 34, mark = () => "", text = String, label = name}) {
  const rows = values.length, columns = values[0].length, top = 22;
  const width = Math.max(columns * size, 70), height = top + rows * size + 1;
  const box = svg("svg", {viewBox: `-1 0 ${width + 2} ${height}`, width: width + 2, height, role: "img",
                          "aria-label": label, class: "matrix"},
    svg("text", {x: 0, y: 14, class: "name"}, name));
  values.forEach((row, i) => row.forEach(function (value, j) {
    box.append(svg("rect", {x: j * size, y: top + i * size, width: size, height: size, class: "box " + mark(i, j)}),
               svg("text", {x: (j + 0.5) * size, y: top + (i + 0.5) * size, class: "value"}, text(value, i, j)));
  }));
  box.cellAt = function (event) {
    const place = box.getBoundingClientRect(), scale = (width + 2) / place.width;
    return [((event.clientY - place.top) * scale - top) / size, ((event.clientX - place.left) * scale - 1) / size];
  };
  return box;
}

// Call onDrag(event) while a pointer drags on the box. The content of the box, which pointers ignore, may be redrawn.
function dragged(box, onDrag) {
  box.classList.add("draggable");
  box.addEventListener("pointerdown", function (event) {
    const stop = new AbortController();
    event.preventDefault();
    onDrag(event);
    addEventListener("pointermove", onDrag, {signal: stop.signal});
    for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => stop.abort(), {signal: stop.signal});
  });
}

// Three significant digits: "1.28e-23", "0.0123", "128,000".
function short(x) {
  const size = Math.abs(x);
  if (size >= 1e6 || (size > 0 && size < 1e-3)) return x.toExponential(2).replace("e+", "e");
  return size >= 1000 ? Math.round(x).toLocaleString("en") : String(Number(x.toPrecision(3)));
}

function clamp(x, low, high) {
  return Math.max(low, Math.min(high, x));
}

// Start the figure of a topic: draw(figure) adds to the element that the page has for it.
function start(topic, draw) {
  if (typeof document !== "undefined") document.querySelectorAll(`[data-widget="${topic}"]`).forEach(draw);
}
