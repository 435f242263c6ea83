/* The explainer's parts that need no page, on numbers worked out by hand. Run by tests/maps/test_explainer.py. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

const source = pathToFileURL(`${process.env.EXPLAINER_SOURCE}/`);
const part = (name) => import(new URL(`${name}.js`, source));
const { floats, largest, softmax, Take } = await part("numerics");
const { painted, place, strength, veil } = await part("colours");
const { borders, drawOutlines, smoothed } = await part("map");
const { kAt, stepOf } = await part("controls");
const { Painting } = await part("cover");
const { placed } = await part("sizes");
const { axisOf, differences, leader, promptScores } = await part("prompts");
const { recalled, remember } = await part("reload");
const { State } = await part("state");
const { Subject } = await part("subject");
const { BranchSubject } = await part("branch");
const { Told } = await part("told");
const { faintLine, headline, limitLine, linearLine, ninth, percent, strangeness, sumLine, where } = await part("words");

const packed = (values) => Buffer.from(Float32Array.from(values).buffer).toString("base64");
const close = (a, b) => assert.ok(Math.abs(a - b) < 1e-6, `${a} is not ${b}`);

/* Two classes, one global and two local prompts, four regions. */
function data(more = {}) {
  const regions = [
    // class 0, prompt 0 and 1; class 1, prompt 0 and 1
    [0.4, 0.1, 0.0, 0.1],
    [0.2, 0.3, 0.0, 0.1],
    [0.3, 0.2, 0.1, 0.1],
    [0.1, 0.0, 0.2, 0.1],
  ];
  return {
    photo: "data:,",
    names: ["a", "b"],
    scale: 10,
    temperature: 2,
    threshold: null,
    grids: [{ rows: 2, columns: 2 }],
    takes: [
      {
        when: "",
        branches: [
          { name: "whole photo", weight: 0.5, prompts: 1, cosines: packed([0.3, 0.1]) },
          {
            name: "regions",
            ...{ weight: 0.5, share: 1, grid: 0 },
            ...{ prompts: 2, usual: [2, 9], cosines: packed(regions.flat()) },
          },
        ],
      },
    ],
    range: [0.1, 0.4],
    colours: { gray: "" },
    drawn: ["Smooth", "Cells"],
    ...more,
  };
}

test("base64 of float32 is read bit by bit", () => {
  assert.deepEqual([...floats(packed([1.5, -0.1]))], [1.5, Math.fround(-0.1)]);
});

test("the softmax of large numbers is one, and of equals is even", () => {
  assert.deepEqual([...softmax([1000, 0])], [1, 0]);
  assert.deepEqual([...softmax([3, 3, 3, 3])], [0.25, 0.25, 0.25, 0.25]);
});

test("of equal values the earlier one is first", () => {
  assert.deepEqual(largest([1, 3, 3, 2]), [1, 2, 3, 0]);
  assert.deepEqual(largest([1, 3, 3, 2], 2), [1, 2]);
});

test("a score is the mean of the k best regions, and branches add up by their weights", () => {
  const take = new Take(data(), data().takes[0]);
  close(take.local.topkMean(0, 0, 2), 0.35); // 0.4 and 0.3
  close(take.local.topkMean(0, 1, 4), 0.15);
  assert.deepEqual(take.local.topRegions(0, 0, 2), [0, 2]);
  assert.deepEqual(take.local.topRegions(0, 0, 1), [0]);
  const { scores, probabilities } = take.answer([2, 4]);
  close(scores[0], (0.3 + (0.35 + 0.15) / 2) / 2);
  close(scores[1], (0.1 + (0.15 + 0.1) / 2) / 2); // 0.2 and 0.1; 0.1 four times
  close(probabilities[0], 1 / (1 + Math.exp((10 / 2) * (scores[1] - scores[0]))));
});

/* The same, looked at once more with 4 x 4 regions, which all have a cosine of 0.2 but for the first one's 0.6. */
function closer(share = 0.5) {
  const made = data();
  const cosines = Array.from({ length: 64 }, (_, i) => (i === 0 ? 0.6 : 0.2));
  const [, first] = made.takes[0].branches;
  const second = { ...first, grid: 1, weight: 0.5 * share, share, cosines: packed(cosines) };
  Object.assign(first, { weight: 0.5 * (1 - share), share: 1 - share });
  made.takes[0].branches.push(second);
  made.takes[0].outlier = { MCM: -0.5, "L-MCM": -0.5, "GL-MCM": -1 };
  made.grids = [{ rows: 2, columns: 2, range: [0.1, 0.3] }, { rows: 4, columns: 4 }];
  return made;
}

test("a score of two looks is the mean of either look's k best regions", () => {
  const take = new Take(closer(), closer().takes[0]);
  close(take.looks[0].topkMean(0, 0, 2), 0.35);
  close(take.looks[1].topkMean(0, 0, 2), 0.4); // 0.6 and 0.2
  close(take.topkMean(0, 0, 2), 0.375);
  close(take.topkMean(0, 0, 9), (0.25 + (0.6 + 8 * 0.2) / 9) / 2); // the first look has four regions alone
  const { scores, branches } = take.answer([2, 4]);
  const [coarse, fine] = [(0.35 + 0.15) / 2, (0.4 + 0.2) / 2];
  close(scores[0], (0.3 + (coarse + fine) / 2) / 2);
  assert.deepEqual(branches.map(({ name }) => name), ["whole photo", "regions"]);
  close(branches[1].scores[0], (coarse + fine) / 2);
  assert.equal(take.outlierScores()["GL-MCM"], -1);
});

test("a second look that is there for its maps alone counts in no score", () => {
  const take = new Take(closer(0), closer(0).takes[0]);
  close(take.topkMean(0, 0, 2), 0.35);
  const plain = new Take(data(), data().takes[0]).answer([2, 4]);
  take.answer([2, 4]).scores.forEach((score, c) => close(score, plain.scores[c]));
});

test("a map is of the size that is shown, and its sum says the whole score", () => {
  const takes = [new Take(closer(), closer().takes[0])];
  const [coarse, fine] = [0, 1].map((look) => new Subject(takes, [0.1, 0.4], 0, null, false, look));
  assert.equal(coarse.maps[0].length, 4);
  assert.equal(fine.maps[0].length, 16);
  assert.deepEqual(coarse.topRegions(0, 2), [0, 2]);
  assert.deepEqual(fine.topRegions(0, 2), [0, 1]);
  assert.equal(
    sumLine(fine, 0, 2),
    "Mean of the 2 outlined regions: 0.4000; with the other size its score is 0.3750",
  );
  const maps = [new Take(closer(0), closer(0).takes[0])];
  const [counts, shown] = [0, 1].map((look) => sumLine(new Subject(maps, [0.1, 0.4], 0, null, false, look), 0, 2));
  assert.equal(counts, "Mean of the 2 outlined regions: 0.3500, its score");
  assert.equal(shown, "Mean of the 2 outlined regions: 0.4000; by the other size its score is 0.3500");
  const one = [new Take(data(), data().takes[0])];
  const plain = new Subject(one, [0.1, 0.4], 0, null, false);
  assert.equal(sumLine(plain, 0, 2), "Mean of the 2 outlined regions: 0.3500, its score");
});

/* Either size with a head, of weight 0.4: of class 0 the regions say 1, 0, 0, 0.2 and sixteen times 0.1; of class 1
   the opposite. */
function taught(share = 0.5) {
  const made = closer(share);
  const coarse = [1, -1, 0, 0, 0, 0, 0.2, -0.2];
  const fine = Array.from({ length: 32 }, (_, i) => (i % 2 ? -0.1 : 0.1));
  for (const branch of made.takes[0].branches) branch.weight *= 0.6;
  [coarse, fine].forEach((cosines, grid) => {
    const own = grid ? share : 1 - share;
    const means = packed(grid ? [0.1, -0.1] : [0.3, -0.3]);
    const what = { name: "head", linear: true, grid, share: own, weight: 0.4 * own, reach: grid ? 0.1 : 1 };
    made.takes[0].branches.push({ ...what, means, cosines: packed(cosines) });
  });
  return made;
}

test("a head says of two looks what it says of each, on the mean, and adds it to the prompts", () => {
  const take = new Take(taught(), taught().takes[0]);
  close(take.linearMean(take.besides[0], 0), 0.2);
  const { scores, branches } = take.answer([2, 4]);
  close(scores[0], 0.6 * new Take(closer(), closer().takes[0]).answer([2, 4]).scores[0] + 0.4 * 0.2);
  assert.deepEqual(branches.map(({ name }) => name), ["whole photo", "regions", "head"]);
  close(branches[2].scores[0], 0.2);
  close(branches[2].scores[1], -0.2);
});

test("the head's map is of the size that is shown, and its sum says the whole score", () => {
  const [both, maps] = [0.5, 0].map((share) => [new Take(taught(share), taught(share).takes[0])]);
  const of = (takes, look, a = null) => new BranchSubject(takes, 0, 2, 0, a, false, look);
  assert.equal(of(both, 0).maps[2].length, 4);
  assert.equal(of(both, 1).maps[2].length, 16);
  const [coarse, fine] = [0, 1].map((look) => linearLine(of(both, look)));
  assert.equal(coarse, "Mean of all 4 regions: 0.3000; with the other size its score is 0.2000");
  assert.equal(fine, "Mean of all 16 regions: 0.1000; with the other size its score is 0.2000");
  assert.equal(linearLine(of(maps, 0)), "Mean of all 4 regions: 0.3000, its score");
  assert.equal(linearLine(of(maps, 1)), "Mean of all 16 regions: 0.1000; by the other size its score is 0.3000");
  assert.equal(linearLine(of(both, 1, 1)), "Mean of all 16 regions: by +0.2000 more");
  close(of(both, 1, 1).maps[2][0], 0.2);
});

test("a region that is asked is found in the grid that is shown", () => {
  const [coarse, fine] = closer().grids;
  assert.equal(placed(null, coarse, fine), null);
  for (let region = 0; region < 16; region++) {
    const [row, column] = [Math.floor(region / 4), region % 4];
    assert.equal(placed(region, fine, coarse), Math.floor(row / 2) * 2 + Math.floor(column / 2));
  }
  for (let region = 0; region < 4; region++) assert.equal(placed(placed(region, coarse, fine), fine, coarse), region);
});

test("the finest regions are shown until a hand chooses others, and no host takes that back", () => {
  const state = new State();
  const takes = [new Take(closer(), closer().takes[0])];
  state.follow(closer(), takes);
  assert.equal(state.now.look, 1);
  state.move({ look: 0 });
  state.settled();
  state.follow({ ...closer(), state: { topk: [1, 1], turn: 5 } }, takes);
  assert.equal(state.now.look, 0);
  state.follow(data(), [new Take(data(), data().takes[0])]);
  assert.equal(state.now.look, 0);
  state.follow(closer(), takes);
  assert.equal(state.now.look, 1, "a finer map that follows is shown");
});

test("outlier scores are taken at temperature 1, without the scale, over classes", () => {
  const take = new Take(data(), data().takes[0]);
  const mcm = -1 / (1 + Math.exp(0.1 - 0.3));
  close(take.outlierScores().MCM, mcm);
  // the region whose two means lie farthest apart: 0.25 and 0.05
  const best = -1 / (1 + Math.exp(0.05 - 0.25));
  close(take.outlierScores()["L-MCM"], best);
  close(take.outlierScores()["GL-MCM"], mcm + best);
});

test("none of these is the headline where the limit says so, and the nearest class stands beside it", () => {
  assert.deepEqual(headline("lemon", "61.0 %", false), ["lemon", "61.0 %"]);
  assert.deepEqual(headline("lemon", "61.0 %", true), ["None of these", "nearest: lemon 61.0 %"]);
  assert.deepEqual(headline("lemon", "", true), ["None of these", "nearest: lemon"]);
  for (const odd of [true, false]) assert.deepEqual(headline("lemon", "61.0 %", odd, "No."), ["Nearest: lemon", "61.0 %"]);
});

test("how strange a photo is lies between sure and all classes alike, with the limit in the middle", () => {
  assert.deepEqual([-0.5, -0.75, -1].map((score) => strangeness(score, -0.75, 4)), [1, 0.5, 0.25]);
  assert.equal(strangeness(-2, -2, 1), 0.5, "of one class no photo is stranger than another");
});

test("how strange a photo is, in words", () => {
  const said = [0.2, 0.5, 0.51, 0.9].map(limitLine);
  const [one, none] = ["Like one of these", "Like none of these"];
  assert.deepEqual(said, [one, `${one}, but only just`, `${none}, but only just`, none]);
});

test("each prompt has its score, and a local one none where the regions of its class are not here", () => {
  const made = data();
  close(promptScores(new Take(made, made.takes[0]), 0, [2, 4])[1], 0.35);
  const regions = { ...made.takes[0].branches[1], classes: [1], last: { topk: [2, 4], means: packed([0, 0, 0, 0]) } };
  regions.cosines = packed(Array(8).fill(0.2));
  const few = { when: "", branches: [made.takes[0].branches[0], regions] };
  assert.deepEqual(promptScores(new Take(made, few), 0, [2, 4]).slice(1), [null, null]);
});

test("the axis of the prompts' scores leaves room on both sides, and shows near scores as one", () => {
  const { low, high } = axisOf([0.1, null, 0.2]);
  assert.ok(low < 0.1 && high > 0.2 && high - low < 0.12);
  const alike = axisOf([0.2, 0.2001]);
  close(alike.high - alike.low, 0.0216);
});

test("the prompt with the highest score is named, or with the largest lead over another class", () => {
  const scores = [0.05, 0.03, 0.11, null];
  assert.equal(leader(scores, null, 2, "mug", ""), "Highest for mug: local 1, 0.1100");
  assert.equal(leader(scores, [0.01, 0.02, 0.1, null], 2, "mug", "vase"), "Largest lead of mug over vase: global 1, +0.0400");
  for (const alike of [[0.1, 0.1004], [0.1], []]) assert.equal(leader(alike, null, 1, "mug", ""), "");
});

test("scores that are nearly equal are shown by their differences from the mean of their branch", () => {
  const { from, axis } = differences([0.2, 0.21, 0.205]);
  [-0.005, 0.005, 0].forEach((wanted, p) => close(from[p], wanted));
  close(axis.high, 1.08 * 0.005);
  close(axis.low, -axis.high);
  close(differences([0.1, 0.10001]).axis.high, 0.0005);
});

test("scores that differ, are alone, or are not here, are shown as they are", () => {
  for (const scores of [[0.1, 0.13], [0.1], [], [0.1, null]]) assert.equal(differences(scores), null);
});

/* Of class 0: a global prompt of two parts and a local one of three, over the four regions of one look. */
function words(more = {}) {
  const prompts = [
    { words: ["a", "rest"], rest: 0.2, learned: true },
    { words: ["a", "sketch", "rest"], rest: 0.7, learned: true },
    { words: ["a", "rest"], rest: 0, before: 0.9951, learned: false },
  ];
  const regions = [1, 2, 3, 4].flatMap((r) => [0.1 * r, 0, -0.01 * r, 0, 0.002 * r, 0]); // (R, W, N)
  return { prompts, size: 3, global: packed([0.25, 0.05, 0]), looks: [packed(regions)], ...more };
}

test("a score in words is the mean over the regions that count, part by part", () => {
  const made = data();
  const told = new Told(words(), new Take(made, made.takes[0]), 0);
  [0.25, 0.05].forEach((wanted, w) => close(told.parts(0, [2, 4])[w], wanted));
  [0.2, -0.02, 0.004].forEach((wanted, w) => close(told.parts(1, [2, 4])[w], wanted)); // regions 0 and 2
});

test("a rest of more than half leads, and what has not learned says so", () => {
  const made = data();
  const told = new Told(words(), new Take(made, made.takes[0]), 0);
  const few = "In words: 0.3000 = a 0.2500 + rest 0.0500 (20 % of what its context adds is in no word).";
  assert.equal(told.line(0, [2, 4], null, 0), few);
  const mostly = "Mostly no word (70 % of what its context adds is in no word): 0.1840 = a 0.2000 + sketch \u22120.0200";
  assert.equal(told.line(1, [2, 4], null, 0), `${mostly} + rest 0.0040.`);
  assert.match(told.line(1, [2, 4], 3, 0), /This region: 0\.3680 = a 0\.4000/);
  assert.equal(told.line(2, [2, 4], null, 0), "In words: what “A photo of a” says (cosine 0.9951).");
});

test("a prompt says in short the first of its words, where they tell most of it", () => {
  const made = data();
  const told = new Told(words(), new Take(made, made.takes[0]), 0);
  assert.deepEqual([0, 1, 2].map((p) => told.short(p, "cat")), ["no word", "no word", "“A photo of a cat”"]);
  told.prompts[1].rest = 0.3;
  assert.equal(told.short(1, "cat"), "“sketch”");
});

test("a region alone answers with the mean of its prompts", () => {
  const take = new Take(data(), data().takes[0]);
  const [[first, share], [second]] = take.alone(0, 2);
  assert.deepEqual([first, second], [0, 1]);
  close(share, 1 / (1 + Math.exp(5 * (0.05 - 0.25))));
  assert.deepEqual(take.mostLike(0), take.alone(0, 1)[0]);
});

test("weak scores fade, and below the threshold nothing shows", () => {
  const scale = { low: 0, high: 1, signed: false };
  assert.equal(place(-3, scale), 0);
  assert.equal(strength(0, { low: -1, high: 1, signed: true }), 0);
  assert.equal(strength(-1, { low: -1, high: 1, signed: true }), 1);
  assert.equal(veil(0), 0);
  close(veil(0.5), 0.75);
  close(veil(1), 1);
  for (let i = 0; i < 100; i++) assert.ok(veil(i / 100) < veil((i + 1) / 100), "the stronger, the more it shows");
  const colours = Uint8Array.from({ length: 768 }, (_, i) => Math.floor(i / 3));
  const alpha = (threshold) =>
    [0, 0.25, 0.5, 1].map((_, i, all) => painted(all, scale, colours, { opacity: 0.8, threshold })[4 * i + 3]);
  const seen = alpha(0);
  assert.ok(seen[0] === 0 && seen[0] < seen[1] && seen[1] < seen[2] && seen[2] < seen[3]);
  assert.equal(seen[3], Math.round(255 * 0.8));
  assert.deepEqual(alpha(0.5).slice(0, 2), [0, 0]);
  assert.deepEqual([...painted([0.5], scale, colours, { opacity: 1, threshold: 0 }).slice(0, 3)], [128, 128, 128]);
});

test("a smooth map passes from centre to centre and stays flat outside of them", () => {
  const wide = smoothed([0, 1, 2], 1, 3, 4);
  assert.equal(wide.length, 4 * 12);
  assert.deepEqual([...wide.slice(0, 2)], [0, 0]);
  close(wide[2], 0.125);
  close(wide[5], 0.875);
  assert.deepEqual([...wide.slice(10, 12)], [2, 2]);
});

test("an outline goes around a set of regions, and lines between two of it are within", () => {
  const { around, within } = borders([0, 1, 8], { rows: 3, columns: 3 });
  assert.equal(around.length, 6 + 4);
  assert.deepEqual(within, [[1, 0, 1, 1]]);
  assert.equal(borders([], { rows: 3, columns: 3 }).around.length, 0);
});

test("an outline leaves most of its region, on large photos and small ones, in coarse grids and fine ones", () => {
  for (const side of [7, 14, 24]) {
    for (const size of [500, 200]) {
      const widths = [];
      const pen = new Proxy({}, {
        get: () => () => {},
        set: (_, name, value) => (name === "lineWidth" && widths.push(value), true),
      });
      const canvas = { width: 0, height: 0, getContext: () => pen };
      drawOutlines(canvas, [0, 1, side], [], { rows: side, columns: side }, { width: size, height: size });
      assert.deepEqual([canvas.width, canvas.height], [size, size]);
      const within = Math.max(...widths) / 2; // half of a line lies in the region, half beside it
      assert.ok(within >= 0.9 && within <= Math.max(size / side / 5, 1), `${within} of ${size / side}`);
    }
  }
});

test("outlines stay while an explainer is hidden, and those that moved meanwhile are drawn when it is back", () => {
  const done = [];
  const pen = new Proxy({}, { get: (_, name) => () => done.push(name), set: () => true });
  const canvas = { width: 0, height: 0, getContext: () => pen };
  const [grid, size] = [{ rows: 7, columns: 7 }, { width: 200, height: 200 }];
  const drawn = (kept, now) => {
    done.length = 0;
    drawOutlines(canvas, kept, [], grid, now);
    return done.length > 0;
  };
  assert.ok(drawn([0, 1], size));
  assert.ok(!drawn([0, 1], { width: 0, height: 0 }));
  assert.deepEqual([canvas.width, canvas.height], [200, 200]);
  assert.ok(!drawn([0, 1], size), "they stand there already");
  assert.ok(!drawn([0, 1, 2], { width: 0, height: 0 }));
  assert.ok(drawn([0, 1, 2], size));
});

test("the track reaches every k, and finer where k is small", () => {
  for (const regions of [1, 2, 49, 196, 576])
    for (let k = 1; k <= regions; k++) assert.equal(kAt(stepOf(k, regions), regions), k, `${k} of ${regions}`);
  assert.ok(stepOf(10, 196) > 400);
});

test("what makes no sense is set right, whoever says it", () => {
  const state = new State();
  const takes = data().takes.map((take) => new Take(data(), take));
  const said = { class_name: "c", against: 7, before: true, prompt: 9, topk: [0, "x", 3], region: 4, opacity: 7, turn: 3 };
  state.follow(data({ state: { ...said, colours: "__proto__" } }), takes);
  const { class_name, against, before, prompt, topk, region, opacity, colours } = state.now;
  assert.deepEqual([class_name, against, before, prompt, topk, region], [null, null, false, 1, [1, 4], null]);
  assert.deepEqual([opacity, colours], [1, "gray"]);
});

test("an answer to an old movement does not take a hand's place", () => {
  const state = new State();
  const takes = data().takes.map((take) => new Take(data(), take));
  const host = (topk, turn) => state.follow(data({ state: { topk, turn } }), takes);
  host([2, 2], 0);
  state.move({ topk: [3, 2] });
  assert.equal(state.settled().turn, 1);
  host([2, 2], 0); // it had not heard yet
  assert.deepEqual(state.now.topk, [3, 2]);
  state.move({ topk: [4, 2] });
  host([3, 2], 1); // it answers the first movement while the second one is under way
  assert.deepEqual(state.now.topk, [4, 2]);
  assert.equal(state.settled().turn, 2);
  host([1, 1], 2); // it heard everything: what it says counts
  assert.deepEqual(state.now.topk, [1, 1]);
});

test("a region that was asked of one photo is asked of no other, whatever a hand did last", () => {
  const state = new State();
  const takes = data().takes.map((take) => new Take(data(), take));
  state.follow(data({ state: { region: null, turn: 0 } }), takes);
  state.move({ region: 3, topk: [3, 2] });
  state.follow(data({ photo: "data:other", state: { region: null, turn: 0 } }), takes);
  assert.deepEqual([state.now.region, state.now.topk], [null, [3, 2]]);
  state.move({ region: 2 });
  state.follow(data({ photo: "data:other", state: { region: null, turn: 0 } }), takes);
  assert.equal(state.now.region, 2);
});

test("what a hand left goes on only where its page was loaded again just then", () => {
  const kept = new Map();
  const [opened, told] = [{ type: "reload" }, { topk: [7] }];
  globalThis.sessionStorage = {
    setItem: (key, value) => kept.set(key, value),
    getItem: (key) => kept.get(key) ?? null,
    removeItem: (key) => kept.delete(key),
  };
  const entries = performance.getEntriesByType;
  const left = (after, type = "reload", id = "photo") => {
    remember("photo", told);
    opened.type = type;
    const entry = JSON.parse(kept.get("gallop explainer"));
    kept.set("gallop explainer", JSON.stringify({ ...entry, at: performance.timeOrigin - after }));
    return recalled(id);
  };
  performance.getEntriesByType = () => [opened];
  assert.deepEqual(left(100), told);
  assert.equal(recalled("photo"), undefined); // once
  assert.equal(left(5000), undefined);
  assert.equal(left(100, "navigate"), undefined);
  assert.equal(left(100, "reload", "another photo"), undefined);
  performance.getEntriesByType = entries;
  delete globalThis.sessionStorage;
  assert.equal(recalled("photo"), undefined);
});

test("a map is a difference where something is compared, and says where there is nothing to see", () => {
  const takes = data().takes.map((take) => new Take(data(), take));
  const own = new Subject(takes, [0.1, 0.4], 0, null, false);
  assert.deepEqual([own.scale.low, own.scale.high, own.faint], [0.1, 0.4, false]);
  const weak = new Subject(takes, [0.1, 0.9], 1, null, false);
  assert.ok(weak.faint);
  assert.match(faintLine(weak, "b"), /^Nothing here is much like b: no region has more than 0.2000; the best/);
  const both = new Subject(takes, [0.1, 0.4], 0, 1, false);
  close(both.maps[0][0], 0.4);
  close(both.scale.high, 0.4);
  assert.equal(both.scale.low, -both.scale.high);
  assert.deepEqual(both.rival(0, 1), [3]);
  const same = new Subject(takes, [0.1, 0.4], 0, 0, false);
  assert.ok(same.faint && same.scale.high > 0);
  assert.match(faintLine(same, "a"), /hardly differ/);
});

test("numbers and places in words", () => {
  assert.equal(percent(0.99999), "> 99.9 %");
  assert.equal(percent(1e-9), "< 0.1 %");
  assert.equal(percent(0.9994), "99.9 %");
  assert.equal(percent(0.5), "50.0 %");
  assert.equal(ninth(0, { rows: 4, columns: 4 }), "upper left");
  assert.equal(ninth(7 * 2 + 2, { rows: 7, columns: 7 }), "centre");
  assert.equal(ninth(7 * 4 + 4, { rows: 7, columns: 7 }), "centre");
  assert.equal(ninth(14 * 9 + 4, { rows: 14, columns: 14 }), "lower left");
  assert.equal(where([0, 1, 15], { rows: 6, columns: 6 }), "upper left, 2 of 3 regions; centre, 1 of 3 regions");
  const takes = data().takes.map((take) => new Take(data(), take));
  assert.equal(sumLine(new Subject(takes, [0, 1], 0, null, false), 0, 2), "Mean of the 2 outlined regions: 0.3500, its score");
});

test("the first cell of a stroke says whether it covers or uncovers, and none on its way is left out", () => {
  const grid = { rows: 4, columns: 4 };
  const painting = new Painting(grid, [7]);
  painting.begin(0, grid);
  painting.move(15, grid); // along the diagonal
  assert.deepEqual([...painting.regions].sort((a, b) => a - b), [0, 5, 7, 10, 15]);
  painting.begin(5, grid);
  painting.move(7, grid);
  assert.deepEqual([...painting.regions].sort((a, b) => a - b), [0, 10, 15]);
  painting.undo();
  painting.undo();
  assert.deepEqual([...painting.regions], [7]);
  painting.undo(); // there is no stroke before
  assert.deepEqual([...painting.regions], [7]);
});

test("a cell of a coarser grid covers the regions in it", () => {
  const painting = new Painting({ rows: 4, columns: 4 });
  const coarse = { rows: 2, columns: 2 };
  painting.begin(1, coarse);
  assert.deepEqual([...painting.regions].sort((a, b) => a - b), [2, 3, 6, 7]);
  assert.deepEqual(painting.cells(coarse), [1]);
});
