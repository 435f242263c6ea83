/* One photo to learn from: its features, rounded to half precision as Python stores those of shots, and what follows from
   them of each class by its name alone. Sizes: R regions, D numbers of each. */

import { mean, outlierScores } from "../explainer/numerics.js";
import { norm } from "./cosines.js";
import { dot } from "./kernel.js";
import { sha256 } from "./sha256.js";

/* The number that bits in half precision mean. */
const WHOLE = Float32Array.from({ length: 65536 }, (_, all) => {
  const [exponent, mantissa] = [(all >>> 10) & 31, all & 1023];
  const size = exponent ? 2 ** (exponent - 25) * (1024 + mantissa) : 2 ** -24 * mantissa;
  return (all & 0x8000 ? -1 : 1) * (exponent === 31 ? (mantissa ? NaN : Infinity) : size);
});

/* Args: look, {global (D), regions (R, D)}, also as kept() has it; id, the hash of the picture; seed, of the draw that orders shots. */
export class Shot {
  constructor({ global, regions }, id, seed) {
    this.id = id;
    this.order = sha256(`${seed}|${id}`);
    this.near = new Set();
    const width = global.length;
    this.global = wholes(halves(global));
    this.regions = halves(regions);
    const rounded = wholes(this.regions);
    this.features = feature({ global, regions: rounded });
    this.lengths = new Float32Array(regions.length / width);
    for (let r = 0; r < this.lengths.length; r++) this.lengths[r] = Math.max(norm(rounded, r * width, width), 1e-12);
    this.named = []; // of each class, as named() below gives it
  }

  /* What names say of it. Args: texts (K, D), as Texts. */
  name(texts, damping) {
    const [width, count] = [texts.width, this.lengths.length];
    const values = new Float32Array(width);
    const region = (r) => {
      for (let d = 0; d < width; d++) values[d] = WHOLE[this.regions[r * width + d]];
      return texts.beside(values, 0, damping.region);
    };
    return named(texts.beside(this.global, 0, damping.image), region, count);
  }

  /* Takes what names say (K) in place of so many classes from k on. */
  setNames(k, replaced, said) {
    this.named.splice(k, replaced, ...said);
    this.found = null;
  }

  /* What the prompts say: {scores (K), outlier}. */
  said(topk) {
    this.found ??= { scores: promptScores(this.named, topk), outlier: strangeness(this.named) };
    return this.found;
  }

  /* Whether two photos are nearly the same picture. Args: limits, {global, places} of cosines. */
  isNear(other, limits) {
    const width = this.global.length;
    if (dot(this.global, other.global, width) > limits.global * norm(this.global, 0, width) * norm(other.global, 0, width)) return true;
    const count = this.lengths.length;
    let [total, at] = [0, 0];
    for (let r = 0; r < count; r++) {
      let cosine = 0;
      for (let d = 0; d < width; d++, at++) cosine += WHOLE[this.regions[at]] * WHOLE[other.regions[at]];
      total += cosine / this.lengths[r] / other.lengths[r];
      if (total + count - r - 1 <= limits.places * count) return false; // whatever the others are
    }
    return true;
  }
}

/* A look as it is stored: {global, regions} in half precision. */
export function kept({ global, regions }) {
  return { global: halves(global), regions: halves(regions) };
}

/* What the head reads of a look: the mean (D) of its regions, in unit length. */
export function feature({ global, regions }) {
  const mean = meanRegion(wholes(regions), global.length);
  const length = lengthOf(mean);
  return mean.map((value) => value / length);
}

export function meanRegion(regions, width) {
  const mean = new Float64Array(width);
  for (let at = 0; at < regions.length; ) for (let d = 0; d < width; d++, at++) mean[d] += regions[at];
  return mean.map((value) => (value * width) / regions.length);
}

export function lengthOf(vector) {
  return Math.max(norm(vector, 0, vector.length), 1e-12);
}

/* Of each class {photo, regions (R), best (R)}: cosines with its name, and the best of the regions first.
   Args: photo (K); region, which gives those (K) of region r; count, R. */
function named(photo, region, count) {
  const regions = Array.from(photo, () => new Float32Array(count));
  for (let r = 0; r < count; r++) {
    const cosines = region(r);
    for (let k = 0; k < regions.length; k++) regions[k][r] = cosines[k];
  }
  return regions.map((each, k) => ({ photo: photo[k], regions: each, best: each.slice().sort().reverse() }));
}

/* The prompts' score of each class: the mean of the photo's cosine and of the mean over each k of its best regions'. */
function promptScores(said, topk) {
  return Float64Array.from(said, ({ photo, best }) => {
    const means = topk.map((k) => mean(best.subarray(0, k)));
    return topk.length ? (photo + mean(means)) / 2 : photo;
  });
}

/* GL-MCM, of cosines as named() has them. */
function strangeness(said) {
  const regions = Array.from(said[0].regions, (_, r) => said.map((one) => one.regions[r]));
  return outlierScores(said.map(({ photo }) => photo), regions)["GL-MCM"];
}

/* Numbers in half precision, as their bits, rounded to the nearest, of two to the even one. */
export function halves(values) {
  if (values instanceof Uint16Array) return values;
  const bits = new Uint32Array(new Float32Array(values).buffer);
  const made = new Uint16Array(bits.length);
  for (let i = 0; i < bits.length; i++) {
    const exponent = (bits[i] >>> 23) & 0xff;
    const mantissa = bits[i] & 0x7fffff;
    const small = exponent < 113; // below 2^-14, where fewer bits are left
    const down = small ? Math.min(126 - exponent, 31) : 13;
    const full = small ? mantissa | 0x800000 : ((exponent - 112) << 23) | mantissa;
    const [kept, rest, half] = [full >>> down, full & ((1 << down) - 1), 1 << (down - 1)];
    const up = rest > half || (rest === half && (kept & 1) === 1) ? 1 : 0;
    const size = exponent > 142 ? (exponent === 255 && mantissa ? 0x7e00 : 0x7c00) : kept + up;
    made[i] = ((bits[i] >>> 16) & 0x8000) | size;
  }
  return made;
}

function wholes(values) {
  if (!(values instanceof Uint16Array)) return values;
  const made = new Float32Array(values.length);
  for (let i = 0; i < made.length; i++) made[i] = WHOLE[values[i]];
  return made;
}
