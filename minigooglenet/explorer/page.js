"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const panel = document.getElementById("layer");
  const boxes = new Map([...document.querySelectorAll("[data-path]")].map(box => [box.dataset.path, box]));
  const radios = [...document.querySelectorAll("[name=photo]")];
  let selected = data.first;
  let photo = 0;

  const count = n => n.toLocaleString("en-US");
  const percent = x => (100 * x).toFixed(x && x < 0.001 ? 2 : 1) + "%";
  const millions = n => (n / 1e6).toLocaleString("en-US", { minimumFractionDigits: 1, maximumFractionDigits: n < 1e6 ? 3 : 1 }) + " M";

  /** Create an element: make("p", {class: "quiet"}, "text", child, …). Text is never parsed as HTML. */
  function make(name, attributes = {}, ...inside) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...inside.filter(part => part !== null && part !== undefined));
    return element;
  }

  function meter(label, part, text, other = false) {
    const bar = make("i");
    bar.style.width = (100 * Math.min(1, part)).toFixed(2) + "%";
    return make("div", { class: other ? "meter other" : "meter" }, make("span", {}, label),
      make("span", { "aria-hidden": "true" }, bar), make("span", {}, text));
  }

  function terms(pairs) {
    return make("dl", {}, ...pairs.flatMap(([term, text]) => [make("dt", {}, term), make("dd", {}, text)]));
  }

  function saving(it) {
    const head = make("h3", {}, it.window === "pool" ? "The branch with its 1×1" : "The branch with and without its 1×1");
    if (it.window === "pool") {
      return [head, make("p", {}, `After the pool, the 1×1 reduces ${it.maps} maps to ${it.between} with ${millions(it.reduced)} ` +
        `multiply-adds. Without it the branch has no multiply-adds and outputs all ${it.maps} maps.`)];
    }
    const most = Math.max(it.direct, it.reduced);
    return [head,
      meter("with", it.reduced / most, millions(it.reduced)),
      meter("without", it.direct / most, millions(it.direct), true),
      make("p", { class: "quiet" }, `Multiply-adds. With: the 1×1 reduces ${it.maps} maps to ${it.between}, then ${it.window}. ` +
        `Without: ${it.window} on ${it.maps} maps, ${(it.direct / it.reduced).toFixed(1)} times as many.`)];
  }

  function branches(list) {
    const most = Math.max(...list.map(b => Math.max(b.macs, b.saving ? b.saving.direct : 0)));
    const saved = list.filter(b => b.saving && b.saving.window !== "pool");
    return [make("h3", {}, "Multiply-adds of the branches"),
      ...list.flatMap(b => [
        make("div", { class: "quiet" }, `${b.text}, ${b.maps} maps`),
        meter(saved.includes(b) ? "with its 1×1" : "", b.macs / most, millions(b.macs)),
        ...(saved.includes(b) ? [meter("without", b.saving.direct / most, millions(b.saving.direct), true)] : [])])];
  }

  function activations(layer) {
    if (!layer.activations) return [];
    const { channels, src } = layer.activations[photo];
    const which = channels.length < layer.maps ? `the ${channels.length} strongest of ${layer.maps}` : `all ${layer.maps}`;
    const strip = make("img", { class: "maps", src,
      alt: `Maps of channels ${channels.join(", ")} for ${data.photos[photo]}; brighter is larger.` });
    const large = make("figure", { class: "large", "aria-live": "polite" });
    const buttons = channels.map((c, n) => make("button", { type: "button", "aria-label": `Enlarge map ${c}` }, String(c)));
    const enlarge = n => {
      const closed = buttons[n].getAttribute("aria-pressed") === "true";
      buttons.forEach((one, k) => one.setAttribute("aria-pressed", String(k === n && !closed)));
      large.replaceChildren(...(closed ? [] : [part(strip, n, channels.length), make("figcaption", {}, `Map ${channels[n]}`)]));
    };
    buttons.forEach((one, n) => one.addEventListener("click", () => enlarge(n)));
    strip.addEventListener("click", event => enlarge(Math.min(channels.length - 1,
      Math.floor(channels.length * event.offsetX / strip.clientWidth))));
    return [make("h3", {}, `Output: ${which} maps, brighter is larger. Select one to enlarge it.`),
      make("figure", {}, strip, make("figcaption", {}, ...buttons)), large];
  }

  /** Map number n of a strip of maps, which have gaps of two pixels between them. */
  function part(strip, n, of) {
    const side = (strip.naturalWidth + 2) / of - 2, canvas = make("canvas", { width: side, height: strip.naturalHeight });
    canvas.getContext("2d").drawImage(strip, -n * (side + 2), 0);
    return canvas;
  }

  function prediction() {
    if (!data.photos.length) return [];
    const best = data.predictions[photo];
    const heat = data.heat[photo];
    const image = make("img", { src: data.shown[photo], alt: data.photos[photo] });
    const small = data.shown[photo].startsWith("data:image/png") ? "pair small" : "pair";
    return [make("h3", {}, "Prediction"),
      make("div", { class: small }, make("figure", {}, image, make("figcaption", {}, data.photos[photo])),
        heat ? make("figure", {}, make("img", { src: heat, alt: `Class activation map of ${best[0][0]}: the regions of the image that support it` }),
          make("figcaption", {}, `evidence for ${best[0][0]}`)) : null),
      ...best.map(([label, p]) => meter(label, p, percent(p)))];
  }

  function show(path) {
    const layer = data.layers[path];
    panel.replaceChildren(
      make("h2", { tabindex: "-1" }, path), make("div", {}, layer.kind), more,
      ...(layer.what ? [make("p", {}, layer.what)] : []),
      terms([["in", layer.in], ["out", layer.out],
        ["parameters", layer.params ? `${count(layer.params)} (${percent(layer.paramShare)} of total)` : "none"],
        ["multiply-adds", layer.macs ? `${count(layer.macs)}` : "none"]]),
      ...(layer.macs ? [meter("share of total", layer.macShare, percent(layer.macShare))] : []),
      ...(layer.branches ? branches(layer.branches) : []),
      ...(layer.saving ? saving(layer.saving) : []),
      ...activations(layer));
    panel.scrollTop = 0;
  }

  const showPrediction = () => document.getElementById("answer").replaceChildren(...prediction());

  /** On narrow screens the description is a low bar over the drawing; this button opens and closes it. */
  const more = make("button", { id: "more", type: "button", "aria-expanded": "false", "aria-controls": "layer" }, "More");
  more.addEventListener("click", () => {
    const open = panel.classList.toggle("open");
    more.setAttribute("aria-expanded", String(open));
    more.textContent = open ? "Less" : "More";
  });

  /** Select a layer; with focus, focus its box. Only the selected box is in the tab order. The address becomes a link to
   * the layer; with `visit`, the back button returns to the layer before. */
  function select(path, focus, visit = false) {
    const hash = "#" + encodeURI(path);
    if (hash !== location.hash && (focus || visit)) history[visit ? "pushState" : "replaceState"](null, "", hash);
    const before = boxes.get(selected);
    before.setAttribute("aria-pressed", "false");
    before.setAttribute("tabindex", "-1");
    selected = path;
    const box = boxes.get(path);
    box.setAttribute("aria-pressed", "true");
    box.setAttribute("tabindex", "0");
    if (focus) box.focus();
    show(path);
  }

  const keys = { ArrowUp: "up", ArrowDown: "down", ArrowLeft: "left", ArrowRight: "right" };
  for (const [path, box] of boxes) {
    box.addEventListener("click", () => select(path, true, true));
    box.addEventListener("mouseenter", () => show(path));
    box.addEventListener("mouseleave", () => show(selected));
    box.addEventListener("focus", () => { if (path !== selected) select(path, false); });
    box.addEventListener("keydown", event => {
      const all = [...boxes.keys()];
      const to = event.key === "Home" ? all[0] : event.key === "End" ? all[all.length - 1]
        : data.neighbors[path][keys[event.key]];
      if (to) select(to, true);
      else if (event.key === "Enter" || event.key === " ") panel.querySelector("h2").focus();
      else if (!keys[event.key]) return;
      event.preventDefault();
    });
  }
  panel.addEventListener("keydown", event => { if (event.key === "Escape") boxes.get(selected).focus(); });
  for (const radio of radios) {
    radio.addEventListener("change", () => { photo = Number(radio.value); show(selected); showPrediction(); });
  }
  const linked = () => {
    try {
      const path = decodeURI(location.hash.slice(1));
      return boxes.has(path) ? path : data.first;
    } catch { // a "%" alone
      return data.first;
    }
  };
  addEventListener("popstate", () => select(linked(), false));
  select(linked(), false);
  showPrediction();
})();
