/* What the steps are made of: rows of bars, dots on a line, a ranking of regions, buttons to choose one of a few. */

import { button, element, freshId, put, say } from "../dom.js";
import { shownClasses } from "./figures.js";

const CLASSES = 6; // are shown at once

/* Rows of the best classes, and of one more. Args: words(number); most, of a full bar. */
export function classRows(numbers, c, names, words, most) {
  return shownClasses(numbers, c, CLASSES).map((k) => ({
    c: k,
    name: names[k],
    value: words(numbers[k]),
    fraction: numbers[k] / most,
  }));
}

/* Buttons side by side, to choose one of a few. Args: choose(index). */
export class Few {
  constructor(label, choose) {
    this.root = element("div", "few", { role: "group", "aria-label": label });
    this.choose = choose;
    this.buttons = [];
  }

  /* Args: words, one for each; chosen, an index, or several. */
  show(words, chosen) {
    const pressed = [chosen].flat();
    while (this.buttons.length < words.length) {
      const i = this.buttons.length;
      this.buttons.push(button("one", () => this.choose(i)));
      this.root.append(this.buttons.at(-1));
    }
    this.buttons.forEach((button, i) => {
      button.hidden = i >= words.length;
      if (button.hidden) return;
      say(button, words[i]);
      put(button, "aria-pressed", String(pressed.includes(i)));
    });
  }
}

/* Lines with a number and a bar each, mostly of classes, of which a click chooses one. Args: choose(class). */
export class Rows {
  constructor(label, choose) {
    this.root = element("div", "list", { role: "group", "aria-label": label });
    this.choose = choose;
    this.rows = [];
  }

  /* Args: rows of {c, name, value, fraction}: fraction is the bar's length, from 0 to 1. */
  show(rows, chosen) {
    while (this.rows.length < rows.length) {
      const row = { name: element("span", "name"), value: element("span", "value"), fill: element("span", "fill") };
      const track = element("span", "track", { "aria-hidden": "true" }, row.fill);
      const [tag, kind] = this.choose ? ["button", { type: "button" }] : ["div", {}];
      row.root = element(tag, "bar", kind, row.name, row.value, track);
      row.root.addEventListener("click", () => this.choose?.(row.c));
      this.rows.push(row);
      this.root.append(row.root);
    }
    this.rows.forEach((row, i) => {
      row.root.hidden = i >= rows.length;
      if (row.root.hidden) return;
      const { c, name, value, fraction } = rows[i];
      row.c = c;
      say(row.name, name);
      say(row.value, value);
      row.fill.style.transform = `scaleX(${Math.min(Math.max(fraction, 0), 1)})`;
      if (!this.choose) return;
      row.root.classList.toggle("explained", c === chosen);
      put(row.root, "aria-pressed", String(c === chosen));
    });
  }
}

/* Numbers as marks on lines that share one axis: a line for each branch, and their means. */
export class Dots {
  constructor() {
    this.root = element("div", "dots");
    this.lines = [];
  }

  /* Args: lines of {name, values, mean, words}. */
  show(lines) {
    const every = lines.flatMap(({ values, mean }) => [...values, mean]);
    const [low, high] = [Math.min(...every), Math.max(...every)];
    const room = Math.max((high - low) / 8, 1e-4);
    const at = (value) => `${(100 * (value - low + room)) / (high - low + 2 * room)}%`;
    while (this.lines.length < lines.length) {
      const line = { name: element("span", "name"), words: element("span", "value"), axis: element("span", "axis") };
      put(line.axis, "aria-hidden", "true");
      line.root = element("div", "line", {}, line.name, line.words, line.axis);
      this.lines.push(line);
      this.root.append(line.root);
    }
    this.lines.forEach((line, i) => {
      line.root.hidden = i >= lines.length;
      if (line.root.hidden) return;
      say(line.name, lines[i].name);
      say(line.words, lines[i].words);
      const marks = [...lines[i].values.map((value) => ["dot", value]), ["mean", lines[i].mean]];
      line.axis.replaceChildren(
        ...marks.map(([kind, value]) => {
          const mark = element("i", kind);
          mark.style.left = at(value);
          return mark;
        }),
      );
    });
  }
}

/* Every region's cosine, the best first: those that count are filled, and their mean is a line. */
export function drawRanking(canvas, sorted, k, mean, ink) {
  const dense = Math.min(globalThis.devicePixelRatio || 1, 2);
  const [width, height] = [Math.round(canvas.clientWidth * dense), Math.round(canvas.clientHeight * dense)];
  if (!width || !height) return;
  Object.assign(canvas, { width, height });
  const pen = canvas.getContext("2d");
  const [low, high] = [Math.min(sorted.at(-1), 0), Math.max(sorted[0], 1e-6)];
  const y = (score) => height - ((score - low) / (high - low)) * (height - 4 * dense);
  const wide = width / sorted.length;
  sorted.forEach((score, i) => {
    pen.fillStyle = i < k ? ink.accent : ink.pale;
    const gap = wide > 4 ? 1 : 0;
    pen.fillRect(i * wide, Math.min(y(score), y(0)), Math.max(wide - gap, 0.5), Math.abs(y(0) - y(score)));
  });
  pen.strokeStyle = ink.text;
  pen.lineWidth = 1.5 * dense;
  pen.setLineDash([5 * dense, 4 * dense]);
  pen.beginPath();
  pen.moveTo(0, y(mean));
  pen.lineTo(width, y(mean));
  pen.stroke();
}

/* A number on a track, with its usual value marked, and a button back to it. Args: words; move(value). */
export class Slide {
  constructor(words, { low, high, logarithmic = false }, move) {
    Object.assign(this, { low, high, logarithmic });
    this.range = element("input", "track-range", { type: "range", min: "0", max: "1000", step: "1", id: freshId() });
    this.mark = element("span", "mark", { "aria-hidden": "true" });
    this.value = element("output", "value", { for: this.range.id });
    this.back = button("quiet", () => move(this.usual));
    this.range.addEventListener("input", () => move(this.valueAt(Number(this.range.value) / 1000)));
    const label = element("label", "title", { for: this.range.id }, words);
    const head = element("div", "head", {}, label, this.value);
    const rail = element("div", "rail", {}, this.mark, this.range);
    this.root = element("div", "k slide", {}, head, rail, element("div", "under", {}, this.back));
  }

  valueAt(fraction) {
    if (this.logarithmic) return this.low * (this.high / this.low) ** fraction;
    return this.low + fraction * (this.high - this.low);
  }

  fractionOf(value) {
    const fraction = this.logarithmic
      ? Math.log(value / this.low) / Math.log(this.high / this.low)
      : (value - this.low) / (this.high - this.low);
    return Math.min(Math.max(fraction, 0), 1);
  }

  show(value, usual, words, back) {
    this.usual = usual;
    const at = this.fractionOf(value);
    if (Math.abs(this.valueAt(Number(this.range.value) / 1000) - value) > 1e-9)
      this.range.value = String(Math.round(1000 * at));
    this.range.style.setProperty("--at", `${100 * at}%`);
    put(this.range, "aria-valuetext", words);
    say(this.value, words);
    this.mark.hidden = usual === null;
    if (usual !== null) this.mark.style.left = `${100 * this.fractionOf(usual)}%`;
    this.back.hidden = usual === null || Math.abs(value - usual) < 1e-9;
    say(this.back, back);
  }
}
