/* The method's formulas on one photo, equal to gallop/model: nothing here knows a page. */

import { largest, mean, softmax } from "../numerics.js";

const MOST_TERMS = 8; // a longer sum is written with its first and last terms

/* A mean as a formula: "(0.3000 + 0.2000) / 2 = 0.2500". */
export function writtenMean(terms) {
  const shown = Array.from(terms, (term) => signed(term));
  const some = shown.length > MOST_TERMS ? [...shown.slice(0, MOST_TERMS - 2), "…", shown.at(-1)] : shown;
  return `(${some.join(" + ")}) / ${shown.length} = ${signed(mean(terms))}`;
}

export function signed(number) {
  return number.toFixed(4).replace("-", "\u2212");
}

/* The weight in a score of what shots taught, beside the prompts; 0 where shots taught nothing. */
export function besideWeight(take) {
  return take.besides[0]?.weight ?? 0;
}

/* Scores (K) of what shots taught, of the regions that are shown; null where they taught nothing. */
function besideScores(take) {
  return take.besides[0]?.looks.at(-1).scores() ?? null;
}

/* Scores (K) of the global prompts, of the regions, of what shots taught, and all together; "localWeight" is the weight
   of the regions among the prompts, "weight" that of what shots taught beside them. */
export function scoresOf(take, topk, localWeight, weight = besideWeight(take)) {
  const global = take.global.scores();
  const regions = take.local.usual.length ? take.local.scores(topk, take.classes) : null;
  const shots = besideScores(take);
  const prompts = global.map((score, c) =>
    regions ? (1 - localWeight) * score + localWeight * regions[c] : score,
  );
  const together = shots ? prompts.map((score, c) => (1 - weight) * score + weight * shots[c]) : prompts;
  return { global, regions, shots, prompts, together };
}

export function probabilitiesOf(scores, scale) {
  return softmax(Array.from(scores, (score) => score * scale));
}

/* Minus the logarithm of the true class's probability: the loss of a photo while prompts are learned. */
export function crossEntropy(scores, scale, c) {
  const logits = Array.from(scores, (score) => score * scale);
  const most = Math.max(...logits);
  return Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - most), 0)) + most - logits[c];
}

/* The loss of the photo as a shot of class c: that of the kept global prompts' mean, and the mean of the local prompts'
   losses. "scale" is the backbone's, without a temperature. */
export function lossOf(take, topk, scale, c, kept) {
  const scores = take.global.rows.map((row) => mean(kept.map((m) => row[m])));
  const global = crossEntropy(scores, scale, c);
  const each = topk.map((k, n) =>
    crossEntropy(
      Array.from({ length: take.classes }, (_, other) => take.local.topkMean(other, n, k)),
      scale,
      c,
    ),
  );
  return { global, each, total: global + (each.length ? mean(each) : 0) };
}

/* Draws so many of M prompts, in order; "random" as Math.random. */
export function lots(prompts, count, random) {
  const left = Array.from({ length: prompts }, (_, m) => m);
  const picked = Array.from({ length: count }, () => left.splice(Math.floor(random() * left.length), 1)[0]);
  return picked.sort((a, b) => a - b);
}

/* The region whose largest probability of a class, at temperature 1 and without the scale, is the largest of all: L-MCM
   is minus that. Null where not every class's cosines are here. */
export function surest(take) {
  if (take.outlier) return null;
  const most = Array.from({ length: take.local.regions }, (_, r) => Math.max(...softmax(take.local.at(r))));
  const [region] = largest(most, 1);
  return { region, probability: most[region] };
}

/* The classes to show: the highest scores, and always one of them. */
export function shownClasses(scores, always, count) {
  const best = largest(scores, count);
  return best.includes(always) ? best : [...best.slice(0, count - 1), always];
}
