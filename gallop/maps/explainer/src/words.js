/* Numbers and places in words, as gallop/predictions/heatmaps.py has them. */

export function figure(score) {
  return score.toFixed(4).replace("-", "\u2212");
}

export function difference(score, digits = 4) {
  return (score < 0 ? "\u2212" : "+") + Math.abs(score).toFixed(digits);
}

/* A probability in words that never claims certainty, as app/text.py has it. */
export function percent(probability) {
  if (probability > 0.9995) return "> 99.9 %";
  return probability < 0.0005 && probability > 0 ? "< 0.1 %" : `${(100 * probability).toFixed(1)} %`;
}

/* The headline of an answer, as gallop/wording.py has it: the class, or none of these and the nearest class. */
export function headline(name, probability, odd, doubt) {
  if (doubt) return [`Nearest: ${name}`, probability];
  return odd ? ["None of these", `nearest: ${name}${probability && ` ${probability}`}`] : [name, probability];
}

/* From 0, sure, to 1, as strange as can be: all classes fit alike. The limit for "none of these" is in the middle. */
export function strangeness(score, limit, classes) {
  const beyond = (score - limit) / Math.max(-2 / classes - limit, 1e-6);
  return beyond < 0 ? 0.5 / (1 - beyond) : Math.min(0.5 + beyond / 2, 1);
}

/* What that means, as gallop/wording.py has it. */
export function limitLine(strange) {
  if (strange <= 0.5) return strange < 0.45 ? "Like one of these" : "Like one of these, but only just";
  return strange > 0.55 ? "Like none of these" : "Like none of these, but only just";
}

export function cell(region, grid) {
  const column = region % grid.columns;
  return [(region - column) / grid.columns, column];
}

/* In which ninth of the photo a region has its centre. */
export function ninth(region, grid) {
  const [row, column] = cell(region, grid);
  const vertical = ["upper", "middle", "lower"][Math.floor((3 * row + 1.5) / grid.rows)];
  const horizontal = ["left", "centre", "right"][Math.floor((3 * column + 1.5) / grid.columns)];
  return vertical === "middle" && horizontal === "centre" ? "centre" : `${vertical} ${horizontal}`;
}

export function placeOf(region, grid) {
  const [row, column] = cell(region, grid);
  const words = ninth(region, grid);
  return `${words[0].toUpperCase()}${words.slice(1)}, row ${row + 1}, column ${column + 1}`;
}

/* Outlined regions in words, the densest part of the photo first. */
export function where(regions, grid) {
  const counts = new Map();
  for (const region of regions) counts.set(ninth(region, grid), (counts.get(ninth(region, grid)) ?? 0) + 1);
  return [...counts]
    .sort((a, b) => b[1] - a[1])
    .map(([words, count]) => `${words}, ${count} of ${regions.length} regions`)
    .join("; ");
}

/* A region: its score where there is a map, and what it is most like. */
export function regionLine(region, grid, { score, signed, outlined, covered }, name, probability) {
  const parts = [
    ...(score === null ? [] : [signed ? difference(score) : figure(score)]),
    ...(outlined ? ["outlined"] : []),
    ...(covered ? ["covered"] : []),
    `most like ${name}, ${percent(probability)}`,
  ];
  return `${placeOf(region, grid)}: ${parts.join(", ")}`;
}

/* The regions that enter a local prompt's score. */
export function bestRegions(k, name) {
  return k === 1 ? `the region most like ${name}` : `the ${k} regions most like ${name}`;
}

/* The score of a scale, as the sum that it is. */
export function sumLine(subject, n, k) {
  const mine = subject.score(n, k);
  const other = subject.other && figure(subject.otherScore(n, k));
  if (other) return `${figure(mine)} minus ${other} is ${difference(subject.gap(n, k))}`;
  const count = subject.topRegions(n, k).length;
  const outlined = `Mean of the ${count} outlined region${count > 1 ? "s" : ""}: ${figure(mine)}`;
  const overall = subject.overallScore(n, k);
  if (overall === null || subject.lookWeight === 1) return `${outlined}, its score`;
  return `${outlined}; ${subject.lookWeight ? "with" : "by"} the other size its score is ${figure(overall)}`;
}

export function capital(words) {
  return words.slice(0, 1).toUpperCase() + words.slice(1);
}

/* The score of a branch beside the prompts, as the mean that it is. */
export function linearLine(subject) {
  const all = `Mean of all ${subject.regions} regions`;
  if (subject.other) return `${all}: by ${difference(subject.score)} more`;
  const mean = `${all}: ${figure(subject.score)}`;
  if (subject.overallScore === null || subject.lookWeight === 1) return `${mean}, its score`;
  return `${mean}; ${subject.lookWeight ? "with" : "by"} the other size its score is ${figure(subject.overallScore)}`;
}

/* A sentence where a map shows nothing; empty otherwise. */
export function faintLine(subject, name) {
  if (!subject.here) return `The map of ${name} is loading.`;
  if (!subject.faint) return "";
  if (subject.other) return `They hardly differ: by ${subject.reach.toFixed(4)} at most, anywhere.`;
  const [most, best] = [figure(subject.most), figure(subject.scale.high)];
  return `Nothing here is much like ${name}: no region has more than ${most}; the best of any class has ${best}.`;
}
