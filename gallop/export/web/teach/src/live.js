/* The live answer: the picture with its map and best regions, the answer, and a bar for each class. */

import { Bars } from "../explainer/bars.js";
import { BranchSubject } from "../explainer/branch.js";
import { table } from "../explainer/colours.js";
import { button, element, lay, put, say } from "../explainer/dom.js";
import { drawMap, drawOutlines } from "../explainer/map.js";
import { largest, Take } from "../explainer/numerics.js";
import { Strangeness } from "../explainer/strangeness.js";
import { Subject } from "../explainer/subject.js";
import { headline, percent } from "../explainer/words.js";
import { words } from "./strings.js";

const ROWS = 6;
const SPOKEN_AFTER = 1500; // ms that an answer has to stand before it is read out
const ARRANGED_AFTER = 1000; // ms between two orders of many bars
const STYLE = { opacity: 0.85, threshold: 0, drawn: "Smooth" };

export class Live {
  constructor() {
    this.photo = element("img", "photo", { alt: "" });
    this.video = element("video", "photo", { playsinline: "", "aria-hidden": "true" });
    this.video.muted = true;
    this.map = element("canvas", "map");
    this.lines = element("canvas", "lines");
    this.seen = element("div", "seen", {}, this.map, this.lines);
    this.box = element("div", "box", {}, this.photo, this.video, this.seen);
    this.picture = element("div", "shows", { role: "img", "aria-label": words.stage }, this.box);
    this.maps = element("div", "maps", { role: "group", "aria-label": words.map });
    this.stage = element("div", "stage", {}, this.picture, this.maps);
    this.offer();
    this.best = element("p", "best");
    this.verdict = new Strangeness();
    this.none = element("p", "none");
    this.bars = new Bars((c) => this.choose(c));
    this.spoken = element("p", "spoken", { "aria-live": "polite" });
    this.answer = element("div", "answer", {}, this.best, this.bars.root, this.verdict.root, this.none, this.spoken);
    this.chosen = null; // a class whose map is shown in place of the answer's
    new ResizeObserver(() => this.measured()).observe(this.seen);
  }

  /* The maps to choose from, once something was learned: of the name, or of the photos. */
  offer() {
    this.ofShots = false;
    const choose = (i) => {
      this.ofShots = Boolean(i);
      this.paintMap();
    };
    this.maps.append(...[words.ofNames, words.ofShots].map((text, i) => button("", () => choose(i), text)));
  }

  /* The camera, until its first frame is answered. */
  preview() {
    [this.photo.hidden, this.video.hidden, this.seen.hidden] = [true, false, true];
    this.box.style.setProperty("--ratio", 1);
  }

  measured() {
    this.size = { width: this.seen.clientWidth, height: this.seen.clientHeight };
    if (this.data) this.paintMap();
  }

  choose(c) {
    const name = this.data.names[c];
    this.chosen = this.chosen === name ? null : name;
    this.paint();
  }

  /* Args: data, as explained() gives it; film, whether it is of the camera's newest frame; order, the names as the page
     has them; needed, how many photos of a class make "none of these" known, or nothing; at, when the frame was taken,
     which those who measure are told. */
  show(data, { film, order, needed, at }) {
    Object.assign(this, { data, film, order, needed, at });
    this.take = new Take(data, data.takes[0]);
    if (this.chosen !== null && !data.names.includes(this.chosen)) this.chosen = null;
    this.photo.hidden = film;
    [this.video.hidden, this.seen.hidden] = [!film, false];
    if (!film && this.photo.src !== data.photo) this.photo.src = data.photo;
    [this.colours, this.signed] = this.colours ? [this.colours, this.signed] : [table(data.colours.viridis), table(data.signed)];
    this.box.style.setProperty("--ratio", film ? 1 : data.ratio);
    this.box.classList.toggle("upright", !film && data.ratio < 1);
    lay(this.seen, film ? [0, 0, 1, 1] : data.crop);
    this.picture.classList.toggle("part", !film && Math.min(data.crop[2], data.crop[3]) < 0.999);
    this.paint();
  }

  paint() {
    const { data, take } = this;
    const topk = take.looks[0].usual;
    this.probabilities = take.answer(topk);
    const [label] = largest(this.probabilities.probabilities, 1);
    this.label = label;
    this.explained = this.chosen === null ? label : data.names.indexOf(this.chosen);
    this.paintAnswer();
    this.paintMap();
  }

  paintAnswer() {
    const { data, take, label, probabilities } = this;
    const score = take.outlierScores()["GL-MCM"];
    const limit = data.doubt ? null : data.threshold;
    const odd = (this.odd = limit !== null && score > limit);
    const share = data.names.length > 1 ? percent(probabilities.probabilities[label]) : "";
    const [name, value] = headline(data.names[label], share, odd, "");
    if (this.best.childElementCount < 2) this.best.append(element("span", "name", { dir: "auto" }), " ", element("span", "value"));
    say(this.best.firstChild, name);
    say(this.best.lastChild, value);
    this.best.classList.toggle("odd", odd);
    this.verdict.show(score, limit, data.names.length, null);
    say(this.none, limit === null && this.needed ? words.none(this.needed) : "");
    this.arrange();
    this.bars.show(data.names, probabilities, { explained: this.explained, against: null });
    this.speak([name, value].filter(Boolean).join(", "), name);
  }

  /* In the order of the classes, so that no bar jumps; of many those that are most probable. */
  arrange() {
    const { names } = this.data;
    if (names.length <= ROWS) [this.bars.shown, this.bars.more] = [this.order.map((name) => names.indexOf(name)), 0];
    else if (!(performance.now() - this.arrangedAt < ARRANGED_AFTER) || this.bars.shown.some((c) => c >= names.length)) {
      this.bars.arrange(this.probabilities, [this.explained]);
      this.arrangedAt = performance.now();
    }
  }

  paintMap() {
    const { data, take, explained, size } = this;
    const [{ besides }, [local], [grid]] = [take, take.looks, data.grids];
    this.maps.hidden = !besides.length;
    const shots = this.ofShots && besides.length > 0;
    [...this.maps.children].forEach((choice, i) => put(choice, "aria-pressed", String(shots === Boolean(i))));
    const names = new Subject([take], { ...data, ...grid }.range, explained, null, false, 0);
    const subject = shots ? new BranchSubject([take], 0, 0, explained, null, false, 0) : names;
    const outlined = shots ? [] : names.topRegions(0, local.usual[0]);
    drawMap(this.map, subject.maps[0], grid, subject.scale, shots ? this.signed : this.colours, STYLE);
    if (size?.width) drawOutlines(this.lines, outlined, [], grid, size);
    put(this.picture, "aria-label", `${words.stage}: ${data.names[explained]}`);
    this.stage.dispatchEvent(new CustomEvent("painted", { bubbles: true, detail: this.at }));
  }

  /* Reads an answer out once it stands for a while. */
  speak(sentence, name) {
    if (name === this.heard) return;
    this.heard = name;
    clearTimeout(this.speaking);
    this.speaking = setTimeout(() => say(this.spoken, words.said(sentence)), SPOKEN_AFTER);
  }
}
