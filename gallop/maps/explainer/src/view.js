/* The explainer: a photo with its map, the answer, and what decided it. Everything is computed here, in every frame in
   which something moved; the host is notified when a control is released. */

import { Asked, Bars } from "./bars.js";
import { table } from "./colours.js";
import { Cover } from "./cover.js";
import { Classes, Options, Strip, Track } from "./controls.js";
import { button, element, lay, put, say } from "./dom.js";
import { onceAFrame } from "./frames.js";
import { BranchSubject, paintBranch } from "./branch.js";
import { Legend } from "./legend.js";
import { drawMap, drawOutlines } from "./map.js";
import { largest, Take } from "./numerics.js";
import { axisOf, PromptDots, promptScores } from "./prompts.js";
import { Cells } from "./regions.js";
import { placed, showAsked, Sizes } from "./sizes.js";
import { State } from "./state.js";
import { Strangeness } from "./strangeness.js";
import { Subject } from "./subject.js";
import { Told } from "./told.js";
import { bestRegions, capital, faintLine, figure, headline, percent, regionLine, sumLine, where } from "./words.js";

const HINT = "Click a region to ask what it looks like.";
const COVER_HINT = "Drag over the photo, or click; the arrow keys and space do it too.";
const NOTIFIED_AFTER = 200; // ms: keys that are pressed repeatedly are one interaction

export class Explainer {
  constructor() {
    this.state = new State();
    this.notify = this.remember = () => {};
    this.soon = onceAFrame(() => this.paint());
    const move = (change) => this.move(change);
    const settle = () => this.settle();
    const set = (change) => {
      move(change);
      settle();
    };
    this.photo = element("img", "photo", { alt: "" });
    this.map = element("canvas", "map");
    this.lines = element("canvas", "lines");
    this.cells = new Cells(
      (region) => this.pointAt(region),
      (region) => {
        if (this.cover.on) this.cover.toggle(region);
        else set({ region: placed(region, this.grid, this.data.grids.at(-1)) });
      },
    );
    this.cover = new Cover(this.cells, () => this.schedule());
    this.seen = element("div", "seen", {}, this.map, this.lines, this.cells.ring, this.cells.root);
    this.stage = element("div", "stage", {}, this.photo, this.seen, ...this.cover.strips);
    // The words are also the label of each cell, so a screen reader has them already.
    this.pointed = element("p", "pointed", { "aria-hidden": "true" });
    this.legend = new Legend();
    this.sizes = new Sizes((look) => set({ look }));
    this.strip = new Strip((prompt) => set({ prompt, all: false }));
    this.all = button("quiet", () => set({ all: !this.state.now.all }));
    this.track = new Track(
      (k) => move({ topk: this.state.now.topk.map((old, n) => (n === this.state.now.prompt ? k : old)) }),
      settle,
      () => set({ topk: this.usual }),
    );
    this.best = element("p", "best");
    this.was = element("p", "was");
    this.verdict = new Strangeness();
    this.stale = element("p", "stale", { role: "status" });
    this.faint = element("p", "faint", { role: "status" });
    this.spoken = element("p", "spoken", { "aria-live": "polite" });
    this.bars = new Bars((c) => set({ class_name: this.data.names[c] }));
    this.dots = new PromptDots((prompt) => set({ prompt }));
    this.asked = new Asked(() => set({ region: null }));
    this.classes = new Classes(set);
    const { cover, verdict, dots } = this;
    this.options = new Options(move, settle, this.classes.root, dots.notes, this.track.sum);
    this.title = element("span", "title");
    const head = element("div", "head", {}, this.title, this.all);
    this.maps = element("div", "maps", {}, head, this.sizes.root, this.strip.root);
    const by = [cover.root, this.pointed, this.faint, this.legend.root, this.asked.root];
    const look = element("div", "look", {}, this.stage, this.track.root, ...by);
    const said = [this.best, this.was, verdict.root, this.bars.root, this.stale];
    const answer = element("div", "answer", {}, ...said);
    const rest = element("div", "rest", {}, dots.root, this.options.root, this.spoken);
    this.beside = [this.track.root, cover.root, answer, this.maps, dots.root, this.options.root];
    this.root = element("div", "explainer", {}, element("div", "columns", {}, look, answer, this.maps, rest));
    const resized = new ResizeObserver(() => (this.unmeasured(), this.schedule()));
    for (const part of [this.stage, this.strip.root]) resized.observe(part);
  }

  /* Args: data, made by gallop/maps/explainer/payload.py; notify(state), called shortly after a control is released;
     of hosts that can: remember(state), called at once; tell(edit), where the photo can be looked at again. */
  show(data, notify, { remember = () => {}, tell = () => {} } = {}) {
    const text = JSON.stringify(data); // hosts send what is there already, too
    if (text !== this.text) {
      this.flush(); // an interaction until now refers to the data shown until now
      this.read(data);
    }
    [this.text, this.notify, this.remember] = [text, notify, remember];
    this.cover.follow(data, tell);
    this.arranged = false;
    this.paint();
    this.rest();
  }

  read(data) {
    const cosines = JSON.stringify([data.takes, data.names, data.scale, data.temperature]);
    if (cosines !== this.cosines) {
      this.takes = data.takes.map((take) => new Take(data, take));
      [this.outlier, this.outlierBefore] = this.takes.map((take) => take.outlierScores());
      this.cosines = cosines;
      this.subjects = new Map();
    }
    this.data = data;
    this.state.follow(data, this.takes);
    this.usual = this.takes[0].local.usual.map((k) => Math.min(k, this.takes[0].local.regions));
    this.colours = Object.fromEntries(Object.entries(data.colours).map(([name, text]) => [name, table(text)]));
    this.signed = table(data.signed);
    this.root.style.setProperty("--ratio", data.ratio);
    if (this.photo.src !== data.photo) this.photo.src = data.photo;
    lay(this.seen, data.crop);
    this.unmeasured();
    this.stage.classList.toggle("part", data.crop[2] < 0.999 || data.crop[3] < 0.999);
    this.strip.fill(this.state.maps);
    this.strip.frame(data);
    const kinds = { plain: !this.state.maps, one: this.state.maps === 1, compact: Boolean(data.compact) };
    for (const [name, holds] of Object.entries(kinds)) this.root.classList.toggle(name, holds);
    if (data.compact) this.beside.forEach((part) => part.remove());
  }

  move(change) {
    this.state.move(change);
    this.schedule();
  }

  schedule() {
    if (this.data) this.soon();
  }

  settle() {
    clearTimeout(this.notifying);
    this.remember(this.state.now);
    this.notifying = setTimeout(() => {
      this.arranged = false;
      this.schedule();
      this.rest();
      this.flush();
    }, NOTIFIED_AFTER);
  }

  /* Notifies the host at once, if a notification is pending. */
  flush() {
    if (this.notifying === undefined) return;
    clearTimeout(this.notifying);
    this.notifying = undefined;
    this.notify(this.state.settled());
  }

  /* Continues with the state from before the page was loaded again; undefined where there is none. */
  resume(state) {
    if (state === undefined) return;
    this.move(state);
    this.settle();
  }

  /* Computes what follows from the state, before any of it is drawn. */
  work() {
    const now = this.state.now;
    this.answer = this.takes[0].answer(now.topk);
    this.before = this.takes[1]?.answer(now.topk);
    this.label = largest(this.answer.probabilities, 1)[0];
    this.covered = Boolean(this.data.edit?.regions.length) && this.takes.length > 1;
    this.odd = this.isOdd(this.outlier["GL-MCM"]);
    this.explained = now.class_name === null ? this.label : this.data.names.indexOf(now.class_name);
    const against = now.against === null ? null : this.data.names.indexOf(now.against);
    this.against = against === this.explained ? null : against;
    this.name = this.data.names[this.explained];
    this.otherName = now.before ? this.takes[1].when : this.data.names[this.against];
    this.grid = this.data.grids[now.look];
    const about = [this.explained, this.against, now.before];
    const key = [...about, now.look].join();
    if (!this.subjects.has(key)) {
      if (this.subjects.size > 50) this.subjects.clear();
      const { range } = { ...this.data, ...this.grid }; // larger regions have another
      const branches = this.takes[0].besides
        .map((_, i) => new BranchSubject(this.takes, i, this.usual.length + i, ...about, now.look))
        .filter(({ here }) => here);
      this.subjects.set(key, { subject: new Subject(this.takes, range, ...about, now.look), branches });
    }
    ({ subject: this.subject, branches: this.branches } = this.subjects.get(key));
    this.chosen = this.branches.find(({ place }) => place === now.prompt); // a branch's map, or none
    this.about = this.subject.other ? `Why ${this.name}, not ${this.otherName}` : `Where it sees ${this.name}`;
    if (now.before) this.about = `Where it sees more or less of ${this.name} than ${this.otherName}`;
    this.ends = now.before ? ["less", "more"] : [this.otherName ?? "other classes", this.name];
  }

  isOdd(outlier) {
    return this.data.threshold !== null && outlier > this.data.threshold;
  }

  paint() {
    this.work();
    const now = this.state.now;
    this.root.classList.toggle("all", now.all);
    this.cells.fill(this.grid);
    this.sizes.show(this.data.grids, now.look);
    this.cover.show();
    this.root.classList.toggle("covering", this.cover.on);
    this.here = placed(now.region, this.data.grids.at(-1), this.grid);
    if (!this.arranged) {
      this.bars.arrange(this.answer, [this.explained, this.against]);
      this.axis = undefined;
    }
    this.arranged = true;
    this.paintAnswer(now);
    this.paintMaps(now);
    const offered = this.data.offered ?? Array.from(this.data.names.keys());
    this.classes.show(this.data.names, offered, now, this.explained, this.takes[1]?.when);
    this.options.show(now, Object.keys(this.data.colours), this.data.drawn);
    showAsked(this);
    this.root.dispatchEvent(new CustomEvent("painted", { composed: true })); // what waits for it may be anywhere
  }

  paintAnswer(now) {
    const parts = this.headlineParts();
    const [doubt, label, probability] = parts;
    if (this.best.dataset.headline !== parts.join()) {
      this.best.dataset.headline = parts.join();
      this.best.replaceChildren(
        element("span", "name", {}, label),
        " ", // between the two where they are read as one text
        element("span", "value", {}, probability),
        ...(doubt ? [" ", element("span", "doubt", {}, doubt)] : []),
      );
    }
    this.bars.show(this.data.names, this.answer, {
      explained: this.explained,
      against: this.against,
      before: this.before,
      beforeWords: this.takes[1]?.when,
    });
    const limit = this.data.doubt ? null : this.data.threshold;
    const before = this.covered ? this.outlierBefore["GL-MCM"] : null;
    this.verdict.show(this.outlier["GL-MCM"], limit, this.data.names.length, before);
    const [, ...was] = this.covered ? this.headlineParts(this.before, this.isOdd(before)) : [];
    say(this.was, this.covered ? `${capital(this.takes[1].when)}: ${was.filter(Boolean).join(", ")}` : "");
    this.paintPrompts(now);
    this.best.classList.toggle("odd", this.odd && !doubt);
    const current = this.takes[0].isCurrent(now.topk);
    this.root.classList.toggle("behind", !current || this.cover.pending);
    say(this.stale, current ? "" : `Probabilities are those of k = ${this.takes[0].local.last.topk.join(", ")}.`);
  }

  /* The axis changes when a control is released, as the classes that are shown do. */
  paintPrompts(now) {
    const itself = now.before || (this.covered && this.against === null); // as it was before
    const [take, other] = [this.takes[0], itself ? this.takes[1] : this.takes[0]];
    this.axis ??= axisOf(this.bars.shown.flatMap((c) => promptScores(take, c, now.topk)));
    const scores = promptScores(take, this.explained, now.topk);
    const against = itself ? this.explained : this.against;
    const others = against === null ? null : promptScores(other, against, now.topk);
    const names = [this.name, itself ? other.when : this.otherName];
    this.dots.fill(take.global.prompts, take.local.usual.length);
    const words = this.data.words?.[this.explained];
    const told = words && take.local.has(this.explained) ? new Told(words, take, this.explained) : null;
    const says = (p) => told?.short(p, this.name) ?? this.template(p);
    const tell = (p) => told?.line(p, now.topk, this.here, now.look) ?? "";
    const all = (p) => this.bars.shown.map((c) => [this.data.names[c], promptScores(take, c, now.topk)[p]]);
    const besides = take.besides.filter(({ weight }) => weight);
    const counts = besides.map(({ name, weight }) => `The ${name} has ${percent(weight)} of the weight`);
    this.dots.show([...counts, this.data.alike ?? ""], scores, others, names, this.axis, now.prompt, { says, tell, all });
  }

  /* What a prompt says that was not learned; templates repeat where there are fewer of them than prompts. Of several
     there is no room for the words that nearly all begin with. */
  template(p) {
    const { templates } = this.data;
    if (!templates) return "";
    const n = p - (p < this.takes[0].global.prompts ? 0 : this.takes[0].global.prompts); // of its kind
    const said = templates[n % templates.length].replaceAll("{}", this.name);
    return `“${templates.length > 1 ? said.replace(/^a photo of (?=.)/i, "") : said}”`;
  }

  /* Why the limit decides nothing, if so; the answer; and its probability, which means nothing with one class. */
  headlineParts({ probabilities } = this.answer, odd = this.odd) {
    const { doubt = "", names } = this.data;
    const [label] = largest(probabilities, 1);
    const probability = names.length > 1 ? percent(probabilities[label]) : "";
    return [doubt, ...headline(names[label], probability, odd, doubt)];
  }

  paintMaps(now) {
    const { subject } = this;
    const colours = subject.scale.signed ? this.signed : this.colours[now.colours];
    const bare = !subject.prompts && !this.branches.length;
    this.root.classList.toggle("bare", bare);
    this.root.classList.toggle("clear", now.opacity === 0);
    this.legend.root.hidden = this.maps.hidden = bare;
    this.mark(now);
    say(this.faint, this.chosen ? "" : faintLine(subject, this.name));
    if (bare) return;
    if (this.size?.all !== now.all || !this.size.width) this.unmeasured();
    this.size ??= { all: now.all, width: this.seen.clientWidth, height: this.seen.clientHeight };
    const small = this.state.maps > 1 && !this.data.compact;
    for (let n = 0; n < subject.prompts; n++) {
      const [regions, rival] = [subject.topRegions(n, now.topk[n]), subject.rival(n, now.topk[n])];
      const words = bestRegions(now.topk[n], this.name);
      if (small) this.strip.show(n, `Local prompt ${n + 1}`, words, n === now.prompt);
      if (small) this.strip.draw(n, subject, regions, rival, this.grid, colours, now);
      if (n !== now.prompt) continue;
      if (!now.all) {
        drawMap(this.map, subject.maps[n], this.grid, subject.scale, colours, now);
        drawOutlines(this.lines, regions, rival, this.grid, this.size);
      }
      const title = capital(bestRegions(now.topk[n], this.name));
      this.track.show(n, now.topk, this.usual, this.takes[0].local.regions, title, sumLine(subject, n, now.topk[n]));
    }
    for (const branch of this.branches) paintBranch(this, branch, now);
    const dotted = `${this.about}. Dots: the k best regions ${now.before ? "" : "of "}${this.otherName}`;
    if (!this.chosen) this.legend.show(subject, colours, subject.other ? dotted : this.about, this.ends);
    say(this.title, this.state.maps > 1 ? "Where each local prompt looks" : "");
    say(this.all, now.all ? "One large" : "All large");
  }

  /* Sizes are measured again only where they may have changed: the browser lays out the full page for it. */
  unmeasured() {
    this.size = this.strip.size = undefined;
  }

  mark(now) {
    const { subject } = this;
    const regions = subject.prompts && !this.chosen ? subject.topRegions(now.prompt, now.topk[now.prompt]) : [];
    this.cells.mark(regions, this.here);
    this.pointAt(this.cells.focused());
  }

  /* A region in words: its score, and what it is like. */
  regionWords(region) {
    const subject = this.chosen ?? this.subject;
    const { prompt, topk } = this.state.now;
    const score = subject.prompts ? subject.maps[prompt][region] : null;
    const covered = this.cells.covered.includes(region);
    const outlined = Boolean(score !== null && subject.topRegions?.(prompt, topk[prompt]).includes(region));
    const [c, probability] = this.takes[0].mostLike(region, this.subject.local);
    return regionLine(
      region,
      this.grid,
      { score, signed: subject.scale.signed, outlined, covered },
      this.data.names[c],
      probability,
    );
  }

  pointAt(region) {
    const here = region ?? this.here;
    say(this.pointed, here === null ? (this.cover.on ? COVER_HINT : HINT) : this.regionWords(here));
  }

  /* Sets what only screen readers read, while nothing moves. */
  rest() {
    const { subject, answer, verdict, state: { now }, data: { names } } = this;
    const words = (region) => this.regionWords(region);
    const [doubt, ...best] = this.headlineParts();
    const next = largest(answer.probabilities, 5).slice(1).map((c) => `${names[c]} ${percent(answer.probabilities[c])}`);
    const said = [doubt, `Answer: ${best.filter(Boolean).join(", ")}`, next.length ? `Then ${next.join(", ")}` : ""];
    if (!verdict.root.hidden) said.push(verdict.words.textContent);
    if (this.chosen)
      this.cells.name(`Map of the ${this.chosen.name}. ${this.chosen.title(this.name)}; every region counts.`, words);
    else if (subject.prompts) {
      const regions = subject.topRegions(now.prompt, now.topk[now.prompt]);
      const places = `${regions.length} best regions: ${where(regions, this.grid)}`;
      this.cells.name(`Map of local prompt ${now.prompt + 1}. ${this.about}; its ${places}.`, words);
      said.push(`Local prompt ${now.prompt + 1}, ${places}`);
    } else {
      this.cells.name("The photo; each region says which class it is most like.", words);
    }
    put(this.root, "data-answer", names[this.label]);
    say(this.spoken, said.filter(Boolean).map((words) => words.replace(/\.?$/, ".")).join(" "));
  }
}
