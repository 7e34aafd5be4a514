// node activations.js FOLDER: run the network in FOLDER (structure.json, weights.bin, gemm.wasm, and images.bin with RGBA
// pixels) on all its images, and write every output, in the order of computation, to activations.bin.
"use strict";
const fs = require("node:fs"), path = require("node:path"), vm = require("node:vm");
const [, , folder, sources, off] = process.argv;
for (const name of ["layers.js", "network.js"]) vm.runInThisContext(fs.readFileSync(path.join(sources, name), "utf8"));
vm.runInThisContext("globalThis.Network = Network; globalThis.allSteps = allSteps;");
const bytes = name => { const b = fs.readFileSync(path.join(folder, name)); return b.buffer.slice(b.byteOffset, b.byteOffset + b.length); };
const network = new Network(JSON.parse(fs.readFileSync(path.join(folder, "structure.json"), "utf8")));
const wasm = bytes("gemm.wasm"); // empty: plain JavaScript
network.load(bytes("weights.bin"), wasm);
if (network.work.wasm !== wasm.byteLength > 0) throw Error("this node does not run gemm.wat");
const images = new Uint8Array(bytes("images.bin")), size = 4 * network.input[0] * network.input[1];
const parts = [];
for (let at = 0; at < images.length; at += size) {
  for (const _ of network.forward(network.prepare(images.subarray(at, at + size)), JSON.parse(off || "{}")));
  const outputs = [...allSteps(network.steps), { path: "softmax" }, ...network.heads.flatMap(head => head.steps)]
    .map(step => network.outputs.get(step.path).data);
  parts.push(...outputs.map(data => Buffer.from(data.buffer, data.byteOffset, data.byteLength)));
}
fs.writeFileSync(path.join(folder, "activations.bin"), Buffer.concat(parts.map(part => Buffer.from(part))));
