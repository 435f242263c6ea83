/* What each prompt says, and its score as a dot on one axis, global ones first: of the class explained and, in a second
   colour, of what it is compared with. Scores that are nearly equal are drawn by how they differ from their mean. */

import { element, put, say } from "./dom.js";
import { largest, mean } from "./numerics.js";
import { capital, difference, figure } from "./words.js";

const NARROWEST = 0.02; // of an axis: scores that differ less are shown as one, or by their differences
const SMALLEST = 0.0005; // half an axis of differences: smaller ones stay near the middle
const KEYS = { ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1 };

/* Of a class; local ones are null where its regions are not here. */
export function promptScores(take, c, topk) {
  const here = take.local.has(c);
  return [...take.global.rows[c], ...take.local.usual.map((_, n) => (here ? take.topkMean(c, n, topk[n]) : null))];
}

/* From the lowest of some scores to the highest, with room for a dot on either side. */
export function axisOf(scores) {
  const there = scores.filter((score) => score !== null);
  const [low, high] = [Math.min(...there), Math.max(...there)];
  const [middle, half] = [(low + high) / 2, 0.54 * Math.max(high - low, NARROWEST)];
  return { low: middle - half, high: middle + half };
}

/* Where the scores of several prompts of a branch are nearly equal, each less their mean, and an axis for these;
   otherwise null. */
export function differences(scores) {
  const wide = Math.max(...scores) - Math.min(...scores);
  if (scores.length < 2 || scores.includes(null) || wide >= NARROWEST) return null;
  const middle = mean(scores);
  const from = scores.map((score) => score - middle);
  const half = Math.max(SMALLEST, ...from.map((score) => 1.08 * Math.abs(score)));
  return { from, axis: { low: -half, high: half } };
}

/* Which prompt has the highest score of a class, or the largest lead over another one; empty where several have it. */
export function leader(scores, others, globals, name, otherName) {
  const worth = scores.map((score, p) => (score === null ? -Infinity : score - (others?.[p] ?? 0)));
  const [first, second] = largest(worth, 2);
  if (second === undefined || worth[first] - worth[second] < SMALLEST) return "";
  const which = first < globals ? `global ${first + 1}` : `local ${first - globals + 1}`;
  return others === null
    ? `Highest for ${name}: ${which}, ${figure(worth[first])}`
    : `Largest lead of ${name} over ${otherName}: ${which}, ${difference(worth[first])}`;
}

export class PromptDots {
  /* Args: choose(n) where a local prompt is chosen, counted from 0. */
  constructor(choose) {
    this.choose = choose;
    [this.words, this.lead] = [element("span", "alike"), element("span", "notes")];
    this.key = element("p", "key");
    this.list = element("div", "lanes", { role: "group", "aria-label": "Prompts by score" });
    const head = element("p", "title", {}, "What each prompt says ", this.lead);
    this.told = element("p", "told"); // a score as a sum over words
    this.notes = element("div", "notes", {}, this.words, this.told); // where figures are
    this.classes = element("p", "classes", { "aria-live": "polite" }); // of a prompt that was clicked
    this.root = element("section", "prompts", {}, head, this.list, this.key, this.classes);
    this.lanes = [];
    this.list.addEventListener("keydown", (event) => {
      if (!KEYS[event.key]) return;
      event.preventDefault();
      const next = this.lanes[this.lanes.indexOf(event.target) + KEYS[event.key]];
      next?.focus();
      next?.click();
    });
  }

  fill(globals, locals) {
    if (this.globals === globals && this.lanes.length === globals + locals) return;
    [this.globals, this.marked] = [globals, null]; // a global prompt that is marked; it has no map
    this.lanes = Array.from({ length: globals + locals }, (_, p) => this.lane(p));
    this.list.replaceChildren(...this.lanes);
  }

  lane(p) {
    const [kind, n] = p < this.globals ? ["global", p] : ["local", p - this.globals];
    const name = element("span", "which", {}, `${kind} ${n + 1}`);
    const axis = element("span", "axis", {}, element("i", "other"), element("i", "dot"));
    const parts = [name, element("span", "says"), axis, element("span", "value")];
    const lane = element("button", `lane ${kind}`, { type: "button" }, ...parts);
    lane.addEventListener("click", () => {
      this.marked = kind === "global" && this.marked !== p ? p : null;
      if (kind === "local") this.choose(n);
      else this.mark();
    });
    return lane;
  }

  /* Args: words, how alike the prompts are, and what answers beside them; scores of the class explained and of the
     other, or null; names of both; axis; prompt, the local one whose map is shown; of each prompt says(p), its words in
     short, tell(p), its score in words, and all(p), its scores of classes with their names. */
  show(words, scores, others, [name, otherName], axis, prompt, { says, tell, all }) {
    say(this.lead, leader(scores, others, this.globals, name, otherName));
    say(this.words, words.filter(Boolean).map((sentence) => `${sentence}.`).join(" "));
    [this.tell, this.all] = [tell, all];
    this.root.classList.toggle("wordless", !says(0));
    const branches = others === null ? [scores.slice(0, this.globals), scores.slice(this.globals)] : [[], []];
    const apart = branches.map(differences); // of global and of local prompts
    const at = (score, axis) => `${100 * Math.min(Math.max((score - axis.low) / (axis.high - axis.low), 0), 1)}%`;
    this.lanes.forEach((lane, p) => {
      const [, said, axisOfLane, value] = lane.children;
      say(said, says(p));
      const [other, dot] = axisOfLane.children;
      const both = others !== null && others[p] !== null && scores[p] !== null;
      [dot.hidden, other.hidden] = [scores[p] === null, !both];
      const near = apart[Number(p >= this.globals)];
      const from = near?.from[p < this.globals ? p : p - this.globals];
      if (near) dot.style.left = at(from, near.axis);
      else if (scores[p] !== null) dot.style.left = at(scores[p], axis);
      if (both) other.style.left = at(others[p], axis);
      say(value, both ? difference(scores[p] - others[p]) : scores[p] === null ? "" : figure(scores[p]));
      const which = p < this.globals ? `Global prompt ${p + 1}` : `Local prompt ${p - this.globals + 1}`;
      const parts = [scores[p] !== null && `${name} ${figure(scores[p])}`, both && `${otherName} ${figure(others[p])}`];
      put(lane, "aria-label", `${which}: ${parts.filter(Boolean).join(", ")}`);
    });
    this.mark(prompt);
    const key = others === null ? "" : [name, otherName].join();
    if (this.keyed === key) return;
    this.keyed = key;
    const entry = (kind, text) => element("span", "entry", {}, element("i", kind), text);
    this.key.replaceChildren(...(others === null ? [] : [entry("dot", name), entry("other", otherName)]));
  }

  /* What a prompt says, and its scores of the classes. */
  ofClasses(p) {
    const [which, said] = [...this.lanes[p].children].map((part) => part.textContent);
    const scores = this.all(p).sort(([, one], [, other]) => other - one);
    const each = scores.map(([name, score]) => `${name} ${figure(score)}`).join(", ");
    return `${capital(which)}${said && ` says ${said}`}: ${each}.`;
  }

  mark(prompt = this.prompt) {
    this.prompt = prompt;
    const chosen = this.globals + prompt;
    say(this.told, this.tell(this.marked ?? Math.min(chosen, this.lanes.length - 1)));
    say(this.classes, this.marked === null ? "" : this.ofClasses(this.marked));
    this.lanes.forEach((lane, p) => {
      put(lane, "aria-pressed", String(p === chosen || p === this.marked));
      put(lane, "tabindex", p === Math.min(chosen, this.lanes.length - 1) ? "0" : "-1"); // one takes part in tabbing
    });
  }
}
