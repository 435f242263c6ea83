/* The method's sums with one photo's figures, equal to gallop/model: nothing here knows a page. */

import { largest, mean, softmax } from "../numerics.js";

const MOST_TERMS = 8; // a longer sum is written with its first and last terms

/* A mean as one would write it down: "(0.3000 + 0.2000) / 2 = 0.2500". */
export function writtenMean(terms) {
  const shown = Array.from(terms, (term) => signed(term));
  const some = shown.length > MOST_TERMS ? [...shown.slice(0, MOST_TERMS - 2), "…", shown.at(-1)] : shown;
  return `(${some.join(" + ")}) / ${shown.length} = ${signed(mean(terms))}`;
}

export function signed(number) {
  return number.toFixed(4).replace("-", "\u2212");
}

/* What shots taught counts so much in a score, beside the prompts; nothing where no shots taught a branch. */
export function besideWeight(take) {
  return take.besides.reduce((sum, { weight }) => sum + weight, 0);
}

/* What shots taught, (K), of the regions that are shown: several branches by their weights; null where there is none. */
function besideScores(take) {
  const whole = besideWeight(take);
  const parts = take.besides.map(({ looks, weight }) => [looks.at(-1).scores(), whole ? weight / whole : 1]);
  if (!parts.length) return null;
  return parts[0][0].map((_, c) => parts.reduce((sum, [scores, part]) => sum + part * scores[c], 0));
}

/* Scores (K) of the whole photo, of the regions, of what shots taught, and all together; "share" is what the regions
   count among the prompts, "weight" what that counts beside them. */
export function scoresOf(take, topk, share, weight = besideWeight(take)) {
  const whole = take.global.scores();
  const regions = take.local.usual.length ? take.local.scores(topk, take.classes) : null;
  const shots = besideScores(take);
  const prompts = whole.map((score, c) => (regions ? (1 - share) * score + share * regions[c] : score));
  const together = shots ? prompts.map((score, c) => (1 - weight) * score + weight * shots[c]) : prompts;
  return { whole, regions, shots, prompts, together };
}

export function sharesOf(scores, scale) {
  return softmax(Array.from(scores, (score) => score * scale));
}

/* Minus the logarithm of the true class's share: what a photo costs while prompts are learned. */
export function crossEntropy(scores, scale, c) {
  const logits = Array.from(scores, (score) => score * scale);
  const most = Math.max(...logits);
  return Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - most), 0)) + most - logits[c];
}

/* The loss of the photo as a shot of class c: the kept global prompts' mean, and the mean over local prompts of each
   one's own. "scale" is the backbone's, without a temperature. */
export function lossOf(take, topk, scale, c, kept) {
  const whole = take.global.rows.map((row) => mean(kept.map((m) => row[m])));
  const own = crossEntropy(whole, scale, c);
  const each = topk.map((k, n) =>
    crossEntropy(
      Array.from({ length: take.classes }, (_, other) => take.local.topkMean(other, n, k)),
      scale,
      c,
    ),
  );
  return { whole: own, each, total: own + (each.length ? mean(each) : 0) };
}

/* So many of M prompts, drawn again, in order; "random" as Math.random. */
export function lots(prompts, count, random) {
  const left = Array.from({ length: prompts }, (_, m) => m);
  const found = Array.from({ length: count }, () => left.splice(Math.floor(random() * left.length), 1)[0]);
  return found.sort((a, b) => a - b);
}

/* The region whose largest share of a class, at temperature 1 and without the scale, is the largest of all: L-MCM is
   minus that. Null where not every class's cosines are here. */
export function surest(take) {
  if (take.outlier) return null;
  const most = Array.from({ length: take.local.regions }, (_, r) => Math.max(...softmax(take.local.at(r))));
  const [region] = largest(most, 1);
  return { region, share: most[region] };
}

/* The classes to show: the highest scores, and always one of them. */
export function shownClasses(scores, always, count) {
  const best = largest(scores, count);
  return best.includes(always) ? best : [...best.slice(0, count - 1), always];
}
