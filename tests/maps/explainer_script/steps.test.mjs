/* The sums of the steps of the method, on numbers worked out by hand. Run by tests/maps/test_steps.py. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

const source = pathToFileURL(`${process.env.EXPLAINER_SOURCE}/`);
const part = (name) => import(new URL(`${name}.js`, source));
const { crossEntropy, lossOf, lots, probabilitiesOf, scoresOf, shownClasses, surest, writtenMean } = await part("steps/figures");
const { Take } = await part("numerics");
const { Slide } = await part("steps/parts");

const packed = (values) => Buffer.from(Float32Array.from(values).buffer).toString("base64");
const close = (a, b) => assert.ok(Math.abs(a - b) < 1e-6, `${a} is not ${b}`);

/* A head's regions (R, K) and their means. */
function packedHead(cosines) {
  const means = [0, 1].map((c) => (cosines[c] + cosines[2 + c] + cosines[4 + c]) / 3);
  return { cosines: packed(cosines), means: packed(means) };
}

/* Two classes, two global and one local prompt, three regions; a head where there is one. */
function take({ head, ...more } = {}) {
  const data = { names: ["a", "b"], scale: 10, temperature: 1, grids: [{ rows: 1, columns: 3 }] };
  const each = head ? (1 - head.weight) / 2 : 0.5;
  const branches = [
    { name: "whole photo", weight: each, prompts: 2, cosines: packed([0.4, 0.2, 0.1, 0.3]) },
    { name: "regions", weight: each, grid: 0, prompts: 1, usual: [2], cosines: packed([0.5, 0.1, 0.3, 0.2, 0.1, 0.0]) },
    ...(head ? [head] : []),
  ];
  return new Take(data, { when: "", branches, ...more });
}

test("a mean is written with all its terms, and a long one with the first and the last", () => {
  assert.equal(writtenMean([0.3, 0.2]), "(0.3000 + 0.2000) / 2 = 0.2500");
  assert.equal(writtenMean([-0.1]), "(−0.1000) / 1 = −0.1000");
  const long = writtenMean(Array(20).fill(0.1));
  assert.equal(long.match(/0\.1000/g).length, 8); // six, the last one, and the mean
  assert.match(long, /… \+ 0\.1000\) \/ 20 = 0\.1000$/);
});

test("both branches count by their share", () => {
  const found = scoresOf(take(), [2], 0.25);
  close(found.global[0], 0.3);
  close(found.regions[0], 0.4); // 0.5 and 0.3
  close(found.together[0], 0.75 * 0.3 + 0.25 * 0.4);
  close(found.together[1], 0.75 * 0.2 + 0.25 * 0.15);
  close(probabilitiesOf([0.2, 0.1], 10)[0], 1 / (1 + Math.exp(-1)));
});

test("what shots taught counts by its weight, and the prompts by what is left", () => {
  const said = { ...packedHead([0.6, 0.2, 0.3, 0.1, 0.0, 0.0]), name: "head", weight: 0.4, grid: 0, linear: true };
  const three = take({ head: said });
  const found = scoresOf(three, [2], 0.25, 0.4);
  close(found.shots[0], 0.3); // the mean of all regions
  close(found.together[0], 0.6 * (0.75 * 0.3 + 0.25 * 0.4) + 0.4 * 0.3);
  close(found.together[1], 0.6 * (0.75 * 0.2 + 0.25 * 0.15) + 0.4 * 0.1);
  close(scoresOf(three, [2], 0.25, 0).together[0], scoresOf(take(), [2], 0.25).together[0]);
  assert.equal(scoresOf(take(), [2], 0.25).shots, null);
  three.answer([2]).scores.forEach((score, c) => close(score, scoresOf(three, [2], 0.5).together[c]));
});

test("the loss is that of the kept prompts' mean, and the mean of each local prompt's own", () => {
  const [first, second] = [take(), take()].map((found, m) => lossOf(found, [2], 10, 0, [m]));
  close(first.global, Math.log(1 + Math.exp(10 * (0.1 - 0.4))));
  close(second.global, Math.log(1 + Math.exp(10 * (0.3 - 0.2))));
  close(first.each[0], Math.log(1 + Math.exp(10 * (0.15 - 0.4))));
  close(first.total, first.global + first.each[0]);
  close(crossEntropy([1000, 0], 1, 1), 1000); // no overflow
});

test("lots are drawn without replacement, each prompt as often as another", () => {
  const counts = [0, 0, 0, 0];
  for (let i = 0; i < 4; i++) {
    const found = lots(4, 3, () => i / 4);
    assert.equal(new Set(found).size, 3);
    assert.deepEqual(found, found.toSorted((a, b) => a - b));
  }
  for (let i = 0; i < 4; i++) counts[lots(4, 1, () => i / 4)[0]] += 1;
  assert.deepEqual(counts, [1, 1, 1, 1]);
});

test("the surest region is the one of L-MCM", () => {
  const found = surest(take());
  assert.equal(found.region, 0); // 0.5 against 0.2
  close(-found.probability, take().outlierScores()["L-MCM"]);
  assert.equal(surest(take({ outlier: {} })), null);
});

test("the class that is followed is always shown", () => {
  assert.deepEqual(shownClasses([0.1, 0.4, 0.3, 0.2], 0, 2), [1, 0]);
  assert.deepEqual(shownClasses([0.1, 0.4, 0.3, 0.2], 2, 2), [1, 2]);
});

test("a slide goes through its whole range, also in powers", () => {
  const slide = Object.assign(Object.create(Slide.prototype), { low: 1, high: 100, logarithmic: true });
  close(slide.valueAt(0.5), 10);
  close(slide.fractionOf(10), 0.5);
  assert.equal(slide.fractionOf(1000), 1);
  slide.logarithmic = false;
  close(slide.valueAt(0.5), 50.5);
});
