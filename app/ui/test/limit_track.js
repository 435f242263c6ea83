/* A limit from strict to lenient: each photo is a mark at its place in the order of outlier scores, filled if the limit
   decides it correctly. The counts change while the thumb moves; the host receives the limit when it is released. */

const SENT_AFTER = 200; // ms: a series of key presses is one movement
const shown = new WeakMap(); // root element -> LimitTrack

export default function ({ data, parentElement, setStateValue }) {
  let root = parentElement.querySelector(".limit");
  if (!root) {
    const made = new LimitTrack();
    root = made.root;
    shown.set(root, made);
    parentElement.append(root);
  }
  shown.get(root).show(data, (state) => setStateValue("limit", state));
}

class LimitTrack {
  constructor() {
    this.turn = -1; // counts movements: an answer to an old one does not move the thumb back
    this.range = element("input", "range");
    Object.assign(this.range, { type: "range", min: "0", step: "1" });
    this.range.setAttribute("aria-label", "Threshold, strict to lenient");
    this.known = new Photos("accepts", "known");
    this.unknown = new Photos("detects", "unknown");
    const ends = element("div", "ends", element("span", "", "Strict"), element("span", "", "Lenient"));
    this.root = element("div", "limit", this.known.root, this.range, ends, this.unknown.root);
    this.range.addEventListener("input", () => this.move());
    this.range.addEventListener("keydown", () => (this.keys = true));
    this.range.addEventListener("pointerdown", () => (this.keys = false));
    this.range.addEventListener("change", () => this.sendSoon(this.keys ? SENT_AFTER : 0));
    // At once when the focus leaves: sent after a click on another page, it would bring this page back.
    this.range.addEventListener("blur", () => this.waiting && this.sendNow());
  }

  sendSoon(wait) {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.sendNow(), wait);
  }

  sendNow() {
    clearTimeout(this.waiting);
    this.waiting = 0;
    this.send({ value: this.limit, turn: this.turn });
  }

  show(data, send) {
    [this.data, this.send] = [data, send];
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

/* Photos of one kind: a mark for each, and the number that the limit decides correctly. */
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
