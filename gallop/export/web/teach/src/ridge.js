/* The head: ridge regression drawn to the class names, as gallop/model/branches has it (forms.ridge, kinds.drawn_to,
   branch.complete), of all shots, and of those outside each fold.
   Sizes: n shots, m of them held out, D numbers a shot, K classes. */

import { mean, sum } from "../explainer/numerics.js";
import { dot, solve } from "./kernel.js";

export class Ridge {
  /* Args: facts, {penalty, names, halved}; kernel; labels (n), a class of each shot; texts (K, D) in unit length. */
  constructor(facts, kernel, labels, texts) {
    Object.assign(this, { facts, kernel, labels, texts });
    const classes = texts.length;
    this.counts = counted(labels, classes);
    this.known = this.counts.flatMap((count, k) => (count ? [k] : []));
    const n = kernel.count;
    this.ones = new Float64Array(n); // C 1
    this.targets = this.known.map(() => new Float64Array(n)); // C y of each class that has shots
    const place = new Map(this.known.map((k, at) => [k, at]));
    kernel.rows.forEach((row, i) => addOne(this.targets[place.get(labels[i])], row, 1));
    for (const column of this.targets) addOne(this.ones, column, 1);
    this.all = sum(this.ones);
  }

  /* How long the text is to which a class of so many shots is drawn. */
  pull(count) {
    return this.facts.names * 2 ** (-count / this.facts.halved);
  }

  /* The form of all K classes: {weights: [(D)], bias}. */
  form() {
    const pulls = this.known.map((k) => this.pull(this.counts[k]));
    const residuals = this.through(pulls);
    const bias = residuals.map((column) => sum(column) / this.all);
    residuals.forEach((column, at) => {
      for (let i = 0; i < column.length; i++) column[i] -= bias[at] * this.ones[i];
    });
    this.pushes = residuals; // (y - W x - b) / penalty of each shot
    return this.complete(this.weights(pulls, residuals), bias, this.kernel.shots);
  }

  /* C z, the shots' targets less what the names alone say, of each class that has shots. */
  through(pulls) {
    return this.known.map((k, at) => {
      const [column, text] = [this.targets[at].slice(), this.kernel.inverse[k]];
      for (let i = 0; i < column.length; i++) column[i] -= pulls[at] * text[i];
      return column;
    });
  }

  /* Args: columns (n) of each class, by which the shots count. */
  weights(pulls, columns) {
    const { shots } = this.kernel;
    const rows = this.known.map((k, at) => this.texts[k].map((value) => value * pulls[at]));
    shots.forEach((shot, i) => rows.forEach((row, at) => addOne(row, shot, columns[at][i])));
    return rows;
  }

  mean(shots) {
    const mean = new Float64Array(this.texts[0].length);
    for (const shot of shots) for (let d = 0; d < mean.length; d++) mean[d] += shot[d] / shots.length;
    return mean;
  }

  /* A class without shots gets the mean of the others' weights plus the direction of its text, as far from the mean as
     theirs are, where texts and weights agree in the others at all. All less their mean over the classes. */
  complete(weights, bias, shots) {
    const made = { weights: [], bias: [] };
    const mean = this.mean(weights);
    const meanText = this.mean(this.known.map((k) => this.texts[k]));
    let [apart, long, alike] = [0, 0, 0];
    this.known.forEach((k, at) => {
      for (let d = 0; d < mean.length; d++) {
        const [away, text] = [weights[at][d] - mean[d], this.texts[k][d] - meanText[d]];
        apart += away * away;
        long += text * text;
        alike += away * text;
      }
    });
    const pulled = alike > 0 ? Math.sqrt(apart / long) : 0;
    const meanBias = sum(bias) / bias.length;
    const middle = this.known.length < this.texts.length ? this.mean(shots) : mean;
    this.texts.forEach((text, k) => {
      const at = this.known.indexOf(k);
      const towards = at < 0 ? text.map((value, d) => pulled * (value - meanText[d])) : null;
      made.weights.push(towards ? towards.map((value, d) => mean[d] + value) : weights[at]);
      made.bias.push(towards ? meanBias - dot(towards, middle, mean.length) : bias[at]);
    });
    return centred(made);
  }

  /* Scores (m, K) of shots by a head that never saw them, as rows.

     With C_VV the block of C of those, and g = C_VV^-1 (C [z, 1])_V, of the other shots b = (1'C z - (C 1)_V' g_z) /
     (1'C 1 - (C 1)_V' g_1), and the scores are y - g_z + b g_1: all of it without a matrix of the other shots. */
  without(held) {
    const counts = this.counts.slice();
    for (const i of held) counts[this.labels[i]]--;
    const pulls = this.known.map((k) => this.pull(counts[k]));
    const through = this.through(pulls);
    const taken = (column, count = held.length) => {
      const some = new Float64Array(count);
      for (let at = 0; at < count; at++) some[at] = column[held[at]];
      return some;
    };
    const solved = [...through, this.ones].map((column) => taken(column));
    solve(held.map((i, at) => taken(this.kernel.rows[i], at + 1)), solved);
    const ones = solved.pop();
    const here = taken(this.ones);
    const m = held.length;
    const left = this.all - dot(here, ones, m);
    const bias = through.map((column, at) => (sum(column) - dot(here, solved[at], m)) / left);
    if (this.known.length < this.texts.length) return this.completed(held, pulls, through, solved, ones, bias);
    return held.map((i, row) => {
      const made = new Float64Array(bias.length);
      for (let at = 0; at < bias.length; at++) made[at] = bias[at] * ones[row] - solved[at][row];
      made[this.known.indexOf(this.labels[i])] += 1;
      return made;
    });
  }

  /* The same where some classes have no shots, whose weights follow from those of the others. */
  completed(held, pulls, through, solved, ones, bias) {
    const columns = through.map((column, at) => {
      const made = column.map((value, i) => value - bias[at] * this.ones[i]);
      held.forEach((i, row) => {
        const [block, share] = [this.kernel.rows[i], solved[at][row] - bias[at] * ones[row]];
        for (let j = 0; j < made.length; j++) made[j] -= block[j] * share;
      });
      for (const i of held) made[i] = 0;
      return made;
    });
    const out = new Set(held);
    const others = this.kernel.shots.filter((_, i) => !out.has(i));
    const form = this.complete(this.weights(pulls, columns), bias, others);
    return held.map((i) => scores(form, this.kernel.shots[i]));
  }
}

/* Of a feature (D), of each class. */
export function scores({ weights, bias }, feature) {
  return Float64Array.from(weights, (row, k) => dot(row, feature, row.length) + bias[k]);
}

function addOne(row, shot, share) {
  for (let d = 0; d < row.length; d++) row[d] += share * shot[d];
}

function centred({ weights, bias }) {
  const average = weights[0].map((_, d) => mean(weights.map((row) => row[d])));
  const middle = mean(bias);
  return {
    weights: weights.map((row) => row.map((value, d) => value - average[d])),
    bias: bias.map((value) => value - middle),
  };
}

export function counted(labels, classes) {
  const counts = new Array(classes).fill(0);
  for (const label of labels) counts[label]++;
  return counts;
}

/* What each shot adds to the score of class k of a photo: {shots (n), rest}. Args: form, of ridge; feature (D). */
export function votes(ridge, form, feature, k) {
  const shots = ridge.kernel.shots;
  const middle = ridge.mean(shots);
  const away = feature.map((value, d) => value - middle[d]);
  const all = ridge.pushes.length;
  const at = ridge.known.indexOf(k);
  const given = shots.map((shot, i) => {
    const mean = ridge.pushes.reduce((total, column) => total + column[i], 0) / all;
    const push = at < 0 ? 0 : ridge.pushes[at][i] - mean; // a class without shots has the mean of the others
    return push * (dot(shot, away, away.length) - dot(middle, away, away.length));
  });
  return { shots: given, rest: scores(form, feature)[k] - sum(given) };
}
