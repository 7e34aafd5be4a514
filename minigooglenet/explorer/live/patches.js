"use strict";
// What excites a map most: parts of the sample images, found by a pass over each while the page is idle.

let surveys = null; // for each sample {name, src, canvas, found: {path: {top, at}}}: every map's largest output, and where

async function survey() {
  surveys = [];
  for (const { name, src } of data.images.length > 1 ? data.images : []) {
    const image = make("img", { src }), canvas = make("canvas", { width: size, height: size });
    await image.decode();
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0, size, size);
    surveys.push({ name, src, canvas, found: await ask("survey", { rgba: context.getImageData(0, 0, size, size).data }) });
    showPatches();
  }
}

function showPatches() {
  if (!current()) return;
  const path = state.layer, c = currentMap(), name = mapName(path, c);
  const best = (surveys || []).map(it => ({ ...it, top: it.found[path].top[c], at: it.found[path].at[c] }))
    .filter(({ top }) => top > 0).sort((a, b) => b.top - a.top).slice(0, 8);
  fill($("patches"), ...(best.length ? [make("h3", {}, t("maps.excite", { name }))] : []), make("div", { class: "samples" },
    ...best.map(it => {
      const label = t("maps.patch", { image: it.name, value: short(it.top) });
      return button(make("figure", {}, cut(it, path, c), make("figcaption", {}, short(it.top))), () => openAddress(it.src),
        { "aria-label": label, title: label });
    })));
}

/** The part of a sample that the strongest output of map c sees. */
function cut({ canvas, at }, path, c) {
  const field = structure.receptiveField(path, Math.floor(at / output.W), at % output.W, layers[path].branches ? c : undefined);
  const [left, top] = [Math.max(0, field.left), Math.max(0, field.top)];
  const [width, height] = [Math.min(size, field.right + 1) - left, Math.min(size, field.bottom + 1) - top];
  const found = make("canvas", { width, height });
  found.getContext("2d").drawImage(canvas, left, top, width, height, 0, 0, width, height);
  return found;
}

listeners.push(() => surveys || survey());
