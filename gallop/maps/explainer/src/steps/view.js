/* The method on one photo, step by step: the photo stays, what is drawn on it and what can be moved beside it change.
   Everything is computed here; hosts are not notified. */

import { table } from "../colours.js";
import { button, element, freshId, lay, put, say } from "../dom.js";
import { onceAFrame } from "../frames.js";
import { drawMap, drawOutlines } from "../map.js";
import { largest, Take } from "../numerics.js";
import { Cells } from "../regions.js";
import { State } from "../state.js";
import { Subject } from "../subject.js";
import { placeOf } from "../words.js";
import { Ensemble, Learning, NoneOfThese, Softmax, TopK } from "./answers.js";
import { besideWeight, scoresOf, signed, surest } from "./figures.js";
import { plural } from "./panel.js";
import { Cosines, Crop, Grid, Texts } from "./sight.js";

const MAPS = ["map", "topk", "surest"];

export class Steps {
  constructor() {
    this.soon = onceAFrame(() => this.paint());
    const set = (change) => this.set(change);
    this.photo = element("img", "photo", { alt: "" });
    this.photo.addEventListener("load", () => this.schedule());
    this.map = element("canvas", "map");
    this.lines = element("canvas", "lines");
    this.pixels = element("canvas", "pixels", { role: "img" });
    this.cells = new Cells(
      () => {},
      (region) => set({ region, global: null }),
    );
    this.seen = element("div", "seen", {}, this.map, this.lines, this.cells.ring, this.cells.root);
    this.over = element("div", "over");
    this.stage = element("div", "stage", {}, this.photo, this.seen, this.pixels, this.over);
    this.legend = element("p", "pointed");
    this.panels = [Crop, Grid, Texts, Cosines, TopK, Ensemble, Softmax, NoneOfThese, Learning].map(
      (Made) => new Made(set),
    );
    this.tabs = this.panels.map(({ title }, i) => this.tab(title, i));
    this.list = element("div", "tabs", { role: "tablist", "aria-label": "Steps" }, ...this.tabs);
    this.list.addEventListener("keydown", (event) => this.walk(event));
    this.panel = element("div", "shown", { role: "tabpanel", id: freshId() });
    for (const tab of this.tabs) put(tab, "aria-controls", this.panel.id);
    this.title = element("h2", "heading", { id: freshId() });
    put(this.panel, "aria-labelledby", this.title.id);
    this.back = button("plain", () => this.turn(-1), "Back");
    this.next = button("next", () => this.turn(1), "Next");
    const onward = element("div", "onward", {}, this.back, this.next);
    this.now = { step: 0 };
    const look = element("div", "look", {}, this.stage, this.legend);
    const description = element("div", "description", {}, this.title, this.panel, onward);
    this.root = element("div", "explainer steps", {}, this.list, element("div", "columns", {}, look, description));
    new ResizeObserver(() => this.schedule()).observe(this.stage);
  }

  tab(title, i) {
    const number = element("span", "count", { "aria-hidden": "true" }, String(i + 1));
    const tab = button("tab", () => this.set({ step: i }), number, element("span", "words", {}, title));
    tab.setAttribute("role", "tab");
    return tab;
  }

  walk(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
    if (!by || event.ctrlKey || event.metaKey || event.altKey) return; // those are the browser's shortcuts
    event.preventDefault();
    this.turn(by);
    this.tabs[this.now.step].focus();
  }

  turn(by) {
    this.set({ step: Math.min(Math.max(this.now.step + by, 0), this.panels.length - 1) });
  }

  /* Args: data, as gallop/maps/explainer/payload.py makes them. */
  show(data) {
    const text = JSON.stringify(data);
    if (text === this.text) return; // hosts send what is there already, too
    this.text = text;
    this.data = data;
    const takes = data.takes.map((take) => new Take(data, take));
    [this.take] = takes;
    [this.grid] = data.grids;
    this.usual = this.take.local.usual.map((k) => Math.min(k, this.take.local.regions));
    this.colours = table(data.colours[Object.keys(data.colours)[0]]);
    const state = new State();
    state.follow(data, takes); // the host's state, checked
    const { class_name, prompt, topk, region } = state.now;
    const scores = scoresOf(this.take, topk, 0.5).together;
    const c = class_name === null ? largest(scores, 1)[0] : data.names.indexOf(class_name);
    this.now = {
      step: this.now.step,
      c: this.take.local.has(c) ? c : data.takes[0].branches[1].classes[0],
      prompt: prompt < this.usual.length ? prompt : 0, // the first where Explore shows a branch's map
      topk,
      region,
      global: null, // the global prompt whose cosines are shown; a local one's where it is null
      asModel: false,
      localWeight: 0.5, // of the regions in the prompts' score
      weight: besideWeight(this.take), // of what shots taught, beside them
      scale: this.take.scale,
      limit: null, // the one in force until it is moved
      kept: null, // global prompts that are kept; the first ones until they are drawn
    };
    this.place(data);
    this.paint();
  }

  place(data) {
    this.stage.style.setProperty("--ratio", data.ratio);
    if (this.photo.src !== data.photo) this.photo.src = data.photo;
    lay(this.seen, data.crop);
    this.stage.classList.toggle("part", data.crop[2] < 0.999 || data.crop[3] < 0.999);
    this.cells.fill(this.grid);
  }

  set(change) {
    Object.assign(this.now, change);
    this.schedule();
  }

  schedule() {
    if (this.data) this.soon();
  }

  paint() {
    const { now, data, take } = this;
    const panel = this.panels[now.step];
    if (this.panel.firstChild !== panel.root) {
      this.panel.replaceChildren(panel.root);
      this.over.replaceChildren(...(panel.over ? [panel.over] : []));
    }
    say(this.title, panel.title);
    this.tabs.forEach((tab, i) => {
      put(tab, "aria-selected", String(i === now.step));
      put(tab, "tabindex", i === now.step ? "0" : "-1");
    });
    this.back.disabled = now.step === 0;
    this.next.hidden = now.step === this.panels.length - 1;
    this.paintStage(now, data, take, panel.stage);
    panel.lead(data.method.notebooks[panel.title]);
    const style = getComputedStyle(this.root);
    panel.show({
      ...{ now, data, take, grid: this.grid, usual: this.usual, method: data.method, picture: this.photo },
      ...{ c: now.c, name: data.names[now.c], names: data.names, best: this.best },
      offered: data.takes[0].branches[1].classes ?? Array.from(data.names.keys()),
      ink: {
        accent: style.getPropertyValue("--accent-drawn") || style.color,
        pale: style.getPropertyValue("--pale-drawn") || style.color,
        text: style.color,
      },
    });
    this.root.dispatchEvent(new CustomEvent("painted"));
  }

  paintStage(now, data, take, stage) {
    const local = this.usual.length > 0;
    const mapped = MAPS.includes(stage) && local && (stage !== "map" || now.global === null);
    this.root.classList.toggle("bare", !mapped);
    this.root.dataset.stage = stage;
    const asModel = stage === "frame" && now.asModel;
    this.pixels.hidden = !asModel;
    if (asModel) this.drawPixels(data);
    this.cells.root.hidden = ["frame", "plain", "probabilities"].includes(stage);
    const subject = new Subject([take], data.range, now.c, null, false);
    const regions = mapped && stage !== "map" ? subject.topRegions(now.prompt, now.topk[now.prompt]) : [];
    // Where a step is about a region and none was chosen, the class's best one.
    this.best = local ? take.local.order(now.c, now.prompt)[0] : 0;
    const sure = stage === "surest" ? surest(take)?.region ?? null : null;
    const ring = { grid: now.region, map: now.global === null ? (now.region ?? this.best) : null, surest: sure }[stage];
    this.cells.mark(regions, ring ?? null);
    const cosine = (region) => (mapped ? `: ${signed(take.local.map(now.c, now.prompt)[region])}` : "");
    const words = (region) => `${placeOf(region, this.grid)}${cosine(region)}`;
    this.cells.name(mapped ? `Regions, a map of ${data.names[now.c]}` : "Regions", words);
    say(this.legend, this.sight(now, data, stage, mapped, regions));
    if (!mapped) return;
    drawMap(this.map, subject.maps[now.prompt], this.grid, subject.scale, this.colours, data.state);
    drawOutlines(this.lines, regions, [], this.grid, { width: this.seen.clientWidth, height: this.seen.clientHeight });
  }

  /* What is seen on the photo, in a line below it. */
  sight(now, data, stage, mapped, regions) {
    if (stage === "probabilities") return "Each bar is a class's probability: the full width is 100 %.";
    if (!mapped) return "";
    const map = `Brighter: more like ${data.names[now.c]}, by local prompt ${now.prompt + 1}.`;
    return regions.length ? `${map} Outlined: its ${plural(regions.length, "best region")}.` : map;
  }

  /* The crop in as many pixels as the model gets. */
  drawPixels(data) {
    if (!this.photo.naturalWidth) return;
    const [x, y, width, height] = data.crop;
    const { naturalWidth: wide, naturalHeight: high } = this.photo;
    const { side } = data.method;
    Object.assign(this.pixels, { width: side, height: side });
    const pen = this.pixels.getContext("2d");
    pen.drawImage(this.photo, x * wide, y * high, width * wide, height * high, 0, 0, side, side);
    put(this.pixels, "aria-label", `The crop, ${side} × ${side} pixels`);
  }
}
