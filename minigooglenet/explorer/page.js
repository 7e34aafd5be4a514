"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const panel = document.getElementById("layer");
  const boxes = new Map([...document.querySelectorAll("[data-path]")].map(box => [box.dataset.path, box]));
  const radios = [...document.querySelectorAll("[name=photo]")];
  let chosen = data.first;
  let photo = 0;

  const count = n => n.toLocaleString("en-US");
  const percent = x => (100 * x).toFixed(x && x < 0.001 ? 2 : 1) + "%";
  const millions = n => (n / 1e6).toLocaleString("en-US", { minimumFractionDigits: 1, maximumFractionDigits: n < 1e6 ? 3 : 1 }) + " M";

  /** An element: make("p", {class: "quiet"}, "text", child, …). Text is never read as HTML. */
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
      return [head, make("p", {}, `After the pool, ${it.maps} maps become ${it.between} for ${millions(it.with)} ` +
        `multiply-adds. Without its 1×1 the branch would multiply nothing, but pass all ${it.maps} maps on to the next module.`)];
    }
    const most = Math.max(it.direct, it.with);
    return [head,
      meter("with", it.with / most, millions(it.with)),
      meter("without", it.direct / most, millions(it.direct), true),
      make("p", { class: "quiet" }, `Multiply-adds: ${it.maps} maps to ${it.between} by the 1×1, then ${it.window}; or ` +
        `${it.window} straight on ${it.maps} maps, ${(it.direct / it.with).toFixed(1)} times as many.`)];
  }

  function branches(list) {
    const most = Math.max(...list.map(b => Math.max(b.macs, b.direct || 0)));
    const saved = list.filter(b => b.direct !== null && !b.pool);
    return [make("h3", {}, "Its branches, in multiply-adds"),
      ...list.flatMap(b => [
        make("div", { class: "quiet" }, `${b.text}, ${b.maps} maps`),
        meter(saved.includes(b) ? "with its 1×1" : "", b.macs / most, millions(b.macs)),
        ...(saved.includes(b) ? [meter("without", b.direct / most, millions(b.direct), true)] : [])])];
  }

  function seen(layer) {
    if (!layer.seen) return [];
    const { channels, src } = layer.seen[photo];
    const which = channels.length < layer.maps ? `the ${channels.length} strongest of ${layer.maps}` : `all ${layer.maps}`;
    return [make("h3", {}, `What comes out: ${which} maps, bright where strong`),
      make("figure", {}, make("img", { class: "maps", src,
        alt: `Maps of channels ${channels.join(", ")} for ${data.photos[photo]}; bright is strong.` }),
        make("figcaption", { "aria-hidden": "true" }, ...channels.map(c => make("span", {}, String(c)))))];
  }

  function answers() {
    if (!data.photos.length) return [];
    const best = data.answers[photo];
    const heat = data.heat[photo];
    const picture = make("img", { src: data.shown[photo], alt: data.photos[photo] });
    const small = data.shown[photo].startsWith("data:image/png") ? "pair small" : "pair";
    return [make("h3", {}, "What the network says"),
      make("div", { class: small }, make("figure", {}, picture, make("figcaption", {}, data.photos[photo])),
        heat ? make("figure", {}, make("img", { src: heat, alt: `Class activation map of ${best[0][0]}: where in the picture it was seen` }),
          make("figcaption", {}, `where it sees: ${best[0][0]}`)) : null),
      ...best.map(([label, p]) => meter(label, p, percent(p)))];
  }

  function show(path) {
    const layer = data.layers[path];
    panel.replaceChildren(
      make("h2", { tabindex: "-1" }, path), make("div", {}, layer.kind),
      terms([["in", layer.in], ["out", layer.out],
        ["parameters", layer.params ? `${count(layer.params)} (${percent(layer.paramShare)} of all)` : "none"],
        ["multiply-adds", layer.macs ? `${count(layer.macs)}` : "none"]]),
      ...(layer.macs ? [meter("share of all", layer.macShare, percent(layer.macShare))] : []),
      ...(layer.branches ? branches(layer.branches) : []),
      ...(layer.without ? saving(layer.without) : []),
      ...seen(layer),
      ...answers());
  }

  /** Choose a layer; with focus, go there. One box is in the tab order: the chosen one. */
  function choose(path, focus) {
    const before = boxes.get(chosen);
    before.setAttribute("aria-pressed", "false");
    before.setAttribute("tabindex", "-1");
    chosen = path;
    const box = boxes.get(path);
    box.setAttribute("aria-pressed", "true");
    box.setAttribute("tabindex", "0");
    if (focus) box.focus();
    show(path);
  }

  const keys = { ArrowUp: "up", ArrowDown: "down", ArrowLeft: "left", ArrowRight: "right" };
  for (const [path, box] of boxes) {
    box.addEventListener("click", () => choose(path, true));
    box.addEventListener("mouseenter", () => show(path));
    box.addEventListener("mouseleave", () => show(chosen));
    box.addEventListener("focus", () => { if (path !== chosen) choose(path, false); });
    box.addEventListener("keydown", event => {
      const all = [...boxes.keys()];
      const to = event.key === "Home" ? all[0] : event.key === "End" ? all[all.length - 1]
        : data.ways[path][keys[event.key]];
      if (to) choose(to, true);
      else if (event.key === "Enter" || event.key === " ") panel.querySelector("h2").focus();
      else if (!keys[event.key]) return;
      event.preventDefault();
    });
  }
  panel.addEventListener("keydown", event => { if (event.key === "Escape") boxes.get(chosen).focus(); });
  for (const radio of radios) {
    radio.addEventListener("change", () => { photo = Number(radio.value); show(chosen); });
  }
  const asked = decodeURIComponent(location.hash.slice(1));
  choose(boxes.has(asked) ? asked : chosen, false);
})();
