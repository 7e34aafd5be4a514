"use strict";
// Resize and crop as minigooglenet/data/photos.py does with Pillow: bicubic, with antialiasing.

const cubic = x => {
  x = Math.abs(x); // a = -1/2
  return x < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
};

/** For every output pixel along an axis {start, weights}: which input pixels it averages. */
function cubicWindows(size, out) {
  const scale = size / out, wide = Math.max(scale, 1), reach = 2 * wide;
  return Array.from({ length: out }, (_, o) => {
    const center = (o + 0.5) * scale, start = Math.max(0, Math.floor(center - reach + 0.5));
    const stop = Math.min(size, Math.floor(center + reach + 0.5));
    const weights = Array.from({ length: stop - start }, (_, k) => cubic((start + k - center + 0.5) / wide));
    const sum = weights.reduce((a, b) => a + b, 0);
    return { start, weights: weights.map(w => w / sum) };
  });
}

/** RGBA pixels of width × height -> those of outW × outH. Rounded after each axis, as Pillow does. */
function resize(rgba, width, height, outW, outH) {
  const across = new Uint8ClampedArray(outW * height * 4), found = new Uint8ClampedArray(outW * outH * 4);
  const blend = (from, first, stride, weights, to, target) => {
    for (let c = 0; c < 4; c++) {
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += weights[k] * from[first + k * stride + c];
      to[target + c] = Math.round(sum);
    }
  };
  cubicWindows(width, outW).forEach(({ start, weights }, o) => {
    for (let y = 0; y < height; y++) blend(rgba, (y * width + start) * 4, 4, weights, across, (y * outW + o) * 4);
  });
  cubicWindows(height, outH).forEach(({ start, weights }, o) => {
    for (let x = 0; x < outW; x++) blend(across, (start * outW + x) * 4, outW * 4, weights, found, (o * outW + x) * 4);
  });
  return found;
}

/** Round as Python does: 2.5 becomes 2. */
const halfToEven = v => v % 1 === 0.5 ? 2 * Math.round(v / 2) : Math.round(v);

/** The network's input from an image of any size: the shorter side becomes 256 pixels (or `size`, for small networks), and
 * the center of size × size is cut out. */
function centerCrop(rgba, width, height, size) {
  const scale = (size === 224 ? 256 : size) / Math.min(width, height);
  const [W, H] = [width, height].map(side => halfToEven(side * scale));
  const image = W === width && H === height ? rgba : resize(rgba, width, height, W, H);
  const found = new Uint8ClampedArray(size * size * 4), left = (W - size) >> 1, top = (H - size) >> 1;
  for (let y = 0; y < size; y++) {
    const from = ((top + y) * W + left) * 4;
    found.set(image.subarray(from, from + 4 * size), y * size * 4);
  }
  return found;
}
