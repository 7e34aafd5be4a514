"use strict";
// A network as data: `structure.steps` in order, each {path, op, in, out, …}; a step of op "concat" has `branches` of steps.
// `structure.heads`: the auxiliary classifiers, each with steps of its own after the layer `tap`.

/** Base64 to an ArrayBuffer, a part at a time: one string of 19 MB would be copied several times. */
function fromBase64(text) {
  const bytes = new Uint8Array(text.length / 4 * 3 - (text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0));
  for (let at = 0, to = 0; at < text.length; at += 65536) {
    const part = atob(text.slice(at, at + 65536));
    for (let i = 0; i < part.length; i++) bytes[to++] = part.charCodeAt(i);
  }
  return bytes.buffer;
}

/** All steps, those of branches before their module: the order of computation. */
function allSteps(steps) {
  return steps.flatMap(step => [...(step.branches || []).flat(), step]);
}

class Network {
  constructor(structure) {
    Object.assign(this, structure);
    this.heads = this.heads || [];
    this.byPath = new Map([...allSteps(this.steps), ...this.heads.flatMap(head => head.steps)].map(step => [step.path, step]));
    this.outputs = new Map();
  }

  /**
   * Give the steps their weights. The buffer has, for every step with weights in order, scale (F) and b (F); then for each
   * w (K×F), whose column f is still to be multiplied by scale[f]. `wasm`: the bytes of gemm.wat, or null.
   */
  load(buffer, wasm = null) {
    const weighted = [...this.byPath.values()].filter(step => step.op === "conv" || step.op === "dense");
    for (const step of weighted) {
      step.F = step.out[step.out.length - 1];
      step.K = step.op === "conv" ? step.kernel[0] * step.kernel[1] * step.in[2] : step.in.reduce((a, b) => a * b);
    }
    const most = Math.max(...weighted.map(step => step.K)), widest = roundUp(Math.max(...weighted.map(step => step.F)), 8);
    this.work = new Workspace(weighted.reduce((sum, { K, F }) => sum + (K + 1) * roundUp(F, 8), CHUNK * (most + widest)), wasm);
    this.work.X = this.work.take(CHUNK * most);
    this.work.Y = this.work.take(CHUNK * widest);
    const floats = new Float32Array(buffer, 0, 2 * weighted.reduce((sum, { F }) => sum + F, 0));
    const numbers = new (this.dtype === "int16" ? Int16Array : Float32Array)(buffer, floats.byteLength);
    let at = 0, from = 0;
    for (const step of weighted) {
      const { K, F } = step, N = roundUp(F, 8), scale = floats.subarray(at, at += F);
      step.b = this.work.take(N);
      step.b.set(floats.subarray(at, at += F));
      step.w = pack(numbers.subarray(from, from += K * F), K, F, scale, this.work.take(K * N));
    }
  }

  /** RGBA pixels as the network's input: channel c is scale[c] · pixel[source[c]] + shift[c]. */
  prepare(rgba) {
    const [H, W, C] = this.input, { source, scale, shift } = this.preparation, x = activation(H, W, C);
    for (let p = 0; p < H * W; p++) {
      for (let c = 0; c < C; c++) x.data[p * C + c] = scale[c] * rgba[4 * p + source[c]] + shift[c];
    }
    return x;
  }

  /** The output of one step. `off` is {path: "all" or [channels]}: these outputs are set to zero. */
  apply(step, x, off) {
    let y;
    switch (step.op) {
      case "conv": y = conv(x, step, this.work); break;
      case "dense": y = dense(x, step, this.work); break;
      case "max pool": y = maxPool(x, step); break;
      case "average pool": y = avgPool(x, step); break;
      case "global average pool": y = globalAvgPool(x); break;
      case "LRN": y = lrn(x, step); break;
      case "concat": y = concat(step.branches.map(branch => branch.reduce((z, s) => this.keep(s, z, off), x))); break;
      default: y = x; // dropout does nothing at inference; flatten renames
    }
    if (step.relu) relu(y);
    return off[step.path] ? without(y, off[step.path]) : y;
  }

  keep(step, x, off) {
    const y = this.apply(step, x, off);
    this.outputs.set(step.path, y);
    return y;
  }

  /**
   * Compute all outputs, from the step number `from` on; yields the number of finished steps after each.
   * The outputs of earlier steps are those of the last pass.
   */
  *forward(x, off = {}, from = 0) {
    if (from) x = this.outputs.get(this.steps[from - 1].path);
    else this.outputs.set("input", x);
    for (let n = from; n < this.steps.length; n++) {
      x = this.keep(this.steps[n], x, off);
      yield n + 1;
    }
    this.logits = x.data;
    this.outputs.set("softmax", activation(1, 1, x.C, softmax(x.data)));
    for (const { tap, steps } of this.heads) steps.reduce((z, step) => this.keep(step, z, off), this.outputs.get(tap));
  }

  /** The number of the top-level step that `path` belongs to. */
  place(path) {
    return this.steps.findIndex(step => step.path === path.split("/")[0]);
  }

  /** The path whose output `path` reads: the layer before it in its branch, else the step before its module. */
  before(path) {
    const n = this.place(path), own = this.steps[n];
    for (const branch of own.branches || []) {
      const at = branch.findIndex(step => step.path === path);
      if (at > 0) return branch[at - 1].path;
    }
    return n ? this.steps[n - 1].path : "input";
  }

  /** The branch of a module that channel c belongs to: {branch, channel within it}. */
  branchOf(step, c) {
    for (const branch of step.branches) {
      const last = branch[branch.length - 1], F = last.out[2];
      if (c < F) return { branch, last, channel: c };
      c -= F;
    }
    return null;
  }

  /**
   * The part of the input image that output (i, j) of `path` can see: {top, left, bottom, right}, the ends included.
   * From the top down to the input, [first, last] becomes [first · S - P, last · S - P + K - 1]. In a module the largest
   * branch counts, or with a map number `c` the branch of that map. The result may reach beyond the image.
   */
  receptiveField(path, i, j, c) {
    let field = { top: i, bottom: i, left: j, right: j };
    if (path === "softmax") path = this.steps.at(-1).path;
    while (path !== "input") {
      const step = this.byPath.get(path);
      const branches = !step.branches ? [[step]] : c === undefined ? step.branches : [this.branchOf(step, c).branch];
      const seen = branches.map(branch => branch.reduceRight(through, field));
      field = { top: Math.min(...seen.map(f => f.top)), left: Math.min(...seen.map(f => f.left)),
        bottom: Math.max(...seen.map(f => f.bottom)), right: Math.max(...seen.map(f => f.right)) };
      path = this.before(path);
      c = undefined;
    }
    return field;
  }

  /** Class activation map: M(h, w) = sum over c of w[c, k] · A[h, w, c], whose mean is the score of class k without its
   * bias (Zhou et al. 2016). null unless the network ends in a global average pool and one fully connected layer. */
  classActivationMap(k) {
    const tail = this.steps.filter(step => step.op !== "dropout").slice(-3), last = tail[2];
    if (tail.length < 3 || tail[1].op !== "global average pool" || last.op !== "dense") return null;
    const A = this.outputs.get(this.before(tail[1].path)), M = activation(A.H, A.W, 1);
    for (let i = 0; i < A.data.length; i++) {
      M.data[Math.floor(i / A.C)] += A.data[i] * packedAt(last.w, last.K, i % A.C, k);
    }
    return M;
  }
}

/** The inputs that the outputs in `field` read in one step. */
function through(field, step) {
  if (step.op === "global average pool") return { top: 0, left: 0, bottom: step.in[0] - 1, right: step.in[1] - 1 };
  if (!step.kernel) return field;
  const { kernel: [KH, KW], stride: [SH, SW], pad: [PH, PW] } = step;
  return { top: field.top * SH - PH, bottom: field.bottom * SH - PH + KH - 1,
    left: field.left * SW - PW, right: field.right * SW - PW + KW - 1 };
}

/** A copy of y with some channels set to zero. */
function without(y, channels) {
  const data = y.data.slice();
  if (channels === "all") data.fill(0);
  else for (const c of channels) for (let i = c; i < data.length; i += y.C) data[i] = 0;
  return activation(y.H, y.W, y.C, data);
}
