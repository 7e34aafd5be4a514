"use strict";
// The five most probable classes, the class whose evidence is shown, and what is switched off.

let probabilities = null, heads = [], reference = null, showEvidence = true;

function buildAnswer() {
  listeners.push(async ({ p, ms, heads: found }) => {
    probabilities = p;
    heads = found;
    if (!covered && !Object.keys(switchedOff()).length) reference = p;
    $("status").textContent = t("done", { ms: count(Math.round(ms)), label: data.labels[best()[0]], p: percent(p[best()[0]]) });
    showAnswer();
  });
  fill($("choose"),
    make("label", {}, t("answer.choose"), make("input", { list: "classes", id: "wanted", autocomplete: "off", onchange: choose })),
    make("datalist", { id: "classes" }, ...data.labels.map(label => make("option", { value: label }))),
    toggle(t("answer.evidence"), true, on => { showEvidence = on; showCam(); }));
}

const best = () => Array.from(probabilities.keys()).sort((a, b) => probabilities[b] - probabilities[a]).slice(0, 5);

/** The class that is explained: the chosen one, else the most probable. */
const chosen = () => state.class !== undefined && Number(state.class) < data.labels.length ? Number(state.class) : best()[0];

function choose(event) {
  const k = data.labels.indexOf(event.target.value);
  go({ class: k < 0 ? null : k });
}

function showAnswer() {
  if (!probabilities) return;
  const rows = [...new Set([...best(), chosen()])];
  fill($("top"), ...rows.map(k => {
    const bar = make("i"), p = probabilities[k], was = reference ? reference[k] : p;
    bar.style.width = `${100 * p}%`;
    const text = Math.abs(p - was) >= 0.005 ? t("answer.was", { p: percent(p), was: percent(was) }) : percent(p);
    return make("button", { type: "button", class: "class", "aria-pressed": String(k === chosen()), onclick: () => go({ class: k }) },
      make("span", {}, data.labels[k]), make("b", {}, text), bar);
  }));
  const off = Object.entries(switchedOff());
  fill($("why"), button(t("answer.why", { label: data.labels[chosen()] }), () => {
    asked = true;
    go({ layer: structure.steps.at(-1).path, map: chosen(), at: null });
    if (current()) showSum();
  }));
  fill($("heads"), ...(heads.length ? [make("h3", {}, t("answer.heads"))] : []), ...heads.map(({ tap, p }) => {
    const k = p.indexOf(p.reduce((a, b) => Math.max(a, b)));
    return make("p", {}, t("answer.head", { tap, label: data.labels[k] }), " ", make("b", {}, percent(p[k])));
  }));
  fill($("off"), ...(off.length ? [make("span", {}, t("answer.off", { list: off.map(([path, c]) =>
    c === "all" ? path : `${path}: ${c.join(", ")}`).join("; ") })), button(t("answer.allon"), () => go({ off: null }))] : []));
  showCam();
}

async function showCam() {
  const M = probabilities && showEvidence ? await ask("cam", { k: chosen() }) : null;
  evidence = M ? canvasOf(M.data.map(v => Math.max(0, v)), M.W, M.H, true) : null;
  drawOver();
}
