/* A pile of photos by class and score, with a line to drag: above it photos are accepted. Only what can be seen is drawn,
   and thumbnails are asked for when they come near. What a hand does is shown at once and told to the host as numbered
   acts; the host's answer counts as soon as it has heard the last of them. */

const TILE = 104; // px, at least; a caption of two lines is below
const GAP = 8;
const CAPTION = 38;
const HEAD = 36;
const LINE = 40;
const NEAR = 2; // rows above and below that are drawn too
const AT_ONCE = 12; // photos to check
const AHEAD = 48; // photos before and after those drawn that are asked for
const MOST_WANTED = 100; // photos
const SENT_AFTER = 250; // ms: a series of key presses is one movement
const EDGE = 40; // px from an edge of the list, where dragging scrolls it
const shown = new WeakMap(); // root element -> Pile

export default function ({ data, parentElement, setStateValue }) {
  let root = parentElement.querySelector(".pile");
  if (!root) {
    const made = new Pile();
    root = made.root;
    shown.set(root, made);
    parentElement.append(root);
  }
  shown.get(root).show(data, (said) => setStateValue("said", said));
}

/* What can be worked out without a page --------------------------------------------------------------------------- */

/* The class of a photo by its number, the last for none of these, -1 for wrong: by a person, or else the model. */
export function answer(pile, number) {
  const label = pile.labels.get(number);
  if (label !== undefined) return label;
  const found = pile.photos[number][1];
  return found < 0 ? pile.names.length - 1 : found;
}

/* Numbers of the photos shown, above the line, below it, and those that the model takes for none of the classes. */
export function parts(pile, only) {
  const made = { above: [], below: [], none: [] };
  pile.photos.forEach((_, number) => {
    if (only !== null && answer(pile, number) !== only) return;
    made[number < pile.accepted ? "above" : number < pile.candidates ? "below" : "none"].push(number);
  });
  return made;
}

/* Rows from top to bottom: headings, the line, and photos side by side. */
export function rows({ above, below, none }, columns, high) {
  const made = [];
  let top = 0;
  const add = (height, row) => {
    made.push({ top, height, ...row });
    top += height;
  };
  const photos = (numbers) => {
    for (let at = 0; at < numbers.length; at += columns) add(high, { numbers: numbers.slice(at, at + columns) });
  };
  add(HEAD, { words: `Accepted: ${above.length}` });
  photos(above);
  add(LINE, { line: true });
  photos(below);
  if (none.length) add(HEAD, { words: `None of these: ${none.length}` });
  photos(none);
  return { rows: made, height: top };
}

/* How many photos of the whole pile are accepted where the line is dragged to a height. */
export function reached({ above, below }, columns, high, y) {
  const candidates = [...above, ...below];
  const count = Math.min(Math.max(Math.round((y - HEAD) / high), 0) * columns, candidates.length);
  return count ? candidates[count - 1] + 1 : 0;
}

/* Where an arrow key leads in photos side by side. */
export function stepped(at, key, columns, count) {
  const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[key] ?? 0;
  const to = key === "Home" ? 0 : key === "End" ? count - 1 : at + by;
  return to < 0 || to >= count ? at : to;
}

export function percent(score) {
  return score > 0.9995 ? "> 99.9 %" : `${(100 * score).toFixed(score < 0.995 ? 0 : 1)} %`;
}

/* The page ---------------------------------------------------------------------------------------------------------- */

class Pile {
  constructor() {
    Object.assign(this, { acts: [], turn: 0, only: null, selected: new Set(), active: 0, anchor: 0, checking: false });
    Object.assign(this, { small: new Map(), large: new Map(), tiles: new Map(), version: null, wants: [[], []] });
    this.promise = new Promised(this);
    this.check = new Check(this);
    this.filter = element("select", "only");
    this.filter.setAttribute("aria-label", "Show");
    this.filter.addEventListener("change", () => this.choose(this.filter.value === "" ? null : Number(this.filter.value)));
    this.range = element("input", "range");
    Object.assign(this.range, { type: "range", min: "0", step: "1" });
    this.range.setAttribute("aria-label", "Line");
    this.range.addEventListener("input", () => (this.move(Number(this.range.value)), this.toLine()));
    this.range.addEventListener("change", () => this.lineSoon());
    this.range.addEventListener("blur", () => this.waiting && this.lineNow());
    this.says = element("span", "says");
    const line = element("div", "bar", this.filter, element("div", "slide", this.range, this.says));
    this.list = new List(this);
    this.bar = new Selected(this);
    this.grid = element("div", "grid", line, this.list.root, this.bar.root);
    this.root = element("div", "pile", this.promise.root, this.check.root, this.grid);
  }

  show(data, send) {
    this.send = send;
    if (data.content) this.take(data.content, data.version);
    if (this.version !== data.version) return this.say(); // they have not come yet
    for (const [number, url] of data.small) this.small.set(number, url);
    for (const [number, url] of data.large) this.large.set(number, url);
    this.wants = [[], []];
    this.acts = this.acts.filter(({ turn }) => turn > data.heard);
    this.turn = Math.max(this.turn, data.heard);
    if (!this.acts.length) {
      this.labels = new Map(data.labels);
      for (const name of ["accepted", "level", "levels", "undo", "kept", "next"]) this[name] = data[name];
      [this.words, this.toCheck] = [data.promise, data.check];
    }
    this.paint();
  }

  take({ names, photos, trusted }, version) {
    Object.assign(this, { names, photos, trusted, version, active: 0, anchor: 0, only: null, acts: [], wants: [[], []] });
    this.candidates = photos.filter(([, found]) => found >= 0).length;
    for (const held of [this.small, this.large, this.selected]) held.clear();
    this.list.clear();
    const named = (name, value) => Object.assign(element("option", ""), { textContent: name, value });
    this.filter.replaceChildren(named("All photos", ""), ...names.map((name, k) => named(name, String(k))), named("Wrong, without a class", "-1"));
    this.bar.offer(names.map((name, k) => named(name, String(k))));
  }

  /* Do something at once, and tell the host. */
  act(act, more) {
    this.turn += 1;
    this.acts.push({ turn: this.turn, version: this.version, act, ...more });
    this.say();
    this.paint();
  }

  say() {
    this.send({ holds: this.version, acts: this.acts, small: this.wants[0], large: this.wants[1] });
  }

  /* Ask for pictures that are seen and not here, once. */
  want(small, large) {
    const lacks = (numbers, here) => numbers.filter((number) => !here.has(number)).slice(0, MOST_WANTED);
    const wants = [lacks(small, this.small), lacks(large, this.large)];
    if (!wants.flat().length || String(wants) === String(this.wants)) return;
    this.wants = wants;
    this.say();
  }

  choose(only) {
    Object.assign(this, { only, active: 0, anchor: 0 });
    this.selected.clear();
    this.list.root.scrollTop = 0;
    this.paint();
  }

  move(accepted) {
    if (accepted === this.accepted) return;
    this.accepted = accepted;
    this.paint();
  }

  lineSoon() {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.lineNow(), SENT_AFTER);
  }

  lineNow() {
    clearTimeout(this.waiting);
    this.waiting = 0;
    this.act("line", { count: this.accepted });
  }

  toLine() {
    const line = this.list.laid.rows.find((row) => row.line);
    this.list.root.scrollTop = line.top - this.list.root.clientHeight / 2;
  }

  label(label) {
    const photos = this.selected.size ? [...this.selected] : [this.list.numbers[this.active]];
    for (const number of photos) this.labels.set(number, label);
    this.selected.clear();
    this.undo = true;
    this.act("label", { photos, label });
  }

  back() {
    if (this.undo) this.act("undo", {});
  }

  paint() {
    if (!this.photos) return;
    this.grid.hidden = this.checking;
    this.filter.value = this.only === null ? "" : String(this.only);
    this.range.max = String(this.candidates);
    this.range.value = String(this.accepted);
    const least = this.accepted && this.trusted ? `, at least ${percent(this.photos[this.accepted - 1][2])} sure` : "";
    say(this.says, `Above the line: ${this.accepted} of ${this.photos.length} photos${least}`);
    this.range.setAttribute("aria-valuetext", this.says.textContent);
    this.range.style.setProperty("--at", `${(100 * this.accepted) / Math.max(this.candidates, 1)}%`);
    this.promise.paint();
    this.check.paint();
    if (!this.checking) this.list.paint();
    this.bar.paint();
  }
}

/* What is promised, and what it takes. */
class Promised {
  constructor(pile) {
    this.pile = pile;
    this.words = element("p", "words");
    this.words.setAttribute("role", "status");
    this.levels = element("select", "levels");
    this.levels.addEventListener("change", () => pile.act("level", { level: (pile.level = Number(this.levels.value)) }));
    const most = element("label", "most", "Wrong at most ", this.levels);
    this.button = button("check", "", () => {
      pile.checking = !pile.checking;
      pile.paint();
      (pile.checking ? pile.check : this).focus();
    });
    this.next = button("next", "", () => (pile.move(pile.next), pile.lineNow(), this.focus()));
    this.root = element("div", "promise", most, this.words, this.next, this.button);
  }

  focus() {
    this.button.focus();
  }

  paint() {
    const { pile } = this;
    if (this.levels.childElementCount !== pile.levels.length)
      this.levels.replaceChildren(...pile.levels.map(([level]) => Object.assign(element("option", ""), { value: String(level) })));
    for (const [k, [level, checks]] of pile.levels.entries())
      say(this.levels.options[k], `${100 * level} %${checks ? ` (at least ${checks} checked)` : ""}`);
    this.levels.value = String(pile.level);
    say(this.words, pile.words);
    this.root.classList.toggle("kept", pile.kept);
    this.next.hidden = pile.checking || pile.next === null || pile.next === pile.accepted;
    say(this.next, pile.next > pile.accepted ? `Accept ${pile.next}, checked anew` : `Accept only ${pile.next}`);
    say(this.button, pile.checking ? "Back to all photos" : "Check a sample");
    this.button.disabled = !pile.checking && !pile.toCheck.length;
    this.button.setAttribute("aria-expanded", String(pile.checking));
  }
}

/* A few photos of the sample at a time: those that are wrong are marked. */
class Check {
  constructor(pile) {
    this.pile = pile;
    this.marked = new Set();
    this.tiles = element("div", "asked");
    this.tiles.setAttribute("role", "group");
    this.tiles.setAttribute("aria-label", "Photos to check");
    this.next = button("next", "", () => this.done());
    this.undo = button("undo", "Undo (u)", () => this.back());
    this.ask = element("p", "ask");
    const keys = element("p", "hint", "Keys: y right, n wrong, arrows to move, u to undo.");
    this.root = element("div", "checks", element("div", "bar", this.ask, this.next, this.undo), this.tiles, keys);
    this.root.addEventListener("keydown", (event) => this.key(event));
  }

  focus() {
    (this.tiles.firstChild ?? this.next).focus();
  }

  back() {
    this.marked.clear();
    this.pile.back();
  }

  done() {
    const asked = this.asked;
    if (!asked.length) return;
    const wrong = asked.filter((number) => this.marked.has(number));
    this.marked.clear();
    this.pile.toCheck = this.pile.toCheck.slice(asked.length);
    this.pile.undo = true;
    this.pile.act("check", { photos: asked, wrong });
    this.focus();
  }

  key(event) {
    const tiles = [...this.tiles.children];
    const at = tiles.indexOf(event.target.closest(".one"));
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (key === "u") this.back();
    else if (at >= 0 && "yn".includes(key)) {
      const number = this.asked[at];
      if (key === "n") this.marked.add(number);
      else this.marked.delete(number);
      this.paint();
      (tiles[at + 1] ?? this.next).focus();
    } else if (at >= 0 && key.startsWith("Arrow")) {
      const columns = tiles.filter((tile) => tile.offsetTop === tiles[0].offsetTop).length;
      tiles[stepped(at, key, columns, tiles.length)].focus();
    } else return;
    event.preventDefault();
  }

  paint() {
    const { pile } = this;
    this.root.hidden = !pile.checking;
    if (!pile.checking) return;
    this.asked = pile.toCheck.slice(0, AT_ONCE);
    pile.want([], pile.toCheck);
    while (this.tiles.childElementCount > this.asked.length) this.tiles.lastChild.remove();
    this.asked.forEach((number, place) => this.one(number, place));
    const wrong = this.asked.filter((number) => this.marked.has(number)).length;
    say(this.ask, this.asked.length ? "Mark the photos whose class is wrong." : "There is nothing more to check.");
    this.next.hidden = !this.asked.length;
    say(this.next, wrong ? `${this.asked.length - wrong} are right, ${wrong} wrong` : `All ${this.asked.length} are right`);
    this.undo.disabled = !pile.undo;
  }

  one(number, place) {
    const { pile } = this;
    let tile = this.tiles.children[place];
    if (!tile) {
      tile = button("one", "", () => {
        const mine = Number(tile.dataset.number);
        if (!this.marked.delete(mine)) this.marked.add(mine);
        this.paint();
      });
      tile.append(Object.assign(element("img", "picture"), { alt: "" }), element("span", "name"), element("span", "verdict"));
      this.tiles.append(tile);
    }
    const [picture, name, verdict] = tile.children;
    const [wrong, called] = [this.marked.has(number), pile.names[answer(pile, number)] ?? ""];
    tile.dataset.number = String(number);
    put(picture, pile.large.get(number) ?? pile.small.get(number));
    say(name, called);
    say(verdict, wrong ? "✗ wrong" : "✓ right");
    tile.setAttribute("aria-pressed", String(wrong));
    tile.setAttribute("aria-label", `Wrong: ${called}, ${pile.photos[number][0]}`);
  }
}

/* The photos, of which only the rows in sight are drawn. */
class List {
  constructor(pile) {
    this.pile = pile;
    this.box = element("div", "box");
    for (const [name, value] of Object.entries({ role: "listbox", "aria-multiselectable": "true", "aria-label": "Photos, surest first", tabindex: "0" }))
      this.box.setAttribute(name, value);
    this.line = element("div", "line", element("span", "", "Drag: accepted above, not below"));
    this.line.setAttribute("aria-hidden", "true"); // the slider is the same for keys
    this.lasso = element("div", "lasso");
    this.lasso.hidden = true;
    this.heads = [element("div", "head"), element("div", "head")];
    this.root = element("div", "list", ...this.heads, this.box, this.line, this.lasso);
    this.tiles = new Map(); // number -> its tile
    this.root.addEventListener("scroll", () => this.paint(), { passive: true });
    this.box.addEventListener("keydown", (event) => this.key(event));
    this.box.addEventListener("focus", () => this.box.matches(":focus-visible") && this.pile.photos && this.toActive());
    this.box.addEventListener("click", (event) => this.click(event));
    this.box.addEventListener("pointerdown", (event) => this.lassoFrom(event));
    this.line.addEventListener("pointerdown", (event) => this.dragFrom(event));
    new ResizeObserver(() => this.pile.photos && !this.pile.checking && this.paint()).observe(this.root);
  }

  clear() {
    for (const tile of this.tiles.values()) tile.remove();
    this.tiles.clear();
  }

  layout() {
    const wide = this.root.clientWidth;
    this.columns = Math.max(Math.floor((wide + GAP) / (TILE + GAP)), 1);
    this.side = (wide + GAP) / this.columns - GAP;
    this.high = this.side + CAPTION + GAP;
    this.parts = parts(this.pile, this.pile.only);
    this.numbers = [...this.parts.above, ...this.parts.below, ...this.parts.none];
    this.laid = rows(this.parts, this.columns, this.high);
  }

  paint() {
    this.layout();
    this.box.style.height = `${this.laid.height}px`;
    const [top, bottom] = [this.root.scrollTop - NEAR * this.high, this.root.scrollTop + this.root.clientHeight + NEAR * this.high];
    const seen = new Map();
    const heads = [...this.heads];
    for (const row of this.laid.rows) {
      if (row.words) place(heads[0], row, () => say(heads.shift(), row.words));
      else if (row.line) place(this.line, row);
      else if (row.top + row.height >= top && row.top <= bottom) row.numbers.forEach((number, column) => seen.set(number, [row.top, column]));
    }
    for (const head of this.heads) head.hidden = heads.includes(head);
    this.line.hidden = this.pile.only !== null && !this.parts.above.length && !this.parts.below.length;
    for (const [number, tile] of this.tiles) {
      if (seen.has(number)) continue;
      tile.remove();
      this.tiles.delete(number);
    }
    const order = new Map(this.numbers.map((number, at) => [number, at]));
    for (const [number, at] of seen) this.tile(number, at, order.get(number));
    const active = this.numbers[this.pile.active];
    if (this.tiles.has(active)) this.box.setAttribute("aria-activedescendant", `photo-${active}`);
    else this.box.removeAttribute("aria-activedescendant");
    const first = Math.max((order.get(seen.keys().next().value) ?? 0) - AHEAD, 0);
    const around = this.numbers.slice(first, first + seen.size + 2 * AHEAD);
    this.pile.want([...new Set([...seen.keys(), ...around])], []);
  }

  tile(number, [top, column], at) {
    const { pile } = this;
    let tile = this.tiles.get(number);
    if (!tile) {
      tile = element("div", "tile", Object.assign(element("img", "picture"), { alt: "", draggable: false }), element("span", "name"), element("span", "verdict"));
      tile.setAttribute("role", "option");
      tile.id = `photo-${number}`;
      tile.dataset.number = String(number);
      this.tiles.set(number, tile);
      this.box.append(tile);
    }
    const [name, , score] = pile.photos[number];
    const [label, mine] = [answer(pile, number), pile.labels.has(number)];
    const [picture, called, verdict] = tile.children;
    const accepted = mine ? label >= 0 && label < pile.names.length - 1 : number < pile.accepted;
    Object.assign(tile.style, { top: `${top}px`, left: `${column * (this.side + GAP)}px`, width: `${this.side}px` });
    picture.style.height = `${this.side}px`;
    put(picture, pile.small.get(number));
    say(called, pile.names[label] ?? "Wrong");
    say(verdict, mine ? "by you" : label === pile.names.length - 1 || !pile.trusted ? "" : percent(score));
    tile.classList.toggle("out", !accepted);
    tile.classList.toggle("active", at === pile.active);
    tile.setAttribute("aria-selected", String(pile.selected.has(number)));
    tile.setAttribute("aria-label", [`${name}: ${called.textContent}`, verdict.textContent, accepted ? "accepted" : "not accepted"].filter(Boolean).join(", "));
    tile.setAttribute("aria-posinset", String(at + 1));
    tile.setAttribute("aria-setsize", String(this.numbers.length));
  }

  toActive() {
    const active = this.numbers[this.pile.active];
    const row = this.laid.rows.find((each) => each.numbers?.includes(active));
    if (!row) return;
    if (row.top < this.root.scrollTop) this.root.scrollTop = row.top;
    else if (row.top + row.height > this.root.scrollTop + this.root.clientHeight)
      this.root.scrollTop = row.top + row.height - this.root.clientHeight;
    this.paint();
  }

  /* Select from the anchor to here, or this one alone. */
  select(at, far) {
    const { pile } = this;
    if (far) {
      const [from, to] = [Math.min(at, pile.anchor), Math.max(at, pile.anchor)];
      for (const number of this.numbers.slice(from, to + 1)) pile.selected.add(number);
    } else {
      if (!pile.selected.delete(this.numbers[at])) pile.selected.add(this.numbers[at]);
      pile.anchor = at;
    }
    pile.active = at;
    pile.paint();
  }

  click(event) {
    const tile = event.target.closest(".tile");
    if (!tile || this.dragged) return;
    this.select(this.numbers.indexOf(Number(tile.dataset.number)), event.shiftKey);
  }

  key(event) {
    const { pile } = this;
    const digit = event.key.length === 1 && /[0-9]/.test(event.key) ? Number(event.key) : null;
    const to = this.stepped(event.key);
    if (to !== pile.active) {
      pile.active = to;
      if (event.shiftKey) this.select(to, true);
      else pile.anchor = to;
      this.toActive();
    } else if (event.key === " " && this.numbers.length) this.select(pile.active, false);
    else if (event.key === "Escape") pile.selected.clear();
    else if (event.key === "a" && (event.ctrlKey || event.metaKey)) this.numbers.forEach((number) => pile.selected.add(number));
    else if (event.key === "z" && (event.ctrlKey || event.metaKey)) pile.back();
    else if (digit !== null && digit < pile.names.length && this.numbers.length) pile.label(digit ? digit - 1 : pile.names.length - 1);
    else if (!event.key.startsWith("Arrow")) return;
    event.preventDefault();
    pile.paint();
  }

  /* Rows are not full where a part ends, so up and down go by what is drawn, not by a number. */
  stepped(key) {
    const at = this.pile.active;
    if (key !== "ArrowUp" && key !== "ArrowDown") return stepped(at, key, this.columns, this.numbers.length);
    const photos = this.laid.rows.filter((row) => row.numbers);
    const from = photos.findIndex((row) => row.numbers.includes(this.numbers[at]));
    const to = photos[from + (key === "ArrowDown" ? 1 : -1)];
    if (!to) return at;
    const column = photos[from].numbers.indexOf(this.numbers[at]);
    return this.numbers.indexOf(to.numbers[Math.min(column, to.numbers.length - 1)]);
  }

  /* The height of a pointer in the list. */
  at(event) {
    const box = this.box.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  drag(event, moved, dropped) {
    const target = event.currentTarget;
    let last = event;
    const scroll = setInterval(() => {
      const box = this.root.getBoundingClientRect();
      const by = last.clientY < box.top + EDGE ? -1 : last.clientY > box.bottom - EDGE ? 1 : 0;
      if (!by) return;
      this.root.scrollTop += 12 * by;
      moved(last);
    }, 16);
    const on = (each) => moved((last = each));
    const off = (each) => {
      clearInterval(scroll);
      target.removeEventListener("pointermove", on);
      for (const end of ["pointerup", "pointercancel"]) target.removeEventListener(end, off);
      dropped(each);
    };
    target.setPointerCapture(event.pointerId);
    target.addEventListener("pointermove", on);
    for (const end of ["pointerup", "pointercancel"]) target.addEventListener(end, off);
  }

  dragFrom(event) {
    event.preventDefault();
    const move = (each) => this.pile.move(reached(this.parts, this.columns, this.high, this.at(each)[1]));
    this.drag(event, move, () => this.pile.lineNow());
  }

  lassoFrom(event) {
    this.dragged = false;
    if (event.pointerType !== "mouse" || event.button) return; // a finger scrolls
    const [x, y] = this.at(event);
    const before = new Set(this.pile.selected);
    const move = (each) => {
      const [a, b] = this.at(each);
      if (!this.dragged && Math.hypot(a - x, b - y) < 6) return;
      this.dragged = true;
      this.lasso.hidden = false;
      const [left, top, wide, high] = [Math.min(a, x), Math.min(b, y), Math.abs(a - x), Math.abs(b - y)];
      Object.assign(this.lasso.style, { left: `${left}px`, top: `${top}px`, width: `${wide}px`, height: `${high}px` });
      this.pile.selected = new Set(before);
      for (const row of this.laid.rows.filter((one) => one.numbers && one.top < top + high && one.top + this.high - GAP > top))
        row.numbers.forEach((number, column) => {
          const from = column * (this.side + GAP);
          if (from < left + wide && from + this.side > left) this.pile.selected.add(number);
        });
      this.pile.paint();
    };
    this.drag(event, move, (each) => {
      this.lasso.hidden = true;
      if (!this.dragged && each.type === "pointerup") this.picked(each);
      setTimeout(() => (this.dragged = false)); // after the click that follows, which is this one
    });
  }

  /* A pointer that is held by the list clicks no tile. */
  picked(event) {
    const [x, y] = this.at(event);
    const row = this.laid.rows.find((one) => one.numbers && one.top <= y && y < one.top + one.height);
    const number = row?.numbers[Math.floor(x / (this.side + GAP))];
    this.dragged = true;
    if (number !== undefined) this.select(this.numbers.indexOf(number), event.shiftKey);
  }
}

/* What can be done with the photos that are selected. */
class Selected {
  constructor(pile) {
    this.pile = pile;
    this.count = element("span", "count");
    this.count.setAttribute("role", "status");
    this.classes = element("select", "classes");
    this.classes.setAttribute("aria-label", "Class");
    this.set = button("set", "Set class", () => pile.label(Number(this.classes.value)));
    this.clear = button("clear", "Clear", () => {
      pile.selected.clear();
      pile.paint();
    });
    this.undo = button("undo", "Undo", () => pile.back());
    this.root = element("div", "bar selected", this.count, this.classes, this.set, this.clear, this.undo);
  }

  offer(options) {
    this.classes.replaceChildren(...options);
  }

  paint() {
    const count = this.pile.selected.size;
    say(this.count, count ? `${count} selected` : "Select photos that are wrong: click, shift-click, drag across, or arrow keys and space.");
    for (const each of [this.classes, this.set, this.clear]) each.hidden = !count;
    this.undo.hidden = !this.pile.undo;
  }
}

function element(tag, name, ...inside) {
  const node = document.createElement(tag);
  node.className = name;
  node.append(...inside);
  return node;
}

function button(name, words, act) {
  const node = element("button", name, words);
  node.type = "button";
  node.addEventListener("click", act);
  return node;
}

function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function put(picture, url) {
  if (url === undefined) picture.removeAttribute("src");
  else if (picture.src !== url) picture.src = url;
}

function place(node, { top, height }, more) {
  node.style.top = `${top}px`;
  node.style.height = `${height}px`;
  more?.();
}
