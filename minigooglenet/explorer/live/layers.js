"use strict";
// The layers of GoogLeNet, as in minigooglenet/layers, for one image.
// An activation is {H, W, C, data}: data is a Float32Array in the order height, width, channel. A vector has H = W = 1.

function activation(H, W, C, data = new Float32Array(H * W * C)) {
  return { H, W, C, data };
}

/** Number of windows along one axis: O = floor((size + 2P - K) / S) + 1; with `ceil` rounded up, as in Caffe's pools. */
function outputSize(size, K, S, P, ceil) {
  const span = size + 2 * P - K;
  const windows = (ceil ? Math.ceil(span / S) : Math.floor(span / S)) + 1;
  return ceil && (windows - 1) * S >= size + P ? windows - 1 : windows;
}

/** The window of output position `o` along one axis: the part [start, stop) that is inside the image. */
function windowAt(o, size, K, S, P) {
  const start = o * S - P;
  return { start: Math.max(start, 0), stop: Math.min(start + K, size) };
}

// -- matrix product (lesson "convolution") ------------------------------------------------------------------------------

/**
 * Reorder W (K×N), whose column n is multiplied by scale[n], into panels of four columns, each contiguous, so that `gemm`
 * reads memory in order. `packed` has room for N columns rounded up to a multiple of eight; the others are 0.
 */
function pack(W, K, N, scale, packed) {
  for (let k = 0; k < K; k++) {
    for (let n = 0; n < N; n++) packed[((n >> 2) * K + k) * 4 + (n & 3)] = W[k * N + n] * scale[n];
  }
  return packed;
}

/** One element of a packed matrix with K rows: W[k, n]. */
function packedAt(packed, K, k, n) {
  return packed[((n >> 2) * K + k) * 4 + (n & 3)];
}

/**
 * Y[m, n] = b[n] + sum over k of X[m, k] · W[k, n]; W is packed, M is even, N a multiple of four.
 *
 * Two rows and four columns at a time: eight sums stay in registers, and each value that is read is used more than once.
 * gemm.wat is the same with four numbers per instruction.
 */
function gemm(X, M, K, W, N, b, Y) {
  for (let n = 0; n < N; n += 4) {
    for (let m = 0; m < M; m += 2) {
      let s00 = b[n], s01 = b[n + 1], s02 = b[n + 2], s03 = b[n + 3], s10 = s00, s11 = s01, s12 = s02, s13 = s03;
      for (let k = 0, w = n * K, x = m * K; k < K; k++, w += 4, x++) {
        const x0 = X[x], x1 = X[x + K];
        const w0 = W[w], w1 = W[w + 1], w2 = W[w + 2], w3 = W[w + 3];
        s00 += x0 * w0; s01 += x0 * w1; s02 += x0 * w2; s03 += x0 * w3;
        s10 += x1 * w0; s11 += x1 * w1; s12 += x1 * w2; s13 += x1 * w3;
      }
      const y = m * N + n;
      Y[y] = s00; Y[y + 1] = s01; Y[y + 2] = s02; Y[y + 3] = s03;
      Y[y + N] = s10; Y[y + N + 1] = s11; Y[y + N + 2] = s12; Y[y + N + 3] = s13;
    }
  }
}

const roundUp = (n, multiple) => n + (multiple - n % multiple) % multiple;

/**
 * A piece of memory for `size` numbers, and a `gemm` that works on arrays of it: with `wasm`, the bytes of gemm.wat, if
 * the browser runs them, else the one above.
 */
class Workspace {
  constructor(size, wasm) {
    this.used = 0;
    this.gemm = gemm;
    this.wasm = false;
    try {
      const memory = new WebAssembly.Memory({ initial: Math.ceil(size / 16384) }); // pages of 64 KB
      const { exports } = new WebAssembly.Instance(new WebAssembly.Module(wasm), { page: { memory } });
      this.all = new Float32Array(memory.buffer);
      this.gemm = (X, M, K, W, N, b, Y) => exports.gemm(X.byteOffset, M, K, W.byteOffset, N, b.byteOffset, Y.byteOffset);
      this.wasm = true;
    } catch {
      this.all = new Float32Array(size);
    }
  }

  take(n) {
    return this.all.subarray(this.used, this.used += roundUp(n, 4));
  }
}

// -- layers with weights ----------------------------------------------------------------------------------------------

const CHUNK = 32; // rows of a matrix product at a time, so that they stay in the cache

/** The windows of output pixels first … first + rows - 1 as the rows of the matrix X; 0 outside the image. */
function im2col(x, step, OW, first, rows, X) {
  const [KH, KW] = step.kernel, [SH, SW] = step.stride, [PH, PW] = step.pad, { H, W, C, data } = x;
  for (let r = 0, to = 0; r < rows; r++) {
    const top = Math.floor((first + r) / OW) * SH - PH, left = ((first + r) % OW) * SW - PW;
    for (let u = top; u < top + KH; u++) {
      for (let v = left; v < left + KW; v++, to += C) {
        const inside = u >= 0 && u < H && v >= 0 && v < W, from = (u * W + v) * C;
        for (let c = 0; c < C; c++) X[to + c] = inside ? data[from + c] : 0;
      }
    }
  }
}

/**
 * Convolution: y[i, j, f] = b[f] + sum over u, v, c of x[i S + u - P, j S + v - P, c] · w[u, v, c, f]
 *
 * As a matrix product Y = X w + b, for `CHUNK` output pixels at a time; X and Y are parts of the workspace. In a 1×1
 * convolution X is x itself. Lessons "convolution" and "one_by_one".
 */
function conv(x, step, { gemm, X, Y }) {
  const [OH, OW, F] = step.out, { K } = step, N = step.b.length, y = activation(OH, OW, F);
  const one = [...step.kernel, ...step.stride].every(n => n === 1) && step.pad.every(n => n === 0);
  for (let first = 0; first < OH * OW; first += CHUNK) {
    const rows = Math.min(CHUNK, OH * OW - first);
    if (one) X.set(x.data.subarray(first * K, (first + rows) * K));
    else im2col(x, step, OW, first, rows, X);
    gemm(X, roundUp(rows, 4), K, step.w, N, step.b, Y); // rows that are too many repeat old ones, and are not read
    for (let r = 0; r < rows; r++) y.data.set(Y.subarray(r * N, r * N + F), (first + r) * F);
  }
  return y;
}

/** Fully connected: y[f] = b[f] + sum over k of x[k] · w[k, f]. Lesson "average". */
function dense(x, step, { gemm, X, Y }) {
  X.set(x.data);
  gemm(X, 4, step.K, step.w, step.b.length, step.b, Y); // one row counts
  return activation(1, 1, step.out[0], Y.slice(0, step.out[0]));
}

// -- layers without weights -------------------------------------------------------------------------------------------

/** ReLU, in place: y = max(x, 0). Lesson "depth". */
function relu(x) {
  for (let i = 0; i < x.data.length; i++) if (x.data[i] < 0) x.data[i] = 0;
  return x;
}

/** Max pool: y = the largest x in each window; outside the image nothing counts. Lesson "pooling". */
function maxPool(x, step) {
  const [OH, OW, C] = step.out, y = activation(OH, OW, C);
  y.data.fill(-Infinity);
  eachWindow(x, step, (i, j, rows, columns) => {
    const to = (i * OW + j) * C;
    for (let u = rows.start; u < rows.stop; u++) {
      for (let v = columns.start; v < columns.stop; v++) {
        const from = (u * x.W + v) * C;
        for (let c = 0; c < C; c++) if (x.data[from + c] > y.data[to + c]) y.data[to + c] = x.data[from + c];
      }
    }
  });
  return y;
}

/** Average pool: y = the sum of x in each window / divisor. The divisor counts padding, but nothing beyond it (Caffe). */
function avgPool(x, step) {
  const [OH, OW, C] = step.out, y = activation(OH, OW, C), sum = new Float64Array(C);
  eachWindow(x, step, (i, j, rows, columns) => {
    sum.fill(0);
    for (let u = rows.start; u < rows.stop; u++) {
      for (let v = columns.start; v < columns.stop; v++) {
        for (let c = 0, from = (u * x.W + v) * C; c < C; c++) sum[c] += x.data[from + c];
      }
    }
    const divisor = poolDivisor(x, step, i, j);
    for (let c = 0, to = (i * OW + j) * C; c < C; c++) y.data[to + c] = sum[c] / divisor;
  });
  return y;
}

/** The size of window (i, j) of an average pool within the padded image. */
function poolDivisor(x, step, i, j) {
  const [[KH, KW], [SH, SW], [PH, PW]] = [step.kernel, step.stride, step.pad];
  return (Math.min(i * SH - PH + KH, x.H + PH) - (i * SH - PH)) * (Math.min(j * SW - PW + KW, x.W + PW) - (j * SW - PW));
}

function eachWindow(x, step, visit) {
  const [OH, OW] = step.out, { kernel, stride, pad } = step;
  for (let i = 0; i < OH; i++) {
    for (let j = 0; j < OW; j++) {
      visit(i, j, windowAt(i, x.H, kernel[0], stride[0], pad[0]), windowAt(j, x.W, kernel[1], stride[1], pad[1]));
    }
  }
}

/** Global average pool: y[c] = the mean of x[:, :, c]. Lesson "average". */
function globalAvgPool(x) {
  const y = activation(1, 1, x.C), sum = new Float64Array(x.C);
  for (let i = 0; i < x.data.length; i++) sum[i % x.C] += x.data[i];
  for (let c = 0; c < x.C; c++) y.data[c] = sum[c] / (x.H * x.W);
  return y;
}

/** LRN: y_i = x_i · s_i^-β with s_i = k + (α / n) · sum of x_j² over the n channels around i (Krizhevsky et al. 2012). */
function lrn(x, step) {
  const [n, alpha, beta, k] = step.constants, half = n >> 1, { H, W, C, data } = x, y = activation(H, W, C);
  const power = beta === 0.75 ? s => 1 / Math.sqrt(s * Math.sqrt(s)) : s => s ** -beta; // roots are faster
  for (let at = 0; at < data.length; at += C) {
    for (let i = 0; i < C; i++) {
      let sum = 0;
      for (let j = Math.max(0, i - half); j <= Math.min(C - 1, i + half); j++) sum += data[at + j] * data[at + j];
      y.data[at + i] = data[at + i] * power(k + alpha / n * sum);
    }
  }
  return y;
}

/** y = the outputs of the branches, one after the other along the channels. Lesson "inception". */
function concat(outputs) {
  const { H, W } = outputs[0], C = outputs.reduce((sum, y) => sum + y.C, 0), y = activation(H, W, C);
  let start = 0;
  for (const part of outputs) {
    for (let p = 0; p < H * W; p++) y.data.set(part.data.subarray(p * part.C, (p + 1) * part.C), p * C + start);
    start += part.C;
  }
  return y;
}

/** p_k = exp(z_k - max z) / sum over j of exp(z_j - max z). Lesson "softmax". */
function softmax(z) {
  const largest = z.reduce((a, b) => Math.max(a, b), -Infinity), e = Float64Array.from(z, v => Math.exp(v - largest));
  const sum = e.reduce((a, b) => a + b, 0);
  return Float32Array.from(e, v => v / sum);
}
