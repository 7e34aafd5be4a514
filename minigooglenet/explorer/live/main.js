"use strict";
// Starts the page: the drawing, the tours, and what follows every change of the state.

const boxes = new Map([...document.querySelectorAll("[data-path]")].map(box => [box.dataset.path, box]));
const KEYS = { ArrowUp: "up", ArrowDown: "down", ArrowLeft: "left", ArrowRight: "right" };

function buildDrawing() {
  for (const [path, box] of boxes) {
    box.addEventListener("click", () => {
      go({ layer: path });
      $("layer").scrollIntoView({ block: "nearest" });
    });
    box.addEventListener("keydown", event => {
      const to = event.key === "Enter" || event.key === " " ? path : data.neighbors[path][KEYS[event.key]];
      if (to) { go({ layer: to }, true); boxes.get(to).focus(); }
      if (to || KEYS[event.key]) event.preventDefault();
    });
  }
  const all = Object.keys(layers), step = by => go({ layer: all[Math.max(0, Math.min(all.length - 1, all.indexOf(state.layer) + by))] });
  $("walk").append(button("←", () => step(-1), { "aria-label": t("layer.before") }),
    make("select", { id: "pick", "aria-label": t("layer.pick"), onchange: event => go({ layer: event.target.value }) },
      ...all.map(path => make("option", { value: path }, path === "softmax" ? path : `${path} · ${layers[path].kind}`))),
    button("→", () => step(1), { "aria-label": t("layer.after") }));
}

function showDrawing() {
  for (const [path, box] of boxes) {
    const selected = path === state.layer || (!boxes.has(state.layer) && path === data.first);
    box.setAttribute("aria-pressed", String(path === state.layer));
    box.setAttribute("tabindex", selected ? 0 : -1);
    box.classList.toggle("switched-off", !isOn(path));
  }
  const room = $("network"), box = boxes.get(state.layer);
  if (!box || room.scrollHeight <= room.clientHeight) return;
  const place = box.getBoundingClientRect(), frame = room.getBoundingClientRect();
  if (place.top < frame.top || place.bottom > Math.min(frame.bottom, innerHeight)) room.scrollTop += place.top - frame.top - frame.height / 3;
}

const possible = tour => live && tour.steps.every(step => Object.hasOwn(layers, step.go.layer));

function buildTours() {
  data.text.tours.forEach((tour, n) => {
    if (possible(tour)) $("tours").append(button(tour.title, () => openStep(n, 0)));
  });
}

function openStep(tour, n) {
  const to = data.text.tours[tour].steps[n].go;
  go({ off: null, ...to, ...(to.map === "class" && probabilities ? { map: chosen(), class: chosen() } : {}), tour: tour + 1, step: n + 1 });
  $(data.text.tours[tour].steps[n].see || "layer").scrollIntoView();
}

function showTour() {
  document.body.style.setProperty("--tour", "0px");
  const number = Number(state.tour) - 1, tour = data.text.tours[number], n = Math.max(0, Number(state.step || 1) - 1);
  $("tour").hidden = !tour || !possible(tour) || !tour.steps[n];
  if ($("tour").hidden) return;
  const step = tour.steps[n], facts = layers[step.go.layer], it = facts.saving || {};
  fill($("tour"),
    make("p", { class: "quiet" }, t("tour.head", { title: tour.title, n: n + 1, of: tour.steps.length })),
    make("p", {}, t(`tours.${number}.steps.${n}.text`, { in: facts.in, out: facts.out, between: it.between, maps: it.maps,
      macs: millions(facts.macs),
      share: percent(facts.macShare || 0), paramShare: percent(facts.paramShare || 0), label: probabilities ? data.labels[chosen()] : "…",
      reduced: millions(it.reduced || 0), direct: millions(it.direct || 0), ratio: Math.round(it.direct / it.reduced) })),
    make("div", { class: "row" }, button(t("tour.back"), () => openStep(number, n - 1), { disabled: n === 0 }),
      button(t("tour.next"), () => openStep(number, n + 1), { disabled: n + 1 === tour.steps.length }),
      button(t("tour.end"), () => go({ tour: null, step: null, off: null, class: null })),
      make("span", { class: "quiet" }, lesson(step.lesson))));
  document.body.style.setProperty("--tour", `${$("tour").offsetHeight}px`); // it stays on top; other parts scroll below it
}

function update(before) {
  const other = before.layer !== state.layer;
  if (other) reading = null;
  showDrawing();
  showTour();
  if (other || before.off !== state.off) showLayer();
  if (!live) return;
  if (before.off !== state.off) return void run(null); // shows the maps when it is done
  if (before.class !== state.class) showAnswer();
  if (other) showMaps();
  else if (current() && (before.map !== state.map || before.at !== state.at)) { drawSheet(); showMap(); }
}

buildDrawing();
showDrawing();
buildTours();
showTour();
showLayer();
watchers.push(update);
if (live) {
  buildLayer();
  buildAnswer();
  listeners.push(() => { showLayer(); showMaps(); });
  $("status").textContent = t("loading");
  startWorker().then(buildInput);
} else for (const id of ["input", "maps"]) $(id).hidden = true;
