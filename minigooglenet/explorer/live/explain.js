"use strict";
// Where one output comes from: the window it reads, the numbers, and the sum.

/**
 * The terms of output (i, j, c) of the layer `path`, by its kind:
 *   conv, dense   {x, w, b}: y = relu(b + sum of x · w); {KH, KW, C} is the shape of x and w, KH × KW × C
 *   pools         {x}: the values in the window, rows × columns; {winner} or {divisor}
 *   LRN           {x}: the values of the channels around c; `own` is the place of channel c among them
 *   concat        {from, channel}: the same number is channel `channel` of the branch's last layer `from`
 *   softmax       {z, sum, largest}
 * and for all {op, y, top, left, rows, columns, before}: the window in the maps of the layer `before`.
 */
function explain(network, path, i, j, c) {
  const out = network.outputs.get(path), y = out.data[(i * out.W + j) * out.C + c];
  if (path === "softmax") {
    const z = network.logits, largest = z.reduce((a, b) => Math.max(a, b), -Infinity);
    return { op: "softmax", y, z: z[c], largest, sum: z.reduce((sum, v) => sum + Math.exp(v - largest), 0) };
  }
  const step = network.byPath.get(path), before = step.branches ? null : network.before(path);
  if (step.branches) {
    const { last, channel } = network.branchOf(step, c);
    return { op: step.op, y, from: last.path, channel };
  }
  const x = network.outputs.get(before), found = { op: step.op, y, before, relu: Boolean(step.relu) };
  if (step.op === "dense") {
    const { K, w, b } = step;
    return { ...found, KH: 1, KW: 1, C: K, x: x.data.slice(), w: columnOf(w, K, c), b: b[c] };
  }
  if (step.op === "LRN") {
    const half = step.constants[0] >> 1, first = Math.max(0, c - half), at = (i * x.W + j) * x.C;
    return { ...found, x: x.data.slice(at + first, at + Math.min(x.C, c + half + 1)), own: c - first, first,
      constants: step.constants, top: i, left: j, rows: 1, columns: 1 };
  }
  if (step.op === "global average pool") {
    return { ...found, ...patch(x, 0, 0, x.H, x.W, [c]), divisor: x.H * x.W };
  }
  if (!step.kernel) return { ...found, x: [x.data[(i * x.W + j) * x.C + c]], top: i, left: j, rows: 1, columns: 1 };
  const [KH, KW] = step.kernel, top = i * step.stride[0] - step.pad[0], left = j * step.stride[1] - step.pad[1];
  if (step.op === "conv") {
    const all = Array.from({ length: x.C }, (_, channel) => channel);
    return { ...found, ...patch(x, top, left, KH, KW, all), KH, KW, C: x.C, w: columnOf(step.w, step.K, c), b: step.b[c] };
  }
  const window = patch(x, top, left, KH, KW, [c], step.op === "max pool" ? -Infinity : 0);
  return step.op === "max pool" ? { ...found, ...window, winner: window.x.indexOf(Math.max(...window.x)) }
    : { ...found, ...window, divisor: poolDivisor(x, step, i, j) };
}

/** The window of some channels of x; `outside` where it reaches beyond the maps. */
function patch(x, top, left, rows, columns, channels, outside = 0) {
  const values = [];
  for (let u = top; u < top + rows; u++) {
    for (let v = left; v < left + columns; v++) {
      const inside = u >= 0 && u < x.H && v >= 0 && v < x.W;
      for (const c of channels) values.push(inside ? x.data[(u * x.W + v) * x.C + c] : outside);
    }
  }
  return { x: values, top, left, rows, columns };
}

/** Column n of a packed matrix: the weights of one filter. */
function columnOf(packed, K, n) {
  return Float32Array.from({ length: K }, (_, k) => packedAt(packed, K, k, n));
}
