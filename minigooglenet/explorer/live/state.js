"use strict";
// What is shown, as the page's address: #layer=4c&map=12&at=3,5&class=281&off=4c/5x5;4c:12&tour=1&step=2
// Every change of the state goes through `go`, so the back button undoes it, and a link shows the same again.

const NAMES = ["layer", "map", "at", "class", "off", "tour", "step"];
const watchers = [];
let state = read();

/** A part of the address; as it is, if it is damaged: a "%" alone. */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function read() {
  const found = Object.fromEntries([...new URLSearchParams(location.hash.slice(1))].filter(([name]) => NAMES.includes(name)));
  if (!Object.hasOwn(layers, found.layer)) found.layer = data.first; // also the old form, #4c
  const plain = decoded(location.hash.slice(1));
  if (Object.hasOwn(layers, plain)) found.layer = plain;
  const C = layers[found.layer].shape.at(-1);
  if (!(Number(found.map) < C && Number(found.map) >= 0)) { delete found.map; delete found.at; }
  if (found.at && !/^\d+,\d+$/.test(found.at)) delete found.at;
  if (found.tour && !t(`tours.${found.tour - 1}.title`, {})) delete found.tour;
  return found;
}

/** Change the state: go({layer: "4c", map: null}). With `replace` the back button does not stop here. */
function go(changes, replace = false) {
  const next = { ...state, ...changes };
  if ("layer" in changes && changes.layer !== state.layer) Object.assign(next, { map: null, at: null }, changes);
  if ("map" in changes && !("at" in changes)) next.at = null;
  const hash = "#" + NAMES.filter(name => next[name] !== null && next[name] !== undefined && next[name] !== "")
    .map(name => `${name}=${encodeURIComponent(next[name]).replace(/%(2F|3A|2C|3B)/g, decodeURIComponent)}`).join("&"); // / : , ;
  if (hash === location.hash) return;
  history[replace ? "replaceState" : "pushState"](null, "", hash);
  changed();
}

function changed() {
  const before = state;
  state = read();
  for (const watcher of watchers) watcher(before);
}

addEventListener("popstate", changed);

/** What is switched off, as the engine reads it: {path: "all" or [channels]}, from "4c/5x5;4c:12.13". */
function switchedOff() {
  const found = {};
  for (const part of (state.off || "").split(";").filter(Boolean)) {
    const [path, channels] = part.split(":");
    if (Object.hasOwn(layers, path)) found[path] = channels === undefined ? "all" : channels.split(".").map(Number);
  }
  return found;
}

/** Switch a layer, or map c of a layer, on or off. */
function turn(path, on, c) {
  const off = switchedOff();
  if (c === undefined) {
    if (on) delete off[path];
    else off[path] = "all";
  } else {
    const channels = new Set(Array.isArray(off[path]) ? off[path] : []);
    channels[on ? "delete" : "add"](c);
    off[path] = [...channels];
    if (!channels.size) delete off[path];
  }
  go({ off: Object.entries(off).map(([name, c]) => c === "all" ? name : `${name}:${c.join(".")}`).join(";") });
}

function isOn(path, c) {
  const off = switchedOff()[path];
  return c === undefined ? off !== "all" : !(off === "all" || (off || []).includes(c));
}
