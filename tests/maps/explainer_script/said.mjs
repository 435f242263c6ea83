/* What the explainer's numerics say of data and questions that come as JSON, for Python to compare with its own. */

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const source = pathToFileURL(`${process.argv[2]}/`);
const { Take } = await import(new URL("numerics.js", source));
const { Subject } = await import(new URL("subject.js", source));
const { Told } = await import(new URL("told.js", source));
const words = await import(new URL("words.js", source));
const { data, topks, regions } = JSON.parse(readFileSync(0, "utf8"));

const takes = data.takes.map((take) => new Take(data, take));
const [take] = takes;
const here = Array.from(data.names.keys()).filter((c) => take.local.has(c));
const found = { outlier: take.outlierScores(), alone: {}, topks: [], maps: {}, contrast: null };
for (const region of regions) {
  found.alone[region] = take.alone(region, 5);
  found.alone[region].first = take.mostLike(region);
}
for (const topk of topks) {
  const answer = take.answer(topk);
  found.topks.push({
    scores: Array.from(answer.scores),
    shares: Array.from(answer.probabilities),
    branches: answer.branches.map(({ probabilities }) => Array.from(probabilities)),
    current: take.isCurrent(topk),
    means: here.map((c) => topk.map((k, n) => take.topkMean(c, n, k))),
    looks: take.looks.map((look) => here.map((c) => topk.map((k, n) => look.topkMean(c, n, k)))),
    kept: here.map((c) => topk.map((k, n) => take.local.topRegions(c, n, k))),
    where: topk.map((k, n) => words.where(take.local.topRegions(here[0], n, k), data.grids.at(-1))),
  });
}
found.here = here;
found.besides = take.besides.map((beside) => ({
  maps: beside.looks.map((look) => here.slice(0, 3).map((c) => Array.from(look.map(c)))),
  each: beside.looks.map((look) => Array.from(look.means)),
  means: data.names.map((_, c) => take.linearMean(beside, c)),
}));
if (take.local.usual.length) {
  found.maps = here.slice(0, 3).map((c) => data.takes[0].branches[1].usual.map((_, n) => Array.from(take.local.map(c, n))));
  if (here.length > 1) {
    const subject = new Subject(takes, data.range, here[0], here[1], false);
    found.contrast = { maps: subject.maps.map((map) => Array.from(map)), high: subject.scale.high };
  }
  if (takes.length > 1) {
    const subject = new Subject(takes, data.range, here[0], null, true);
    found.before = subject.maps.map((map) => Array.from(map));
  }
}
found.told = Object.entries(data.words ?? {}).map(([c, words]) => {
  const told = new Told(words, take, Number(c));
  return topks.map((topk) => words.prompts.map((_, p) => told.parts(p, topk)));
});
process.stdout.write(JSON.stringify(found));
