/* The features that the worker gives for texts, as JSON. The first word is the page's folder, in which the runtime is
   replaced by one whose text encoder returns the first id of a text and the one that is read. */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const folder = process.argv[2];
mkdirSync(`${folder}/runtime`, { recursive: true });
writeFileSync(
  `${folder}/runtime/ort.wasm.bundle.min.mjs`,
  `export const env = { wasm: {} };
  export class Tensor {
    constructor(kind, data, dims) { Object.assign(this, { data, dims }); }
  }
  const rows = (ids, read) => Array.from(read.data, (at, row) => [1, at].map((i) => ids.data[row * ids.dims[1] + i]));
  const run = async ({ ids, read }) => ({ features: { data: Float32Array.from(rows(ids, read).flat()) } });
  export const InferenceSession = { create: async () => ({ run }) };`,
);
globalThis.self = globalThis;
await import(new URL("src/worker.js", pathToFileURL(`${folder}/`)));
const asked = (data) =>
  new Promise((answered) => {
    self.postMessage = answered;
    self.onmessage({ data });
  });
const { merges, texts } = JSON.parse(readFileSync(0, "utf8"));
const files = { "encoders/vision.onnx": [], "encoders/text.onnx": [] };
files["encoders/merges.txt"] = new TextEncoder().encode(merges);
await asked({ kind: "start", facts: { width: 2, room: 77 }, files });
const { features, problem } = await asked({ kind: "texts", texts });
console.log(JSON.stringify(problem ?? Array.from(features)));
