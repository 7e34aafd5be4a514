"use strict";
// The worker: it holds the network and answers one message after the other, so the page stays free.

let network = null;

const answers = {
  /** `weights` and `wasm`: base64 text. */
  load({ structure, weights, wasm }) {
    network = new Network(structure);
    network.load(fromBase64(weights), fromBase64(wasm));
  },

  crop({ rgba, width, height }) {
    return centerCrop(rgba, width, height, network.input[0]);
  },

  /** A forward pass. Only the steps from `from` on are computed again. */
  run({ rgba, off, from }, progress) {
    const started = performance.now(), x = from ? null : network.prepare(rgba);
    for (const done of network.forward(x, off, from)) progress(done);
    const heads = network.heads.map(({ tap, steps }) => ({ tap, p: softmax(network.outputs.get(steps.at(-1).path).data) }));
    return { p: network.outputs.get("softmax").data, heads, wasm: network.work.wasm, ms: performance.now() - started };
  },

  /** The maps of a layer, one after the other, and their numbers in the order of their strength: the mean of |y|, or of y in a vector. */
  layer({ path }) {
    const { H, W, C, data } = network.outputs.get(path), maps = new Float32Array(data.length), strength = new Float64Array(C);
    for (let at = 0, p = 0; p < H * W; p++) {
      for (let c = 0; c < C; c++, at++) {
        maps[c * H * W + p] = data[at];
        strength[c] += H * W > 1 ? Math.abs(data[at]) : data[at];
      }
    }
    return { path, H, W, C, maps, order: Array.from(strength.keys()).sort((a, b) => strength[b] - strength[a]) };
  },

  /** A pass over another image, beside the current one: {path: {top, at}}, the largest output of every map and its place. */
  survey({ rgba }) {
    const { outputs, logits } = network, found = {};
    network.outputs = new Map();
    for (const done of network.forward(network.prepare(rgba)));
    for (const [path, { C, data }] of network.outputs) {
      const top = new Float32Array(C).fill(-Infinity), at = new Int32Array(C);
      for (let i = 0; i < data.length; i++) if (data[i] > top[i % C]) { top[i % C] = data[i]; at[i % C] = Math.floor(i / C); }
      found[path] = { top, at };
    }
    Object.assign(network, { outputs, logits });
    return found;
  },

  cam({ k }) {
    return network.classActivationMap(k);
  },

  explain({ path, i, j, c }) {
    return explain(network, path, i, j, c);
  },

  /** {path: the mean output and the share of outputs above zero} of the layers in `paths`. */
  activity({ paths }) {
    return Object.fromEntries(paths.map(path => {
      const { data } = network.outputs.get(path);
      const sum = data.reduce((a, b) => a + Math.abs(b), 0), alive = data.reduce((n, v) => n + (v > 0), 0);
      return [path, { mean: sum / data.length, alive: alive / data.length }];
    }));
  },
};

self.onmessage = ({ data: { id, type, question } }) => {
  const result = answers[type](question, done => self.postMessage({ id, progress: done }));
  self.postMessage({ id, result }, result && result.maps ? [result.maps.buffer] : []); // maps are handed over, not copied
};
