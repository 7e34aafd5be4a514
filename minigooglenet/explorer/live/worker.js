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
    return { p: network.outputs.get("softmax").data, ms: performance.now() - started };
  },

  layer({ path }) {
    const { H, W, C, data } = network.outputs.get(path);
    return { path, H, W, C, data };
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
  self.postMessage({ id, result });
};
