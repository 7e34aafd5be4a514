"use strict";
// Elements, texts, numbers and colors for all parts of the page.

const data = JSON.parse(document.getElementById("data").textContent);
const layers = data.layers; // {path: facts}
const $ = id => document.getElementById(id);

/** An element: make("p", {class: "quiet", onclick: f}, "text", child, …). Text is never parsed as HTML. */
function make(name, attributes = {}, ...inside) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  return fill(element, ...inside);
}

/** Replace what is inside an element. Parts that are null, undefined or false are left out. The focus stays, at the
 * control that takes the place of the focused one: the next one if that is disabled. */
function fill(element, ...inside) {
  const controls = () => [...element.querySelectorAll("button, input, select, [tabindex]")];
  const at = element.contains(document.activeElement) ? controls().indexOf(document.activeElement) : -1;
  element.replaceChildren(...inside.flat().filter(part => part !== null && part !== undefined && part !== false));
  if (at < 0) return element;
  const now = controls(), next = [...now.slice(at), ...now.slice(0, at).reverse()].find(control => !control.disabled);
  if (next) next.focus({ preventScroll: true });
  return element;
}

/** The text of a key in text.json, with {name} replaced by values.name. */
function t(key, values = {}) {
  const text = key.split(".").reduce((table, part) => table && table[part], data.text);
  return String(text ?? key).replace(/\{(\w+)\}/g, (whole, name) => name in values ? values[name] : whole);
}

/** "Lesson: What does a 1×1 convolution buy? (one_by_one)" */
function lesson(name) {
  return t("lesson", { name: data.lessons[name] || name.replaceAll("_", " ") });
}

const language = document.documentElement.lang;
const count = n => n.toLocaleString(language);
const percent = x => x > 0 && x < 0.0005 ? "< 0.1 %" : (100 * x).toLocaleString(language, { maximumFractionDigits: x < 0.1 ? 1 : 0 }) + " %";
const millions = n => (n / 1e6).toLocaleString(language, { maximumSignificantDigits: 3 }) + " M";

/** A number in about four digits. */
function short(x) {
  if (!Number.isFinite(x)) return x > 0 ? "∞" : "−∞";
  const tiny = x !== 0 && Math.abs(x) < 0.001;
  const text = tiny ? x.toExponential(1) : x.toLocaleString(language, { maximumSignificantDigits: 4 });
  return text.replace("-", "−");
}

function meter(label, share, text, other = false) {
  const bar = make("i");
  bar.style.width = `${Math.max(0, Math.min(100, 100 * share))}%`;
  return make("div", { class: other ? "meter other" : "meter" }, make("span", {}, label),
    make("span", { "aria-hidden": "true" }, bar), make("span", {}, text));
}

function button(text, onclick, attributes = {}) {
  return make("button", { type: "button", onclick, ...attributes }, text);
}

/** A switch: on or off. */
function toggle(text, on, onchange) {
  return make("label", { class: "switch" }, make("input", { type: "checkbox", role: "switch", checked: on,
    onchange: event => onchange(event.target.checked) }), make("span", {}, text));
}

// Magma, whose lightness grows with the value: readable without color.
const MAGMA = [[0, 0, 4], [28, 16, 68], [79, 18, 123], [129, 37, 129], [181, 54, 122], [229, 80, 100], [251, 135, 97],
  [254, 194, 135], [252, 253, 191]];
const PALETTE = Uint32Array.from({ length: 256 }, (_, n) => {
  const at = n / 255 * 8, low = Math.min(7, Math.floor(at));
  const [r, g, b] = MAGMA[low].map((v, c) => Math.round(v + (at - low) * (MAGMA[low + 1][c] - v)));
  return r | g << 8 | b << 16; // a pixel as one number, without its opacity
});

/** Values (height × width) as a canvas, from dark (0 or the least) to bright (the largest); `clear`: 0 is transparent. */
function canvasOf(values, width, height, clear = false) {
  const canvas = make("canvas", { width, height });
  canvas.getContext("2d").putImageData(colored(values, width, height, clear), 0, 0);
  return canvas;
}

/** The same as pixels. The range is that of the numbers in `all`. */
function colored(values, width, height, clear = false, all = values) {
  const image = new ImageData(width, height);
  let low = 0, high = 0;
  for (let p = 0; p < all.length; p++) { // for … of is slower
    if (all[p] < low) low = all[p];
    else if (all[p] > high) high = all[p];
  }
  const pixels32 = new Uint32Array(image.data.buffer), scale = high > low ? 255 / (high - low) : 0;
  for (let p = 0; p < values.length; p++) {
    const level = Math.round((values[p] - low) * scale);
    pixels32[p] = PALETTE[level] | (clear ? level : 255) << 24;
  }
  return image;
}

/** Map c of a layer's output {H, W, C, maps}. */
const mapOf = ({ H, W, maps }, c) => maps.subarray(c * H * W, (c + 1) * H * W);
