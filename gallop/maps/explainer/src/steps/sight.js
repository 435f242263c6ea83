/* The first steps: what the model sees of the photo, in which regions, and what it is compared with. */

import { choices, element, labelled, say } from "../dom.js";
import { placeOf } from "../words.js";
import { Panel, plural } from "./panel.js";
import { signed } from "./figures.js";
import { classRows, Few, Rows } from "./parts.js";


export class Crop extends Panel {
  constructor(set) {
    super("Crop", "frame");
    this.few = new Few("What is shown", (i) => set({ asModel: i === 1 }));
    this.add(this.few.root);
  }

  show({ now, method }) {
    const { pixels, side, cut, squeezed } = method;
    const [wide, high] = pixels;
    const shape = squeezed ? ", whatever its shape" : "";
    const uncut = `The photo is resized to ${side} × ${side}${shape}. All of it is seen.`;
    const middle = `The short side becomes ${side} pixels, and the middle is cut out. The dark part is not seen.`;
    const [across, down] = [cut[2] - cut[0], cut[3] - cut[1]];
    this.few.show(["The photo", `What the model gets, ${side} × ${side}`], now.asModel ? 1 : 0);
    const [left, top, right, bottom] = cut.map(Math.round);
    const fraction = (across * down) / (wide * high);
    this.tell(
      fraction > 0.999 ? uncut : middle,
      `Of ${wide} × ${high} pixels: ${left} to ${right} across, ${top} to ${bottom} down, ` +
        `${(100 * fraction).toFixed(0)} %.`,
    );
  }
}

export class Grid extends Panel {
  constructor() {
    super("Regions", "grid");
    this.close = element("canvas", "close", { "aria-hidden": "true" });
    this.which = element("p", "title", { "aria-live": "polite" });
    this.add(element("div", "beside", {}, this.close, this.which));
  }

  show({ now, grid, method, picture, data }) {
    const regions = grid.rows * grid.columns;
    const [across, down] = [method.side / grid.columns, method.side / grid.rows];
    const place = now.region === null ? "Click a region." : `${placeOf(now.region, grid)}`;
    say(this.which, place);
    this.enlarge(picture, data, grid, now.region);
    this.tell(
      `One look gives a feature for the whole photo and one for each of ${regions} regions. All else follows.`,
      `R = ${grid.rows} × ${grid.columns} = ${regions} regions of ${Math.round(across)} × ${Math.round(down)} pixels.`,
      method.notes.regions,
    );
  }

  enlarge(picture, data, grid, region) {
    this.close.hidden = region === null || !picture.naturalWidth;
    if (this.close.hidden) return;
    const [x, y, width, height] = data.crop;
    const column = region % grid.columns;
    const row = (region - column) / grid.columns;
    const [wide, high] = [(picture.naturalWidth * width) / grid.columns, (picture.naturalHeight * height) / grid.rows];
    const [left, top] = [picture.naturalWidth * x + column * wide, picture.naturalHeight * y + row * high];
    Object.assign(this.close, { width: 120, height: 120 });
    const pen = this.close.getContext("2d");
    pen.imageSmoothingEnabled = false;
    pen.drawImage(picture, left, top, wide, high, 0, 0, 120, 120);
  }
}

export class Texts extends Panel {
  constructor(set) {
    super("Prompts", "plain");
    this.select = element("select");
    this.select.addEventListener("change", () => set({ c: Number(this.select.value) }));
    this.list = element("ul", "texts");
    this.add(labelled("Class followed", this.select), this.list);
  }

  show({ c, names, offered, take, now, method }) {
    choices(
      this.select,
      offered.map((k) => [String(k), names[k]]),
      String(c),
    );
    const [globals, locals] = [take.global.prompts, now.topk.length];
    const lines = [];
    if (method.texts?.length === 1) {
      // Equal texts are listed once.
      lines.push([several("global", globals), "the whole photo", 0]);
      if (locals) lines.push([several("local", locals), `${now.topk.join(", ")} regions`, 0]);
    } else {
      for (let m = 0; m < globals; m++) lines.push([`global ${m + 1}`, "the whole photo", m]);
      for (let n = 0; n < locals; n++) lines.push([`local ${n + 1}`, plural(now.topk[n], "region"), n]);
    }
    this.list.replaceChildren(
      ...lines.map(([name, against, i]) =>
        element(
          "li",
          "",
          {},
          element("span", "which", {}, name),
          element("span", "text", {}, ...this.text(method, i, names[c])),
          element("span", "against", {}, against),
        ),
      ),
    );
    const texts = names.length * (globals + locals);
    const learned = method.texts ? "Nothing is learned yet: they are words." : "The boxes are learned vectors.";
    this.tell(
      `Each prompt is put before each class name, and the text encoder makes a feature of it. ${learned}`,
      `K = ${plural(names.length, "class").replace(/classs$/, "classes")}, M = ${globals} global and N = ${locals} ` +
        `local prompts: ${texts} texts.`,
      method.notes.prompts,
    );
  }

  text(method, i, name) {
    if (!method.texts) {
      const vectors = Array.from({ length: method.tokens }, () => element("i", "vector"));
      const label = { role: "img", "aria-label": plural(method.tokens, "learned vector") };
      return [element("span", "vectors", label, ...vectors), element("b", "", {}, name)];
    }
    const [before, after] = method.texts[i % method.texts.length].split("{}");
    return [before, element("b", "", {}, name), after ?? ""];
  }
}

function several(kind, count) {
  return count === 1 ? `${kind} 1` : `${kind} 1 to ${count}`;
}

export class Cosines extends Panel {
  constructor(set) {
    super("Cosines", "map");
    this.few = new Few("Prompt", (i) =>
      set(i < this.globals ? { global: i } : { global: null, prompt: i - this.globals }),
    );
    this.of = element("p", "title", { "aria-live": "polite" });
    this.rows = new Rows("Classes by cosine", (c) => set({ c }));
    this.add(this.few.root, this.of, this.rows.root);
  }

  show({ c, names, take, now, grid, data, method, best }) {
    this.globals = method.texts?.length === 1 ? 1 : take.global.prompts; // all the same before anything is learned
    const local = now.topk.length;
    const which = now.global ?? this.globals + now.prompt;
    const words = Array.from({ length: this.globals }, (_, m) => `global ${m + 1}`);
    for (let n = 0; n < local; n++) words.push(`local ${n + 1}`);
    this.few.show(words, which);
    const region = now.region ?? best;
    const here = take.local.usual.length && now.global === null;
    const scores = here
      ? Float64Array.from(names, (_, k) => (take.local.has(k) ? take.local.map(k, now.prompt)[region] : -1))
      : Float64Array.from(take.global.rows, (row) => row[now.global ?? 0]);
    const high = here ? data.range[1] : Math.max(...take.global.rows.map((row) => Math.max(...row)));
    say(this.of, `${here ? placeOf(region, grid) : "The whole photo"}, against ${words[which]}`);
    this.rows.show(classRows(scores, c, names, signed, high), c);
    this.tell(
      "How alike are a feature and a text? Global prompts are matched with the whole photo, local ones with every " +
        "region: click one.",
      "cos(u, v) = u · v / (|u| |v|), from −1 to 1.",
      method.notes.cosines,
    );
  }
}
