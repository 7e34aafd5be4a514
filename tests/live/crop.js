// node crop.js SOURCES SIZE WIDTH HEIGHT: RGBA pixels from standard input, cropped by centerCrop, to standard output.
"use strict";
const fs = require("node:fs"), path = require("node:path"), vm = require("node:vm");
const [, , sources, ...numbers] = process.argv, [size, width, height] = numbers.map(Number);
vm.runInThisContext(fs.readFileSync(path.join(sources, "resize.js"), "utf8"));
fs.writeSync(1, centerCrop(new Uint8ClampedArray(fs.readFileSync(0)), width, height, size));
