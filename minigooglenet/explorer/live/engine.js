"use strict";
// The page's side of the worker.

const live = data.structure !== null;
const waiting = new Map();
let worker = null, questions = 0;

/** Ask the worker; resolves with its answer. */
function ask(type, question, progress = null, handedOver = []) {
  return new Promise(resolve => {
    waiting.set(++questions, { resolve, progress });
    worker.postMessage({ id: questions, type, question }, handedOver);
  });
}

function startWorker() {
  const sources = [...document.querySelectorAll("script[data-engine]"), $("worker")].map(script => script.textContent);
  worker = new Worker(URL.createObjectURL(new Blob(sources, { type: "text/javascript" })));
  worker.onmessage = ({ data: { id, progress, result } }) => {
    const { resolve, progress: report } = waiting.get(id);
    if (progress !== undefined) return report && report(progress);
    waiting.delete(id);
    resolve(result);
  };
  worker.onerror = event => { $("status").textContent = t("failed", { message: event.message }); };
  const weights = $("weights");
  const loaded = ask("load", { structure: data.structure, weights: weights.textContent, wasm: data.wasm });
  weights.remove(); // 19 MB of text
  return loaded;
}

const structure = live ? new Network(data.structure) : null; // its geometry; the weights are in the worker

let running = false, again = null, computed = null; // computed: what the last pass switched off
const listeners = []; // called with {p, ms} after every pass

/** Compute for the pixels of the image. While a pass runs, only the latest request waits. */
async function run(rgba) {
  if (running) { again = rgba || again || "same"; return; }
  running = true;
  const off = switchedOff();
  const from = rgba || !computed ? 0 : firstChange(computed, off);
  const total = data.structure.steps.length;
  const result = await ask("run", { rgba: rgba || pixels(), off, from },
    done => progress(done / total, data.structure.steps[Math.min(done, total - 1)].path));
  computed = off;
  running = false;
  progress(1);
  for (const listener of listeners) listener(result);
  if (again) {
    const next = again;
    again = null;
    run(next === "same" ? null : next);
  }
}

/** The first step whose output changes between two {path: channels}. */
function firstChange(a, b) {
  const paths = [...new Set([...Object.keys(a), ...Object.keys(b)])].filter(path => String(a[path]) !== String(b[path]));
  return paths.length ? Math.min(...paths.map(path => structure.place(path))) : data.structure.steps.length - 1;
}

function progress(share, path = "") {
  $("ring").style.setProperty("--done", `${Math.round(360 * share)}deg`);
  $("ring").classList.toggle("busy", share < 1);
  if (share < 1) $("status").textContent = t("computing", { layer: path });
}
