/* A limit from strict to lenient: each photo is a mark at its place in the order of outlier scores, filled where the limit
   does right by it. What it does is told while a hand moves it; the host hears where it was left. */

const TOLD_AFTER = 200; // ms: keys that are pressed again and again are one movement
const shown = new WeakMap(); // root element -> LimitTrack

export default function ({ data, parentElement, setStateValue }) {
  let root = parentElement.querySelector(".limit");
  if (!root) {
    const made = new LimitTrack();
    root = made.root;
    shown.set(root, made);
    parentElement.append(root);
  }
  shown.get(root).show(data, (told) => setStateValue("limit", told));
}

class LimitTrack {
  constructor() {
    this.turn = -1; // counts what a hand did: an answer to an old movement does not move the track back
    this.range = element("input", "range");
    Object.assign(this.range, { type: "range", min: "0", step: "1" });
    this.range.setAttribute("aria-label", "Limit, strict to lenient");
    this.known = new Photos("accepts", "known");
    this.unknown = new Photos("detects", "unknown");
    const ends = element("div", "ends", element("span", "", "Strict"), element("span", "", "Lenient"));
    this.root = element("div", "limit", this.known.root, this.range, ends, this.unknown.root);
    this.range.addEventListener("input", () => this.move());
    this.range.addEventListener("keydown", () => (this.keys = true));
    this.range.addEventListener("pointerdown", () => (this.keys = false));
    this.range.addEventListener("change", () => this.tellSoon(this.keys ? TOLD_AFTER : 0));
    // At once when the hand goes elsewhere: told after a click on another page, it would call this one back.
    this.range.addEventListener("blur", () => this.telling && this.tellNow());
  }

  tellSoon(wait) {
    clearTimeout(this.telling);
    this.telling = setTimeout(() => this.tellNow(), wait);
  }

  tellNow() {
    clearTimeout(this.telling);
    this.telling = 0;
    this.tell({ value: this.limit, turn: this.turn });
  }

  show(data, tell) {
    [this.data, this.tell] = [data, tell];
    const places = new Map(); // score -> how many scores lie below it
    [...new Set([...data.known, ...data.unknown])].sort((a, b) => a - b).forEach((score) => places.set(score, places.size));
    this.known.fill(data.known, places);
    this.unknown.fill(data.unknown, places);
    this.range.max = String(data.cuts.length - 1);
    if (data.turn >= this.turn) {
      this.turn = data.turn;
      this.limit = data.limit;
      this.range.value = [...places.keys()].filter((score) => score <= data.limit).length;
    }
    this.paint();
  }

  move() {
    this.turn += 1;
    this.limit = this.data.cuts[Number(this.range.value)];
    this.paint();
  }

  paint() {
    const words = [
      this.known.mark((score) => score <= this.limit),
      this.unknown.mark((score) => score > this.limit),
    ].filter(Boolean);
    this.range.setAttribute("aria-valuetext", words.join(", "));
    this.range.style.setProperty("--at", `${(100 * this.range.value) / this.range.max}%`);
  }
}

/* Photos of one kind: a mark for each, and how many the limit does right by. */
class Photos {
  constructor(verb, kind) {
    [this.verb, this.kind] = [verb, kind];
    this.count = element("strong", "");
    const words = element("p", "words", `${verb[0].toUpperCase()}${verb.slice(1)} `, this.count, ` ${kind}`);
    this.marks = element("div", "marks");
    this.marks.setAttribute("aria-hidden", "true");
    this.root = element("div", "photos", words, this.marks);
  }

  fill(scores, places) {
    this.root.hidden = !scores.length;
    if (this.scores?.join() === scores.join() && this.of === places.size) return;
    [this.scores, this.of] = [scores, places.size];
    this.marks.replaceChildren(
      ...scores.map((score) => {
        const mark = element("i", "");
        mark.style.left = `${(100 * (places.get(score) + 0.5)) / places.size}%`;
        return mark;
      }),
    );
  }

  mark(isRight) {
    const right = this.scores.map(isRight);
    right.forEach((is, i) => this.marks.children[i].classList.toggle("right", is));
    if (!right.length) return "";
    this.count.textContent = `${right.filter(Boolean).length} of ${right.length}`;
    return `${this.verb} ${this.count.textContent} ${this.kind}`;
  }
}

function element(tag, name, ...inside) {
  const node = document.createElement(tag);
  node.className = name;
  node.append(...inside);
  return node;
}
