/* What was taught as a checkpoint: a zip of the folder that GalLoPClassifier.load opens. */

import { floats } from "../explainer/numerics.js";
import { joined, zip } from "./zip.js";
import { sha256 } from "./sha256.js";

const FORMAT = 3; // of a head that is drawn to class names

/* Args: learner; model, what model.json holds. */
export function writeCheckpoint(learner, model) {
  const tensors = safetensors(tensorsOf(learner, model));
  const settings = settingsOf(learner, model.teach.checkpoint, sha256(tensors));
  const text = new TextEncoder().encode(JSON.stringify(settings, null, 2));
  return zip(
    new Map([
      ["model/gallop.json", text],
      ["model/prompts.safetensors", tensors],
    ]),
  );
}

function settingsOf(learner, record, digest) {
  const { head, temperature, threshold, note, photos, heldOut } = learner.fit();
  const lines = learner.shots.map(({ id, label }) => `${id} ${learner.names[label]}`).sort();
  const calibration = { ...record.calibration, temperature, threshold, note };
  if (heldOut.length) Object.assign(calibration, { photos, held_out: heldOut });
  return {
    ...{ ...record, class_names: learner.names, calibration, prompts_sha256: digest },
    ...{ data_fingerprint: lines.length ? sha256(lines.join("\n")) : "" },
    ...(head ? { head: { weight: head.weight, temperature: head.temperature, shots: 0, names: true }, format: FORMAT } : {}),
  };
}

/* Of the prompts, which are as they were, and of the head the sums of the shots: [name, shape, numbers] each. */
function tensorsOf(learner, { teach, prompts, width }) {
  const context = floats(teach.context);
  const tokens = context.length / teach.textWidth;
  const repeated = (count) => Float32Array.from({ length: count * context.length }, (_, i) => context[i % context.length]);
  const tensors = learner.fit().head ? sumsOf(learner, width) : [];
  const kinds = ["global_contexts", "local_contexts"];
  kinds.forEach((name, i) => tensors.push([name, [prompts[i], tokens, teach.textWidth], repeated(prompts[i])]));
  for (const [name, size] of Object.entries(teach.identities)) {
    const numbers = new Float32Array(size * size);
    for (let i = 0; i < size; i++) numbers[i * (size + 1)] = 1;
    tensors.push([name, [size, size], numbers]);
  }
  return tensors;
}

function sumsOf({ held, classes, counts }, width) {
  const [sums, scatter] = [new Float64Array(classes.length * width), new Float64Array(width * width)];
  for (const { features, label } of held)
    for (let i = 0; i < width; i++) {
      sums[label * width + i] += features[i];
      for (let j = 0; j <= i; j++) scatter[i * width + j] += features[i] * features[j];
    }
  for (let i = 0; i < width; i++) for (let j = 0; j < i; j++) scatter[j * width + i] = scatter[i * width + j];
  const texts = new Float32Array(classes.length * width);
  classes.forEach(({ unit }, k) => texts.set(unit, k * width));
  return [
    ["head.counts", [classes.length], Float64Array.from(counts)],
    ["head.sums", [classes.length, width], sums],
    ["head.scatter", [width, width], scatter],
    ["head.texts", [classes.length, width], texts],
  ];
}

function safetensors(tensors) {
  const header = {};
  let at = 0;
  for (const [name, shape, numbers] of tensors) {
    const kind = numbers instanceof Float64Array ? "F64" : "F32";
    header[name] = { dtype: kind, shape, data_offsets: [at, (at += numbers.byteLength)] };
  }
  const text = JSON.stringify(header);
  const bytes = new TextEncoder().encode(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(bytes.length), true);
  return joined([length, bytes, ...tensors.map(([, , numbers]) => new Uint8Array(numbers.buffer))]);
}
