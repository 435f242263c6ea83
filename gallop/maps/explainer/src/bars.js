/* Probabilities as bars: of the classes, together and of each branch; and of one region alone. */

import { button, element, put, say } from "./dom.js";
import { largest } from "./numerics.js";
import { capital, percent } from "./words.js";

const ROWS = 6;
const taughtNote = (names) => `${capital(names.join(", "))}: how like the training photos it is.`;

/* A line of a class: its name, its probability, a bar, and thinner bars of the branches. */
class Row {
  constructor(choose) {
    this.name = element("span", "name");
    this.probability = element("span", "value");
    this.fill = element("span", "fill");
    this.tick = element("span", "tick");
    this.thin = [];
    this.track = element("span", "track", { "aria-hidden": "true" }, this.fill, this.tick);
    this.root = button("bar", () => choose(this.c), this.name, this.probability, this.track);
  }

  show(c, name, probability, words, branches, before) {
    this.c = c;
    say(this.name, name);
    say(this.probability, words);
    this.fill.style.transform = `scaleX(${probability})`;
    this.tick.hidden = before === undefined;
    if (before !== undefined) this.tick.style.left = `${100 * before}%`;
    while (this.thin.length < branches.length) {
      this.thin.push(element("span", `fill thin thin-${this.thin.length}`));
      this.track.append(this.thin.at(-1));
    }
    this.thin.forEach((thin, i) => (thin.style.transform = `scaleX(${branches[i]?.probability ?? 0})`));
    const parts = branches.map((branch) => `${branch.name} ${percent(branch.probability)}`);
    if (before !== undefined) parts.push(`before ${percent(before)}`);
    this.title = parts.join(", ");
    put(this.root, "title", this.title);
  }
}

export class Bars {
  /* Args: choose(class) where one is clicked. */
  constructor(choose) {
    this.choose = choose;
    this.list = element("div", "list", { role: "group", "aria-label": "Classes by probability" });
    this.key = element("p", "key");
    this.meant = element("p", "meant");
    this.root = element("div", "bars", {}, this.list, this.key, this.meant);
    this.rows = [];
  }

  /* Which classes are shown changes when a control is released, not while it moves, so that no bar jumps. */
  arrange({ probabilities }, always) {
    const shown = largest(probabilities, ROWS);
    const wanted = [...new Set(always)].filter((c) => c !== null && !shown.includes(c));
    this.shown = [...shown.slice(0, ROWS - wanted.length), ...wanted];
    this.more = probabilities.length - this.shown.length;
  }

  show(names, answer, { explained, against, before, beforeWords }) {
    while (this.rows.length < this.shown.length) {
      this.rows.push(new Row(this.choose));
      this.list.append(this.rows.at(-1).root);
    }
    this.rows.splice(this.shown.length).forEach(({ root }) => root.remove()); // hidden, they would keep old words
    this.rows.forEach((row, i) => {
      const c = this.shown[i];
      const branches =
        answer.branches.length > 1
          ? answer.branches.map(({ name, probabilities }) => ({ name, probability: probabilities[c] }))
          : [];
      // With one class there is nothing to choose from, so no probability is shown.
      const words = names.length > 1 ? percent(answer.probabilities[c]) : "";
      row.show(c, names[c], answer.probabilities[c], words, words ? branches : [], before?.probabilities[c]);
      row.root.classList.toggle("explained", c === explained);
      row.root.classList.toggle("against", c === against);
      put(row.root, "aria-pressed", String(c === explained));
    });
    this.explainKey(answer, before && beforeWords);
  }

  explainKey(answer, before) {
    const entries = answer.branches.length > 1 ? [["together", "all"]] : [];
    if (answer.branches.length > 1) answer.branches.forEach(({ name }, i) => entries.push([name, `thin-${i}`]));
    if (before) entries.push([before, "was"]);
    const taught = answer.branches.filter(({ linear }) => linear);
    say(this.meant, taught.length ? taughtNote(taught.map(({ name }) => name)) : "");
    const text = entries.map((entry) => entry.join()).join() + this.more;
    if (this.keyed === text) return;
    this.keyed = text;
    this.key.replaceChildren(
      ...entries.map(([words, kind]) => element("span", "entry", {}, element("i", kind), words)),
      ...(this.more > 0 ? [element("span", "entry more", {}, `and ${this.more.toLocaleString("en")} more`)] : []),
    );
  }
}

/* The most probable classes of one region alone. */
export class Asked {
  constructor(forget) {
    this.title = element("p", "title");
    this.list = element("ul", "list");
    this.forget = button("quiet", forget, "Forget this region");
    this.root = element("section", "asked", { "aria-live": "polite" }, this.title, this.list, this.forget);
  }

  show(place, classes, names) {
    this.root.hidden = place === null;
    if (place === null) return;
    say(this.title, `${place}: alone it would be`);
    this.list.replaceChildren(
      ...classes.map(([c, probability]) => {
        const fill = element("span", "fill");
        fill.style.transform = `scaleX(${probability})`;
        const name = element("span", "name");
        name.textContent = names[c];
        const track = element("span", "track", { "aria-hidden": "true" }, fill);
        return element("li", "bar", {}, name, element("span", "value", {}, percent(probability)), track);
      }),
    );
  }
}
