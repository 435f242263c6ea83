/* The later steps: from cosines to a score, an answer, a verdict, and the losses that learning reduces. */

import { Track } from "../controls.js";
import { button, element, put, say } from "../dom.js";
import { mean } from "../numerics.js";
import { percent, placeOf } from "../words.js";
import { besideWeight, lossOf, lots, probabilitiesOf, scoresOf, signed, surest, writtenMean } from "./figures.js";
import { Panel } from "./panel.js";
import { classRows, Dots, drawRanking, Few, Rows, Slide } from "./parts.js";

const NO_LOCAL = "There are no local prompts here";

export class TopK extends Panel {
  constructor(set) {
    super("Top-k", "topk");
    this.few = new Few("Scale", (prompt) => set({ prompt, global: null }));
    this.ranking = element("canvas", "ranking", { role: "img" });
    const change = (now, k) => now.topk.map((old, n) => (n === now.prompt ? k : old));
    this.track = new Track(
      (k) => set({ topk: change(this.now, k) }),
      () => {},
      () => set({ topk: this.usual }),
    );
    this.add(this.few.root, this.ranking, this.track.root, this.track.sum);
  }

  show({ c, name, take, now, usual, ink }) {
    [this.now, this.usual] = [now, usual];
    this.parts.hidden = !usual.length;
    if (!usual.length) return this.tell(`${NO_LOCAL}${take.besides.length ? "" : ": the whole photo decides alone"}.`, "");
    const { prompt } = now;
    const k = now.topk[prompt];
    const map = take.local.map(c, prompt);
    const sorted = take.local.order(c, prompt).map((region) => map[region]);
    const score = take.local.topkMean(c, prompt, k);
    this.few.show(
      now.topk.map((each, n) => `local ${n + 1}, k = ${each}`),
      prompt,
    );
    drawRanking(this.ranking, sorted, k, score, ink);
    put(this.ranking, "aria-label", `All regions by cosine. The mean of the ${k} best: ${signed(score)}.`);
    const title = `Local prompt ${prompt + 1}: its k best regions`;
    this.track.show(prompt, now.topk, usual, take.local.regions, title, `Their mean: ${signed(score)}`);
    this.tell(
      `All regions in order. Only the k best count for ${name}, and k differs between local prompts: small for ` +
        "details, large for what fills the photo.",
      writtenMean(sorted.slice(0, k)),
    );
  }
}

export class Ensemble extends Panel {
  constructor(set) {
    super("Ensemble", "topk");
    this.dots = new Dots();
    this.slide = new Slide("What regions count", { low: 0, high: 1 }, (localWeight) => set({ localWeight }));
    this.ofShots = new Slide("What shots count", { low: 0, high: 1 }, (weight) => set({ weight }));
    this.rows = new Rows("Classes by score", (c) => set({ c }));
    this.add(this.dots.root, this.slide.root, this.ofShots.root, this.rows.root);
  }

  show({ c, name, names, take, now, usual }) {
    const scores = scoresOf(take, now.topk, now.localWeight, now.weight);
    const { global, regions, shots, together } = scores;
    const globals = Array.from(take.global.rows[c]);
    const locals = now.topk.map((k, n) => take.local.topkMean(c, n, k));
    const line = (name, values, mean) => ({ name, values, mean, words: signed(mean) });
    this.dots.show([
      line("global prompts", globals, global[c]),
      ...(usual.length ? [line("local prompts", locals, regions[c])] : []),
      ...(shots ? [line(taughtBy(take), [], shots[c])] : []),
      line("together", [], together[c]),
    ]);
    this.slide.root.hidden = !usual.length;
    this.slide.show(now.localWeight, 0.5, inPercent(now.localWeight), "Back to half, as in the paper");
    this.ofShots.root.hidden = !shots;
    this.ofShots.show(now.weight, besideWeight(take), inPercent(now.weight), "Back to the model's weight");
    this.rows.show(classRows(together, c, names, signed, Math.max(...together)), c);
    const third = shots
      ? ` The ${taughtBy(take)} has no prompts: it was computed from the photos, and is added to them with a weight.`
      : "";
    this.tell(
      `Each dot is a prompt's score for ${name}. Their means are averaged: one score for each class.${third}`,
      written(scores, globals, locals, now, c, taughtBy(take)),
    );
  }
}

/* The names of what shots taught. */
function taughtBy(take) {
  return take.besides[0]?.name ?? "";
}

function inPercent(part) {
  return `${(100 * part).toFixed(0)} %`;
}

/* The formula of the score of class c, with its figures. */
function written({ global, regions, shots, prompts, together }, globals, locals, now, c, taught) {
  const mixed = (part, first, second, sum) => {
    const [half, other] = [1 - part, part].map((each) => each.toFixed(2));
    return `${half} × ${signed(first)} + ${other} × ${signed(second)} = ${signed(sum)}.`;
  };
  const both = regions ? mixed(now.localWeight, global[c], regions[c], prompts[c]) : "";
  const each = regions
    ? `Global: ${writtenMean(globals)}. Local: ${writtenMean(locals)}. ${shots ? "Prompts" : "Together"}: ${both}`
    : shots
      ? `Prompts: ${writtenMean(globals)}.`
      : writtenMean(globals);
  return shots ? `${each} With the ${taught}: ${mixed(now.weight, prompts[c], shots[c], together[c])}` : each;
}

export class Softmax extends Panel {
  constructor(set) {
    super("Softmax", "probabilities");
    this.slide = new Slide("Scale", { low: 1, high: 300, logarithmic: true }, (scale) => set({ scale }));
    this.rows = new Rows("Classes by probability", (c) => set({ c }));
    this.over = this.rows.root;
    this.stale = element("p", "note", { role: "status" });
    this.add(this.slide.root, this.stale);
  }

  show({ c, name, names, take, now, data }) {
    const { together } = scoresOf(take, now.topk, now.localWeight, now.weight);
    const probabilities = probabilitiesOf(together, now.scale);
    this.slide.show(now.scale, take.scale, now.scale.toFixed(1), "Back to the model's scale");
    this.rows.show(classRows(probabilities, c, names, percent, 1), c);
    say(this.stale, take.isCurrent(now.topk) ? "" : `These are of k = ${take.local.last.topk.join(", ")}.`);
    const { temperature } = data;
    const warm = temperature === 1 ? "" : ` = ${data.scale.toFixed(2)} / temperature ${temperature.toFixed(3)}`;
    const best = Math.max(...together);
    const sum = together.reduce((all, score) => all + Math.exp(now.scale * (score - best)), 0);
    this.tell(
      "Cosines differ little, so each score is multiplied by a scale. The softmax makes probabilities of them, which " +
        "add up to 100 %.",
      `scale${warm} = ${now.scale.toFixed(2)}. For ${name}: e^(${now.scale.toFixed(2)} × (${signed(together[c])} − ` +
        `${signed(best)})) / ${sum.toFixed(4)} = ${probabilities[c].toFixed(4)}.`,
    );
  }
}

export class NoneOfThese extends Panel {
  constructor(set) {
    super("None of these?", "surest");
    this.verdict = element("p", "best");
    this.slide = new Slide("Limit", { low: -2, high: 0 }, (limit) => set({ limit }));
    this.dots = new Dots();
    this.add(this.verdict, this.dots.root, this.slide.root);
  }

  show({ names, now, take, data, grid }) {
    const { MCM: mcm, "L-MCM": local, "GL-MCM": both } = take.outlierScores();
    const alike = -2 / names.length; // the most there can be: all classes alike, everywhere
    const wide = Math.max(alike - both, data.threshold === null ? 0 : 3 * Math.abs(data.threshold - both), 1e-3);
    Object.assign(this.slide, { low: both - wide, high: both + wide });
    const limit = now.limit ?? data.threshold;
    const unsure = data.doubt && now.limit === null; // a limit that was moved here always counts
    const verdict = limit === null ? "No limit yet" : both > limit ? "None of these" : "One of these";
    say(this.verdict, unsure ? data.doubt : verdict);
    this.dots.show([
      { name: "outlier score", values: [], mean: both, words: signed(both) },
      ...(limit === null ? [] : [{ name: "limit", values: [], mean: limit, words: signed(limit) }]),
    ]);
    this.slide.show(limit ?? both, data.threshold, limit === null ? "" : signed(limit), "Back to the one in force");
    const sure = surest(take);
    const where = sure ? ` The ring: the surest region, ${placeOf(sure.region, grid).toLowerCase()}.` : "";
    this.tell(
      "How sure is the model at all, of the photo and of any region? The less sure, the more likely it is something " +
        `else.${where}`,
      `Without the scale, the largest probability is ${signed(-mcm)} for the photo, ${signed(-local)} for a region. ` +
        `GL-MCM = MCM + L-MCM = ${signed(mcm)} + (${signed(local)}) = ${signed(both)}.`,
    );
  }
}

export class Learning extends Panel {
  constructor(set) {
    super("Learning", "plain");
    this.few = new Few("Kept global prompts", (m) => set({ kept: this.toggled(m) }));
    this.again = button("quiet", () => set({ kept: this.draw() }), "Draw again");
    this.rows = new Rows("Loss");
    const head = element("div", "head", {}, element("span", "title", {}, "Prompt dropout"), this.again);
    this.add(head, this.few.root, this.rows.root);
  }

  /* Adds or removes a prompt; at least one stays. */
  toggled(m) {
    const others = this.kept.filter((other) => other !== m);
    if (others.length === this.kept.length) return [...others, m].sort((a, b) => a - b);
    return others.length ? others : this.kept;
  }

  show({ c, name, take, now, method, data }) {
    const { prompts } = take.global;
    this.draw = () => lots(prompts, Math.min(method.kept, prompts), Math.random);
    const kept = (this.kept = now.kept ?? [...Array(Math.min(method.kept, prompts)).keys()]);
    this.again.hidden = method.kept >= prompts;
    this.few.show(
      Array.from({ length: prompts }, (_, m) => `global ${m + 1}`),
      kept,
    );
    const losses = take.outlier ? null : lossOf(take, now.topk, data.scale, c, kept);
    this.rows.root.hidden = losses === null;
    if (losses) {
      const most = Math.max(losses.global, ...losses.each, 1e-6);
      const rows = [["kept global prompts", losses.global], ...losses.each.map((loss, n) => [`local ${n + 1}`, loss])];
      this.rows.show(
        rows.map(([words, loss]) => ({ name: words, value: loss.toFixed(4), fraction: loss / most })),
      );
    }
    const local = losses?.each.length ? ` + mean of the local ones, ${mean(losses.each).toFixed(4)}` : "";
    this.tell(
      `If this were a shot of ${name}, each step would make these losses smaller. The backbone never changes. ` +
        (this.again.hidden
          ? "All global prompts are kept."
          : "Only a random few of the global prompts are kept, so that they learn to differ.") +
        (take.besides.length ? ` The ${taughtBy(take)} needs no steps: it is the solution of an equation.` : ""),
      losses &&
        `Loss = −log of the probability of ${name}. ${losses.global.toFixed(4)}${local} = ${losses.total.toFixed(4)}.`,
      method.notes.learning,
    );
  }
}
