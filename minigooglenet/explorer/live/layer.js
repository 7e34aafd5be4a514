"use strict";
// The selected layer: its facts, the branches of a module, all its maps as a sheet, and one of them enlarged.

let output = null; // {path, H, W, C, maps, order} of the selected layer; order: its maps, strongest first
let tile = 48;
let branchesOf = null; // the module whose branches are shown

function showLayer() {
  const facts = layers[state.layer];
  $("title").textContent = state.layer;
  $("pick").value = state.layer;
  fill($("facts"),
    make("p", {}, make("b", {}, facts.kind), ` · ${facts.in} → ${facts.out}`),
    facts.params ? make("p", {}, t("layer.params", { n: count(facts.params), share: percent(facts.paramShare) })) : null,
    facts.macs ? meter(t("layer.macs"), facts.macShare, `${millions(facts.macs)}, ${percent(facts.macShare)}`) : "",
    facts.what ? make("p", {}, facts.what, " ", make("span", { class: "equation" }, facts.equation)) : "",
    facts.lesson ? make("p", { class: "quiet" }, lesson(facts.lesson)) : "",
    ...(facts.saving && facts.saving.direct ? [saving(facts.saving), make("p", { class: "quiet" }, t("layer.saving",
      { ...facts.saving, ratio: (facts.saving.direct / facts.saving.reduced).toLocaleString(language, { maximumSignificantDigits: 2 }) }))] : []),
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
  const path = state.layer;
  if (path !== branchesOf) $("branches").replaceChildren(); // those of the same module stay, with the focus, until the new ones are there
  branchesOf = path;
  if (!facts.branches) return;
  const paths = facts.branches.map(branch => branch.path);
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
  drawSheet();
  showMap();
}

function drawSheet() {
  const canvas = $("sheet"), room = $("sheetbox").clientWidth - 16, step = tile + 4;
  const columns = Math.max(1, Math.floor(room / step)), shown = Math.min(output.C, columns * Math.floor(8000 / step));
  canvas.width = columns * step;
  canvas.height = Math.ceil(shown / columns) * step;
  canvas.columns = columns;
  const context = canvas.getContext("2d"), { W, H, order } = output;
  const all = make("canvas", { width: columns * W, height: Math.ceil(shown / columns) * H }); // at their own size
  const small = all.getContext("2d", { willReadFrequently: true }); // in memory, without the graphics card
  order.slice(0, shown).forEach((c, n) => {
    small.putImageData(colored(mapOf(output, c), W, H, false, W * H > 1 ? undefined : output.maps), n % columns * W, Math.floor(n / columns) * H);
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
  $("sheethead").textContent = t(shown < output.C ? "maps.some" : "maps.all", { n: count(shown), of: count(output.C) });
}

function pickMap(n) {
  go({ map: output.order[Math.max(0, Math.min(output.C - 1, n))] }, true);
}

/** Whether `output` is that of the selected layer; for a moment after a change it is not. */
const current = () => output && output.path === state.layer;

const currentMap = () => Number(state.map ?? output.order[0]);

/** The name of map c: at the end of the network, that of a class. */
const mapName = (path, c) => path === "softmax" || path === structure.steps.at(-1).path ? data.labels[c] : t("maps.name", { map: c });

function showMap() {
  const c = currentMap(), canvas = $("map"), { W, H } = output;
  const side = Math.max(1, Math.floor(360 / Math.max(W, H)));
  canvas.hidden = W * H === 1;
  canvas.width = W * side;
  canvas.height = H * side;
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(canvasOf(mapOf(output, c), W, H), 0, 0, W * side, H * side);
  $("maphead").textContent = t("maps.rank", { name: mapName(state.layer, c), rank: output.order.indexOf(c) + 1, of: count(output.C) });
  fill($("mapswitch"), toggle(t("maps.on", { name: mapName(state.layer, c) }), isOn(state.layer, c), on => turn(state.layer, on, c)));
  const [i, j] = position();
  context.lineWidth = 3;
  context.strokeStyle = "white";
  context.strokeRect(j * side - 1, i * side - 1, side + 2, side + 2);
  readOut(i, j);
  showSum();
  showPatches();
}

/** The selected output [row, column], else the largest of the map. */
function position() {
  const map = mapOf(output, currentMap()), [i, j] = (state.at || "").split(",").map(Number);
  if (i < output.H && j < output.W) return [i, j];
  const p = map.indexOf(map.reduce((a, b) => Math.max(a, b)));
  return [Math.floor(p / output.W), p % output.W];
}

/** Say the value at (i, j), and outline on the image what it sees. */
function readOut(i, j) {
  if (!current()) return;
  const c = currentMap(), field = structure.receptiveField(state.layer, i, j, layers[state.layer].branches ? c : undefined);
  reading = field;
  drawOver();
  const whole = field.top <= 0 && field.left <= 0 && Math.min(field.bottom, field.right) >= size - 1;
  $("value").textContent = t("maps.value", { value: short(mapOf(output, c)[i * output.W + j]), row: i, column: j }) + " "
    + t(whole ? "maps.whole" : "maps.sees", { height: field.bottom - field.top + 1, width: field.right - field.left + 1 })
    + (output.W * output.H > 1 ? " " + t("maps.other") : "");
}

function buildLayer() {
  $("maps").append(
    make("h3", { id: "sheethead" }),
    make("div", { class: "row" }, t("maps.size"), ...[32, 48, 96].map(n => button(t(`maps.size${n}`), () => { tile = n; drawSheet(); }))),
    make("div", { id: "sheetbox" }, make("canvas", { id: "sheet", tabindex: 0, role: "application",
      "aria-label": t("maps.sheet"), "aria-describedby": "maphead" })),
    make("h3", { id: "maphead", "aria-live": "polite" }), make("div", { id: "mapswitch" }),
    make("div", { id: "pair" }, make("canvas", { id: "map", tabindex: 0, role: "application", "aria-label": t("maps.enlarged"),
      "aria-describedby": "value" }), make("canvas", { id: "seen", width: 448, height: 448, role: "img", "aria-label": t("maps.seen") })),
    make("p", { id: "value", "aria-live": "polite" }), make("div", { id: "patches" }), make("div", { id: "sum" }));
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
    if (move) { event.preventDefault(); pickMap(output.order.indexOf(currentMap()) + move); }
  });
  map.addEventListener("pointermove", event => readOut(...inMap(cell(map, event, output.W, output.H))));
  map.addEventListener("pointerleave", () => current() && readOut(...position()));
  map.addEventListener("click", event => go({ map: currentMap(), at: inMap(cell(map, event, output.W, output.H)).join(",") }));
  map.addEventListener("keydown", event => {
    const move = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Enter: [0, 0] }[event.key];
    if (!move || !current()) return;
    event.preventDefault();
    const [i, j] = position();
    go({ map: currentMap(), at: inMap([i + move[0], j + move[1]]).join(",") }, true);
  });
}

const inMap = ([i, j]) => [Math.max(0, Math.min(output.H - 1, i)), Math.max(0, Math.min(output.W - 1, j))];
