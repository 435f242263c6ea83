/* The controls: k on a logarithmic track, the scale, the classes, how maps are drawn. */

import { button, choices, element, labelled, lay, put, say } from "./dom.js";
import { drawMap, drawOutlines } from "./map.js";

const STEPS = 10000; // of the track

/* k of so many regions at a position of the thumb, and back. */
export function kAt(step, regions) {
  return Math.round(regions ** (step / STEPS));
}

export function stepOf(k, regions) {
  return regions > 1 ? Math.round((STEPS * Math.log(k)) / Math.log(regions)) : 0;
}

/* k of the chosen scale. Args: move(k) while it moves, settle() when it is released. */
export class Track {
  constructor(move, settle, reset) {
    this.range = element("input", "track-range", { type: "range", min: "0", max: String(STEPS), step: "1" });
    this.number = element("input", "number", { type: "number", min: "1", step: "1", inputmode: "numeric" });
    this.mark = element("span", "mark", { "aria-hidden": "true" });
    this.back = element("button", "quiet", { type: "button" });
    this.sum = element("p", "sum");
    this.title = element("p", "title");
    const line = element("div", "line", {}, element("div", "rail", {}, this.mark, this.range), this.number);
    this.root = element("div", "k", {}, this.title, line, this.back);
    this.range.addEventListener("input", () => move(kAt(Number(this.range.value), this.regions)));
    this.range.addEventListener("keydown", (event) => this.key(event, move));
    this.number.addEventListener("input", () => {
      const k = Math.round(Number(this.number.value));
      if (k >= 1 && k <= this.regions) move(k);
    });
    for (const input of [this.range, this.number]) input.addEventListener("change", settle);
    this.number.addEventListener("blur", () => (this.number.value = this.k));
    this.back.addEventListener("click", reset);
  }

  /* A step of a key is one region, whatever its length on the track. */
  key(event, move) {
    const far = Math.max(Math.round(this.k / 4), 1);
    const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -far, PageUp: far }[event.key];
    if (!by) return;
    event.preventDefault();
    this.k = Math.min(Math.max(this.k + by, 1), this.regions); // at once: keys may come faster than frames
    move(this.k);
    this.range.dispatchEvent(new Event("change"));
  }

  /* Of a map that no k cuts. */
  showFixed(title, sum) {
    this.root.classList.add("fixed");
    say(this.title, title);
    say(this.sum, sum);
    this.back.hidden = true;
  }

  show(prompt, topk, usual, regions, title, sum) {
    this.root.classList.remove("fixed");
    [this.k, this.regions] = [topk[prompt], regions];
    say(this.title, title);
    put(this.range, "aria-label", `k of local prompt ${prompt + 1}`);
    put(this.number, "aria-label", `Local prompt ${prompt + 1}: its k best regions`);
    put(this.range, "aria-valuetext", `${this.k} of ${regions} regions`);
    const step = stepOf(this.k, regions);
    if (kAt(Number(this.range.value), regions) !== this.k) this.range.value = step;
    this.range.style.setProperty("--at", `${(100 * Number(this.range.value)) / STEPS}%`);
    this.mark.style.left = `${(100 * stepOf(usual[prompt], regions)) / STEPS}%`;
    put(this.number, "max", String(regions));
    if (this.root.getRootNode().activeElement !== this.number) this.number.value = this.k;
    this.back.hidden = topk.every((k, n) => k === usual[n]);
    say(this.back, `Back to k = ${usual.join(", ")}`);
    say(this.sum, sum);
  }
}

/* A small map of every scale, to choose one; large ones where all are shown. */
export class Strip {
  constructor(choose) {
    this.root = element("div", "strip", { role: "group", "aria-label": "Scales" });
    this.choose = choose;
    this.tiles = [];
  }

  fill(count) {
    while (this.tiles.length < count) {
      const n = this.tiles.length;
      const [photo, map, lines] = [element("img", "photo", { alt: "" }), element("canvas"), element("canvas")];
      const seen = element("span", "seen", {}, map, lines);
      const frame = element("span", "frame", {}, photo, seen);
      const words = element("span", "words");
      const root = button("tile", () => this.choose(n), frame, words);
      this.tiles.push({ root, photo, map, lines, seen, frame, words });
      this.root.append(root);
    }
    this.tiles.forEach(({ root }, n) => (root.hidden = n >= count));
  }

  /* Where the photo and what was seen of it lie. */
  frame(data) {
    for (const { photo, seen, frame } of this.tiles) {
      if (photo.src !== data.photo) photo.src = data.photo;
      frame.style.aspectRatio = data.ratio;
      lay(seen, data.crop);
    }
  }

  draw(n, subject, regions, rival, grid, colours, now) {
    const { map, lines, seen } = this.tiles[n];
    this.size ??= { width: seen.clientWidth || 64, height: seen.clientHeight || 64 }; // one for all
    drawMap(map, subject.maps[n], grid, subject.scale, colours, now);
    drawOutlines(lines, regions, rival, grid, this.size);
  }

  show(n, name, words, chosen) {
    const { root, words: line } = this.tiles[n];
    say(line, words);
    put(root, "aria-label", `${name}, ${words}`);
    put(root, "aria-pressed", String(chosen));
  }
}

/* Which class is explained, and against what. Args: change(part of the state). */
export class Classes {
  constructor(change) {
    this.explained = element("select");
    this.against = element("select");
    this.root = element(
      "div",
      "pair",
      {},
      labelled("Class explained", this.explained),
      labelled("Compared with", this.against),
    );
    this.explained.addEventListener("change", () => {
      const value = this.explained.value;
      change({ class_name: value === "" ? null : this.names[Number(value)] });
    });
    this.against.addEventListener("change", () => {
      const value = this.against.value;
      const name = value === "" || value === "before" ? null : this.names[Number(value)];
      change({ against: name, before: value === "before" });
    });
  }

  show(names, offered, state, explained, when) {
    const shown = [names, state.class_name, state.against, state.before, explained, when];
    if (this.shown?.every((part, i) => part === shown[i])) return;
    this.shown = shown;
    this.names = names;
    const listed = offered.map((c) => [String(c), names[c]]);
    const chosen = state.class_name === null ? "" : String(explained);
    const first = chosen === "" ? `Most probable (${names[explained]})` : "Most probable";
    choices(this.explained, [["", first], ...listed], chosen);
    const before = when === undefined ? [] : [["before", `Itself ${when}`]];
    const others = listed.filter(([value]) => value !== String(explained));
    const other = state.before ? "before" : state.against === null ? "" : String(names.indexOf(state.against));
    choices(this.against, [["", "Nothing"], ...before, ...others], other);
  }
}

/* Which class is explained, figures, and how maps are drawn: folded away. */
export class Options {
  /* Args: above, elements that come first. */
  constructor(move, settle, ...above) {
    this.opacity = element("input", "track-range", { type: "range", min: "0", max: "100" });
    this.threshold = element("input", "track-range", { type: "range", min: "0", max: "100" });
    this.drawn = element("select");
    this.colours = element("select");
    this.root = element(
      "details",
      "options",
      {},
      element("summary", "", {}, "Compare classes, figures, colours"),
      ...above,
      element(
        "div",
        "pair",
        {},
        labelled("Opacity", this.opacity),
        labelled("Hide weak regions", this.threshold),
        labelled("Drawn", this.drawn),
        labelled("Colours", this.colours),
      ),
    );
    for (const [input, name] of [
      [this.opacity, "opacity"],
      [this.threshold, "threshold"],
    ]) {
      input.addEventListener("input", () => move({ [name]: Number(input.value) / 100 }));
      input.addEventListener("change", settle);
    }
    const chosen = (change) => {
      move(change);
      settle();
    };
    this.drawn.addEventListener("change", () => chosen({ drawn: this.drawn.value }));
    this.colours.addEventListener("change", () => chosen({ colours: this.colours.value }));
  }

  show(state, names, ways) {
    for (const [input, value] of [
      [this.opacity, state.opacity],
      [this.threshold, state.threshold],
    ]) {
      const percentage = String(Math.round(100 * value));
      if (input.value !== percentage) input.value = percentage;
      put(input, "aria-valuetext", `${percentage} %`);
      input.style.setProperty("--at", `${percentage}%`);
    }
    choices(
      this.drawn,
      ways.map((way) => [way, way]),
      state.drawn,
    );
    choices(
      this.colours,
      names.map((name) => [name, name]),
      state.colours,
    );
  }
}
