"use strict";
// The selected layer: its facts, the branches of a module, all its maps as a sheet, and one of them enlarged.

let output = null; // {path, H, W, C, data} of the selected layer
let order = []; // its maps, strongest first
let tile = 48;

function showLayer() {
  const facts = layers[state.layer];
  $("title").textContent = state.layer;
  $("pick").value = state.layer;
  const op = facts.op, key = `ops.${op}`;
  fill($("facts"),
    make("p", {}, make("b", {}, facts.kind), ` · ${facts.in} → ${facts.out}`),
    facts.params ? make("p", {}, t("layer.params", { n: count(facts.params), share: percent(facts.paramShare) })) : null,
    facts.macs ? meter(t("layer.macs"), facts.macShare, `${millions(facts.macs)}, ${percent(facts.macShare)}`) : "",
    t(`${key}.what`) === `${key}.what` ? "" : make("p", {}, t(`${key}.what`), " ", make("span", { class: "equation" }, t(`${key}.equation`))),
    t(`${key}.lesson`) === `${key}.lesson` ? "" : make("p", { class: "quiet" }, lesson(t(`${key}.lesson`))),
    facts.saving && facts.saving.direct ? saving(facts.saving) : "",
    live && state.layer.includes("/") && toggle(t("layer.on", { layer: state.layer }), isOn(state.layer), on => turn(state.layer, on)));
  showBranches(facts);
}

function saving(it) {
  const most = Math.max(it.direct, it.reduced);
  return make("div", {}, meter(t("layer.with"), it.reduced / most, millions(it.reduced)),
    meter(t("layer.without"), it.direct / most, millions(it.direct), true));
}

/** The branches of a module side by side: layers, costs, activity, and a switch for each. */
async function showBranches(facts) {
  $("branches").replaceChildren();
  if (!facts.branches) return;
  const path = state.layer, paths = facts.branches.map(branch => branch.path);
  const activity = probabilities ? await ask("activity", { paths }) : null;
  if (path !== state.layer) return;
  const strongest = activity ? Math.max(...paths.map(name => activity[name].mean)) || 1 : 1;
  fill($("branches"), make("h3", {}, t("module.title")), make("div", { class: "columns" }, ...facts.branches.map(branch =>
    make("div", { class: isOn(branch.path) ? "branch" : "branch off" },
      make("b", {}, branch.text), make("p", { class: "quiet" }, t("module.maps", { n: branch.maps, macs: millions(branch.macs) })),
      branch.saving && branch.saving.direct ? saving(branch.saving) : null,
      activity ? meter(t("module.activity"), activity[branch.path].mean / strongest, percent(activity[branch.path].alive)) : null,
      live ? toggle(t("module.on"), isOn(branch.path), on => turn(branch.path, on)) : null,
      button(t("module.open", { layer: branch.path.split("/")[1] }), () => go({ layer: branch.path }))))),
  make("p", { class: "quiet" }, t("module.help")));
}

/** Get the outputs of the layer, and show them. */
async function showMaps() {
  if (!live || !probabilities) return;
  const path = state.layer, found = await ask("layer", { path });
  if (path !== state.layer) return;
  output = found;
  const sums = new Float64Array(output.C);
  for (let at = 0; at < output.data.length;) for (let c = 0; c < output.C; c++) sums[c] += Math.abs(output.data[at++]);
  order = Array.from(sums.keys()).sort((a, b) => sums[b] - sums[a]);
  drawSheet();
  showMap();
}

function drawSheet() {
  const canvas = $("sheet"), room = $("sheetbox").clientWidth - 16, step = tile + 4;
  const columns = Math.max(1, Math.floor(room / step)), shown = Math.min(output.C, columns * Math.floor(8000 / step));
  canvas.width = columns * step;
  canvas.height = Math.ceil(shown / columns) * step;
  canvas.columns = columns;
  const context = canvas.getContext("2d"), { W, H } = output;
  const all = make("canvas", { width: columns * W, height: Math.ceil(shown / columns) * H }); // at their own size
  const small = all.getContext("2d", { willReadFrequently: true }); // in memory, without the graphics card
  order.slice(0, shown).forEach((c, n) => {
    small.putImageData(colored(mapOf(output, c), W, H), n % columns * W, Math.floor(n / columns) * H);
  });
  context.imageSmoothingEnabled = W > tile;
  order.slice(0, shown).forEach((c, n) => {
    const x = n % columns * step + 2, y = Math.floor(n / columns) * step + 2;
    context.globalAlpha = isOn(state.layer, c) ? 1 : 0.25;
    context.drawImage(all, n % columns * W, Math.floor(n / columns) * H, W, H, x, y, tile, tile);
    if (c !== Number(state.map ?? order[0])) return;
    context.strokeStyle = getComputedStyle(document.body).getPropertyValue("--accent");
    context.lineWidth = 4;
    context.strokeRect(x - 1, y - 1, tile + 2, tile + 2);
  });
  $("sheethead").textContent = t(shown < output.C ? "maps.some" : "maps.all", { n: shown, of: output.C });
}

function pickMap(n) {
  const c = order[Math.max(0, Math.min(output.C - 1, n))];
  go({ map: c }, true);
}

const currentMap = () => Number(state.map ?? order[0]);

function showMap() {
  const c = currentMap(), canvas = $("map"), { W, H } = output;
  const side = Math.max(1, Math.floor(360 / Math.max(W, H)));
  canvas.width = W * side;
  canvas.height = H * side;
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(canvasOf(mapOf(output, c), W, H), 0, 0, W * side, H * side);
  $("maphead").textContent = t("maps.map", { map: c, rank: order.indexOf(c) + 1, of: output.C });
  fill($("mapswitch"), toggle(t("maps.on", { map: c }), isOn(state.layer, c), on => turn(state.layer, on, c)));
  const at = position();
  if (at) {
    context.lineWidth = 3;
    context.strokeStyle = "white";
    context.strokeRect(at[1] * side - 1, at[0] * side - 1, side + 2, side + 2);
  }
  if (at) readOut(...at);
  else $("value").textContent = t("maps.hover");
  showSum();
}

function position() {
  if (!state.at) return null;
  const [i, j] = state.at.split(",").map(Number);
  return output && i < output.H && j < output.W ? [i, j] : null;
}

/** Say the value at (i, j), and outline on the image what it sees. */
function readOut(i, j) {
  const c = currentMap(), field = structure.receptiveField(state.layer, i, j, layers[state.layer].branches ? c : undefined);
  reading = field;
  drawOver();
  $("value").textContent = t("maps.value", { value: short(output.data[(i * output.W + j) * output.C + c]), map: c, row: i, column: j,
    height: field.bottom - field.top + 1, width: field.right - field.left + 1 });
}

function buildLayer() {
  $("maps").append(
    make("h3", { id: "sheethead" }),
    make("div", { class: "row" }, t("maps.size"), ...[32, 48, 96].map(n => button(t(`maps.size${n}`), () => { tile = n; drawSheet(); }))),
    make("div", { id: "sheetbox" }, make("canvas", { id: "sheet", tabindex: 0, role: "application",
      "aria-label": t("maps.sheet"), "aria-describedby": "maphead" })),
    make("h3", { id: "maphead", "aria-live": "polite" }), make("div", { id: "mapswitch" }),
    make("canvas", { id: "map", tabindex: 0, role: "application", "aria-label": t("maps.enlarged"),
      "aria-describedby": "value" }),
    make("p", { id: "value", "aria-live": "polite" }), make("div", { id: "sum", "aria-live": "polite" }));
  const sheet = $("sheet"), map = $("map");
  const cell = (canvas, event, columns, rows) => {
    const box = canvas.getBoundingClientRect();
    return [Math.floor((event.clientY - box.top) / box.height * rows), Math.floor((event.clientX - box.left) / box.width * columns)];
  };
  sheet.addEventListener("click", event => {
    const [row, column] = cell(sheet, event, sheet.columns, sheet.height / (tile + 4));
    if (row * sheet.columns + column < output.C) pickMap(row * sheet.columns + column);
  });
  sheet.addEventListener("keydown", event => {
    const move = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -sheet.columns, ArrowDown: sheet.columns }[event.key];
    if (move) { event.preventDefault(); pickMap(order.indexOf(currentMap()) + move); }
  });
  map.addEventListener("pointermove", event => readOut(...inMap(cell(map, event, output.W, output.H))));
  map.addEventListener("pointerleave", () => { if (position()) readOut(...position()); else { reading = null; drawOver(); } });
  map.addEventListener("click", event => go({ map: currentMap(), at: inMap(cell(map, event, output.W, output.H)).join(",") }));
  map.addEventListener("keydown", event => {
    const move = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Enter: [0, 0] }[event.key];
    if (!move) return;
    event.preventDefault();
    const [i, j] = position() || [0, 0];
    go({ map: currentMap(), at: inMap([i + move[0], j + move[1]]).join(",") }, true);
  });
}

const inMap = ([i, j]) => [Math.max(0, Math.min(output.H - 1, i)), Math.max(0, Math.min(output.W - 1, j))];
