"use strict";
// One output, number by number: the window it reads, the products, the sum.

let asked = false; // whether to scroll to the next sum

async function showSum() {
  const at = position(), path = state.layer, c = currentMap();
  const found = await ask("explain", { path, i: at[0], j: at[1], c });
  if (path !== state.layer || c !== currentMap()) return;
  const head = make("h3", {}, t(found.op === "dense" ? "sum.score" : "sum.title", { value: short(found.y), name: mapName(path, c), row: at[0], column: at[1] }));
  fill($("sum"), head, ...[(SUMS[found.op] || SUMS.other)(found, c)].flat());
  if (asked) $("sum").scrollIntoView();
  asked = false;
}

/** The sums of a window as a table of rows × columns; `mark` is the place of an emphasized number. */
function grid(values, columns, caption, mark = -1) {
  const most = Math.max(...Array.from(values, v => Number.isFinite(v) ? Math.abs(v) : 0)) || 1;
  const rows = [];
  for (let n = 0; n < values.length; n += columns) {
    rows.push(make("tr", {}, ...Array.from(values.slice(n, n + columns), (v, k) => {
      const cell = make("td", { class: n + k === mark ? "winner" : "" }, Number.isFinite(v) ? short(v) : t("sum.outside"));
      cell.style.setProperty("--strength", `${Number.isFinite(v) ? Math.round(45 * Math.abs(v) / most) : 0}%`);
      return cell;
    })));
  }
  return make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
    make("table", { class: "grid" }, make("caption", {}, caption), ...rows));
}

const colors = ["red", "green", "blue"];

/** The last layer up to `path` whose maps still have positions: before an average of each map, and dropout. */
function withMaps(path) {
  while (["dropout", "global average pool"].includes(layers[path]?.op)) path = structure.before(path);
  return path;
}

/** y = b + Σ x · w: a sum for each position of the window, then the largest products, then the rest. */
function products({ x, w, b, KH, KW, C, y, relu, before }) {
  const terms = Array.from(x, (v, k) => v * w[k]), total = terms.reduce((sum, v) => sum + v, 0);
  const places = Array.from({ length: KH * KW }, (_, p) => terms.slice(p * C, (p + 1) * C).reduce((sum, v) => sum + v, 0));
  const largest = Array.from(terms.keys()).sort((p, q) => Math.abs(terms[q]) - Math.abs(terms[p])).slice(0, 12);
  const rest = total - largest.reduce((sum, k) => sum + terms[k], 0);
  const from = withMaps(before);
  const where = k => {
    const map = k % C, name = before === "input" ? t(`sum.${colors[data.structure.preparation.source[map]]}`) : mapName(before, map);
    const text = KH * KW === 1 ? name : t("sum.where", { name, row: Math.floor(k / C / KW), column: Math.floor(k / C) % KW });
    return from === "input" || layers[from].shape.at(-1) !== C ? text : button(text, () => go({ layer: from, map }), { class: "link" });
  };
  const line = (name, ...numbers) => make("tr", {}, make("th", { scope: "row" }, name), ...numbers.map(v => make("td", {}, v)));
  return [
    from !== before ? make("p", {}, t("sum.means", { layer: from })) : make("p", {}, t("sum.conv", { n: count(terms.length), KH, KW, C: count(C), layer: before })),
    C === 3 && KH > 1 ? make("figure", {}, filter(w, KH, KW), make("figcaption", {}, t("sum.filter"))) : null,
    KH * KW > 1 ? grid(places, KW, t("sum.places", { KH, KW, C })) : null,
    make("table", { class: "terms" }, make("caption", {}, t("sum.largest", { n: largest.length })),
      line("", t("sum.x"), t("sum.w"), t("sum.product")),
      ...largest.map(k => line(where(k), short(x[k]), short(w[k]), short(terms[k]))),
      line(t("sum.rest", { n: count(terms.length - largest.length) }), "", "", short(rest)),
      line(t("sum.bias"), "", "", short(b)), line(t("sum.total"), "", "", short(total + b)),
      relu ? line("ReLU", "", "", short(Math.max(0, total + b))) : null),
    relu && total + b > 0 && y === 0 ? make("p", {}, t("sum.off")) : null];
}

/** The weights of a filter on three channels as a color image. */
function filter(w, KH, KW) {
  const canvas = make("canvas", { width: KW, height: KH, class: "filter" }), image = new ImageData(KW, KH);
  const most = Math.max(...w.map(Math.abs)) || 1, { source } = data.structure.preparation; // may be blue, green, red
  for (let p = 0; p < KH * KW; p++) {
    image.data.set([...[0, 1, 2].map(c => 128 + 127 * w[3 * p + source.indexOf(c)] / most), 255], 4 * p);
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

const SUMS = {
  conv: products,
  dense: products,
  "max pool": found => [make("p", {}, t("sum.max", { n: found.x.length - 1, layer: found.before })),
    grid(found.x, found.columns, t("sum.window", { layer: found.before }), found.winner)],
  "average pool": found => average(found),
  "global average pool": found => average(found),
  LRN: found => {
    const [n, alpha, beta, k] = found.constants, squares = found.x.reduce((sum, v) => sum + v * v, 0);
    const s = k + alpha / n * squares, last = found.first + found.x.length - 1;
    return [grid(found.x, found.x.length, t("sum.around", { first: found.first, last }), found.own),
      make("p", { class: "equation" }, `s = ${k} + ${alpha} / ${n} · ${short(squares)} = ${short(s)}`),
      make("p", { class: "equation" }, `${short(found.x[found.own])} · ${short(s)}^−${beta} = ${short(found.y)}`)];
  },
  concat: found => [make("p", {}, t("sum.concat", { layer: found.from, map: found.channel })),
    button(t("sum.open", { layer: found.from }), () => go({ layer: found.from, map: found.channel, at: state.at }))],
  softmax: found => make("p", { class: "equation" },
    `exp(${short(found.z)} − ${short(found.largest)}) / ${short(found.sum)} = ${percent(found.y)}`),
  other: found => make("p", {}, t("sum.same", { layer: found.before })),
};

function average({ x, columns, divisor, before, y }) {
  const sum = Array.from(x).reduce((a, b) => a + b, 0);
  return [grid(x, columns, t("sum.window", { layer: before })),
    make("p", { class: "equation" }, `${short(sum)} / ${divisor} = ${short(y)}`)];
}
