/* What the pile's script works out without a page. Run by tests/app/test_sort.py. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const source = readFileSync(process.env.SORT_SOURCE, "utf-8");
const { answer, parts, percent, reached, rows, stepped } = await import(
  `data:text/javascript;base64,${Buffer.from(source).toString("base64")}`
);

/* Seven photos of two classes, the last two of none of these; three above the line. */
const pile = () => ({
  names: ["cat", "dog", "none of these"],
  photos: [["a", 0, 0.99], ["b", 1, 0.9], ["c", 0, 0.8], ["d", 1, 0.7], ["e", 0, 0.6], ["f", -1, 0.9], ["g", -1, 0.8]],
  labels: new Map(),
  accepted: 3,
  candidates: 5,
});

test("a label of a person is the answer, and none of these is the last name", () => {
  const some = pile();
  some.labels.set(0, 1).set(2, -1);
  assert.deepEqual([0, 1, 2, 5].map((number) => answer(some, number)), [1, 1, -1, 2]);
});

test("photos of one class keep their order and their side of the line", () => {
  assert.deepEqual(parts(pile(), null), { above: [0, 1, 2], below: [3, 4], none: [5, 6] });
  assert.deepEqual(parts(pile(), 0), { above: [0, 2], below: [4], none: [] });
  assert.deepEqual(parts(pile(), 2), { above: [], below: [], none: [5, 6] });
});

test("the line lies between rows, and every photo in one row", () => {
  const laid = rows(parts(pile(), null), 2, 100);
  assert.deepEqual(laid.rows.map((row) => row.numbers ?? row.words ?? "line"), [
    "Accepted: 3", [0, 1], [2], "line", [3, 4], "None of these: 2", [5, 6],
  ]);
  laid.rows.slice(1).forEach((row, n) => assert.equal(row.top, laid.rows[n].top + laid.rows[n].height));
  assert.equal(laid.height, laid.rows.at(-1).top + laid.rows.at(-1).height);
});

test("a line dragged below so many rows accepts the photos in them", () => {
  const all = parts(pile(), null);
  const [head] = rows(all, 2, 100).rows;
  assert.deepEqual([-50, head.height + 10, head.height + 190, 9999].map((y) => reached(all, 2, 100, y)), [0, 0, 4, 5]);
});

test("in the view of one class the line goes below the last of its photos", () => {
  assert.equal(reached(parts(pile(), 1), 1, 100, 36 + 100), 2); // photo 1 of all
  assert.equal(reached(parts(pile(), 1), 1, 100, 36 + 200), 4);
});

test("arrow keys stay within the photos", () => {
  assert.deepEqual(
    [["ArrowLeft", 0], ["ArrowRight", 0], ["ArrowDown", 0], ["ArrowDown", 5], ["End", 0], ["Home", 5], ["x", 3]].map(
      ([key, at]) => stepped(at, key, 3, 7),
    ),
    [0, 1, 3, 5, 6, 0, 3],
  );
});

test("a share never claims certainty", () => {
  assert.deepEqual([0.5, 0.996, 0.99999].map(percent), ["50 %", "99.6 %", "> 99.9 %"]);
});
