"use strict";
// The image: choose, drop, paste or photograph one, and cover parts of it with a brush.

let size = 0, clean = null, covered = false, brush = 0, cursor = null, camera = null, asking = false;
let latest = 0; // counts what was chosen: a slower image that was chosen before is dropped
let reading = null; // the part of the image that the selected output sees
let evidence = null; // the class activation map as a canvas

const photo = () => $("photo").getContext("2d", { willReadFrequently: true });
const pixels = () => photo().getImageData(0, 0, size, size).data;

function buildInput() {
  size = data.structure.input[0];
  brush = Math.round(size / 8);
  const canvas = make("canvas", { id: "photo", width: size, height: size, tabindex: 0, role: "application",
    "aria-label": t("image.label"), "aria-describedby": "brushhelp" });
  const file = make("input", { type: "file", accept: "image/*", class: "hidden", tabindex: -1, "aria-hidden": "true",
    onchange: event => event.target.files[0] && open(event.target.files[0]) });
  $("stage").append(canvas, make("canvas", { id: "over", width: 448, height: 448 }),
    make("video", { id: "video", hidden: true, playsinline: true, muted: true }));
  fill($("tools"), file, button(t("image.open"), () => file.click()), button(t("image.camera"), useCamera, { id: "camera" }),
    button(t("image.wipe"), wipe, { id: "wipe", disabled: true }),
    make("label", {}, t("image.brush"), make("input", { type: "range", min: 1, max: Math.round(size / 2.5), value: brush,
      oninput: event => { brush = Number(event.target.value); } })),
    data.images.length > 1 ? make("div", { class: "samples" }, ...data.images.map(({ name, src }) =>
      button(make("img", { src, alt: "" }), () => openAddress(src), { "aria-label": name, title: name }))) : null);
  $("help").append(make("p", { class: "quiet", id: "brushhelp" }, t("image.help")));
  addEventListener("dragover", event => event.preventDefault());
  addEventListener("drop", event => { event.preventDefault(); openFirst(event.dataTransfer.files); });
  addEventListener("paste", event => openFirst(event.clipboardData.files));
  canvas.addEventListener("pointerdown", event => { canvas.setPointerCapture(event.pointerId); cover(...place(event)); });
  canvas.addEventListener("pointermove", event => { if (event.buttons) cover(...place(event)); });
  canvas.addEventListener("keydown", withKeys);
  canvas.addEventListener("blur", () => { cursor = null; drawOver(); });
  photo().fillStyle = "rgb(123, 117, 104)";
  photo().fillRect(0, 0, size, size);
  if (data.images.length) openAddress(data.images[0].src);
}

const openFirst = files => open([...files].find(file => file.type.startsWith("image/")) || files[0]);

function openAddress(src) {
  const image = new Image(), turn = ++latest;
  image.onload = () => turn === latest && use(image, image.naturalWidth, image.naturalHeight, true);
  image.src = src;
}

async function open(file) {
  if (!file) return;
  const turn = ++latest;
  try {
    const bitmap = await createImageBitmap(file);
    if (turn === latest) await use(bitmap, bitmap.width, bitmap.height);
  } catch {
    if (turn === latest) $("status").textContent = t("image.bad", { name: file.name });
  }
}

/** The scale of an image that is at most 5000 pixels wide and high, and not larger than a canvas may be on iPhones: 2^24. */
const scaleOf = (width, height) => Math.min(1, 5000 / Math.max(width, height), Math.sqrt(16e6 / (width * height)));

/** Crop an image as Python does, and compute. Very large ones are made smaller first; `cropped` ones are used as they are. */
async function use(image, width, height, cropped = false) {
  stopCamera();
  const scale = scaleOf(width, height), turn = latest;
  const [w, h] = [width, height].map(side => Math.max(1, Math.round(side * scale)));
  const context = make("canvas", { width: w, height: h }).getContext("2d");
  context.fillStyle = "white"; // below transparent images
  context.fillRect(0, 0, w, h);
  context.drawImage(image, 0, 0, w, h);
  const all = context.getImageData(0, 0, w, h).data;
  const rgba = cropped ? all : await ask("crop", { rgba: all, width: w, height: h }, null, [all.buffer]);
  if (turn !== latest) return;
  clean = new ImageData(rgba, size, size);
  wipe();
}

function wipe() {
  if (clean) photo().putImageData(clean, 0, 0);
  covered = false;
  $("wipe").disabled = true;
  run(pixels());
}

async function useCamera() {
  const video = $("video");
  if (asking || camera && !video.videoWidth) return; // before the user's consent, or the first frame
  const turn = ++latest;
  if (camera) {
    const shot = make("canvas", { width: video.videoWidth, height: video.videoHeight });
    shot.getContext("2d").drawImage(video, 0, 0);
    return use(shot, shot.width, shot.height);
  }
  asking = true;
  try {
    camera = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    if (turn !== latest) return stopCamera();
    video.srcObject = camera;
    video.hidden = false;
    video.play();
    $("camera").textContent = t("image.shoot");
  } catch {
    $("status").textContent = t("image.nocamera");
  } finally {
    asking = false;
  }
}

function stopCamera() {
  if (camera) camera.getTracks().forEach(track => track.stop());
  camera = null;
  $("video").hidden = true;
  $("camera").textContent = t("image.camera");
}

/** The pixel under the pointer. */
function place(event) {
  const box = $("photo").getBoundingClientRect();
  return [(event.clientX - box.left) / box.width * size, (event.clientY - box.top) / box.height * size];
}

/** Cover a disk with the mean color of the training images, which is near 0 for the network. */
function cover(x, y) {
  const context = photo();
  context.fillStyle = "rgb(123, 117, 104)";
  context.beginPath();
  context.arc(x, y, brush / 2, 0, 2 * Math.PI);
  context.fill();
  covered = true;
  $("wipe").disabled = false;
  run(pixels());
}

function withKeys(event) {
  const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (!move && event.key !== " ") return;
  event.preventDefault();
  cursor = cursor || [size / 2, size / 2];
  if (move) cursor = cursor.map((v, axis) => Math.max(0, Math.min(size, v + move[axis] * brush / 2)));
  else cover(...cursor);
  drawOver();
}

/** Above the image: the class activation map, what the selected output sees, and the brush of the keyboard. */
function drawOver() {
  const canvas = $("over"), context = canvas.getContext("2d"), scale = canvas.width / size;
  context.clearRect(0, 0, canvas.width, canvas.height);
  if (evidence) {
    context.globalAlpha = 0.7;
    context.drawImage(evidence, 0, 0, canvas.width, canvas.height);
    context.globalAlpha = 1;
  }
  const outline = draw => {
    for (const [color, width] of [["black", 7], ["white", 3]]) { // visible on any image
      context.strokeStyle = color;
      context.lineWidth = width;
      draw();
    }
  };
  if (reading) {
    const [left, top] = [Math.max(0, reading.left), Math.max(0, reading.top)];
    const [right, bottom] = [Math.min(size, reading.right + 1), Math.min(size, reading.bottom + 1)];
    outline(() => context.strokeRect(...[left, top].map(v => v * scale + 2), ...[right - left, bottom - top].map(v => v * scale - 4)));
  }
  if (cursor) {
    outline(() => {
      context.beginPath();
      context.arc(...cursor.map(v => v * scale), brush / 2 * scale, 0, 2 * Math.PI);
      context.stroke();
    });
  }
  const seen = $("seen").getContext("2d"); // the same beside the map
  seen.imageSmoothingEnabled = size > 64;
  for (const layer of [$("photo"), canvas]) seen.drawImage(layer, 0, 0, canvas.width, canvas.height);
}
