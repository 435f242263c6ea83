/* The encoders, on a separate thread. Questions come as {id, kind, ...}, answers go as {id, ...} or as {id, problem}, a
   sentence. The page's content policy does not apply to a worker, so this one removes what could reach a network. */

import * as ort from "../runtime/ort.wasm.bundle.min.mjs";
import { numbers, seen } from "./pixels.js";
import { ClipTokens } from "./tokens.js";

for (const way of ["fetch", "XMLHttpRequest", "WebSocket", "EventSource", "WebTransport"]) self[way] = undefined;

const MOST_THREADS = 4; // more hardly help
const AT_ONCE = 16; // texts in one pass
const INPUTS = ["pixels", "finer_pixels"];
const LOOKS = ["", "finer_"];

let model, vision, text, tokens;

const deeds = {
  async start({ facts, files }) {
    model = facts;
    ort.env.wasm.numThreads = threads();
    ort.env.wasm.wasmBinary = files["runtime/ort-wasm-simd-threaded.wasm"];
    ort.env.logLevel = "error";
    const settings = { executionProviders: ["wasm"], logSeverityLevel: 3 }; // it reports every number that it joined
    const opened = (name) => ort.InferenceSession.create(new Uint8Array(files[name]), settings);
    vision = await opened("encoders/vision.onnx");
    if (model.fixed) return {};
    text = await opened("encoders/text.onnx");
    tokens = new ClipTokens(new TextDecoder().decode(files["encoders/merges.txt"]));
    return {};
  },

  /* A photo, RGBA: {looks: [{global, regions, branches}], box, ms}. */
  async look({ rgba, width, height }) {
    const begun = performance.now();
    const inputs = model.looks.map((times) => seen(rgba, width, height, model.preprocess, times));
    const tensor = ({ rgb, side }) => new ort.Tensor("float32", numbers(rgb, model.preprocess), [1, 3, side, side]);
    const outputs = await vision.run(Object.fromEntries(inputs.map((input, i) => [INPUTS[i], tensor(input)])));
    const looks = inputs.map((_, i) => ({
      global: outputs[`${LOOKS[i]}global`].data,
      regions: outputs[`${LOOKS[i]}regions`].data,
      branches: model.branches.map((_, b) => outputs[`${LOOKS[i]}branch${b}`].data),
    }));
    return { looks, box: inputs[0].box, ms: performance.now() - begun };
  },

  /* Texts: {features (K, D), ms}. */
  async texts({ texts }) {
    const begun = performance.now();
    const rows = texts.map((words) => tokensOf(words));
    const features = new Float32Array(texts.length * model.width);
    for (let at = 0; at < rows.length; at += AT_ONCE) {
      const some = rows.slice(at, at + AT_ONCE);
      const length = Math.max(...some.map((row) => row.length));
      const ids = new Int32Array(some.length * length);
      some.forEach((row, i) => ids.set(row, i * length));
      const read = Int32Array.from(some, (row) => row.length - 1);
      const outputs = await text.run({
        ids: new ort.Tensor("int32", ids, [some.length, length]),
        read: new ort.Tensor("int32", read, [some.length]),
      });
      features.set(outputs.features.data, at * model.width);
    }
    return { features, ms: performance.now() - begun };
  },
};

/* More than one need headers that few hosts send (COOP and COEP); one core is left to the page. */
function threads() {
  return self.crossOriginIsolated ? Math.min(Math.max(navigator.hardwareConcurrency - 1, 1), MOST_THREADS) : 1;
}

function tokensOf(words) {
  const row = tokens.surrounded(words);
  if (row.slice(1, -1).some((id) => id >= tokens.start))
    throw new Error(`“${words}” holds a word that only the model may use.`);
  if (row.length <= model.room) return row;
  throw new Error(`“${words.slice(0, 40)} …” has ${row.length - 2} tokens; ${model.room - 2} are the most.`);
}

let last = Promise.resolve(); // a session does one thing at a time

self.onmessage = ({ data }) => {
  last = last.then(async () => {
    try {
      self.postMessage({ id: data.id, ...(await deeds[data.kind](data)) });
    } catch (error) {
      self.postMessage({ id: data.id, problem: String(error?.message ?? error) });
    }
  });
};
