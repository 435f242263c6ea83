/* Regions that are covered by hand, and the part of the photo that is looked at: only where a host can look again. It is
   told when a stroke ends. */

import { button, choices, element, labelled, lay, say } from "./dom.js";
import { placed } from "./sizes.js";

/* Regions of the finest grid, covered and uncovered in strokes. Cells may be those of a coarser grid that is shown. */
export class Painting {
  constructor(grid, regions = []) {
    this.grid = grid;
    this.regions = new Set(regions);
    this.past = []; // before each stroke
  }

  /* The first cell of a stroke says whether it covers or uncovers. */
  begin(cell, shown) {
    this.covers = !this.cells(shown).includes(cell);
    this.change(new Set(this.regions));
    this.at = cell;
    this.move(cell, shown);
  }

  /* In a straight line: a fast hand leaves cells out. */
  move(cell, shown) {
    const apart = (one) => [one % shown.columns, Math.floor(one / shown.columns)];
    const [[x, y], [toX, toY]] = [apart(this.at), apart(cell)];
    const steps = Math.max(Math.abs(toX - x), Math.abs(toY - y), 1);
    const between = (from, to, i) => Math.round(from + ((to - from) * i) / steps);
    const line = Array.from({ length: steps + 1 }, (_, i) => between(y, toY, i) * shown.columns + between(x, toX, i));
    for (let region = 0; region < this.grid.rows * this.grid.columns; region++)
      if (line.includes(placed(region, this.grid, shown))) this.regions[this.covers ? "add" : "delete"](region);
    this.at = cell;
  }

  change(regions) {
    this.past.push(this.regions);
    this.regions = regions;
  }

  undo() {
    this.regions = this.past.pop() ?? this.regions;
  }

  /* The covered cells of a grid. */
  cells(shown) {
    return [...new Set([...this.regions].map((region) => placed(region, this.grid, shown)))];
  }
}

export class Cover {
  /* Args: cells, of the photo; redraw(). */
  constructor(cells, redraw) {
    [this.cells, this.redraw, this.key] = [cells, redraw, null];
    const change = (act) => () => (act(), this.tell());
    this.brush = button("quiet", () => this.use(!this.on));
    this.fill = element("select");
    this.fill.addEventListener("change", () => this.tell());
    this.filled = labelled("Covered with", this.fill);
    this.undo = button("quiet", change(() => this.painting.undo()), "Undo");
    this.clear = button("quiet", change(() => this.painting.change(new Set())), "Clear");
    this.words = element("span", "unseen-words");
    this.middle = button("quiet", () => this.lookAt(0), "Back to the middle");
    this.root = element("div", "cover", {}, this.brush, this.filled, this.undo, this.clear, this.words, this.middle);
    this.strips = [-1, 1].map((end) => button("unseen", () => this.lookAt(end)));
    for (const strip of this.strips) strip.title = "Not seen: look there";
    for (const kind of ["pointerdown", "pointermove", "pointerup", "pointercancel"])
      cells.root.addEventListener(kind, (event) => this.paint(event));
  }

  /* New data, and tell(edit) of a host that can look again. */
  follow({ edit, crop, grids }, tell) {
    Object.assign(this, { edit, crop, host: tell });
    const key = edit && JSON.stringify([edit.of, edit.part]);
    if (key !== this.key) {
      [this.key, this.painting] = [key, new Painting(grids.at(-1), edit?.regions)];
      if (edit) choices(this.fill, Object.entries(edit.fills), edit.fill);
      this.use(false);
    }
  }

  use(on) {
    this.on = this.cells.painted = on;
    this.redraw();
  }

  /* Whether the host has not answered to all that is covered. */
  get pending() {
    const { edit, painting, fill } = this;
    return Boolean(edit) && `${[...painting.regions]} ${fill.value}` !== `${edit.regions} ${edit.fill}`;
  }

  paint({ type, button, clientX, clientY, pointerId }) {
    if (!this.on || !(type === "pointerdown" ? button === 0 : this.stroking)) return;
    const { root, rows, columns } = this.cells;
    const { left, top, width, height } = root.getBoundingClientRect();
    const within = (at, count) => Math.min(Math.max(Math.floor(at * count), 0), count - 1);
    const cell = within((clientY - top) / height, rows) * columns + within((clientX - left) / width, columns);
    if (type === "pointerdown") {
      root.setPointerCapture(pointerId);
      this.painting.begin(cell, this.cells);
    } else if (type === "pointermove") this.painting.move(cell, this.cells);
    else this.tell();
    this.stroking = type === "pointerdown" || type === "pointermove";
    this.redraw();
  }

  /* By key. Args: cell, or null for the key that ends it. */
  toggle(cell) {
    if (cell === null) return this.use(false);
    this.painting.begin(cell, this.cells);
    this.tell();
  }

  lookAt(part) {
    this.host({ ...this.edit, regions: [], part });
  }

  tell() {
    this.host({ ...this.edit, regions: [...this.painting.regions], fill: this.fill.value });
    this.redraw();
  }

  show() {
    this.root.hidden = !this.edit;
    this.cells.cover(this.painting.cells(this.cells));
    say(this.brush, this.on ? "Done covering" : "Cover regions");
    this.filled.hidden = this.clear.hidden = !this.painting.regions.size;
    this.undo.hidden = !this.painting.past.length;
    this.middle.hidden = !this.edit?.part;
    const [left, top, width, height] = this.crop;
    const unseen = this.edit?.unseen ?? 0;
    say(this.words, unseen > 0.2 ? `Not seen: ${Math.round(100 * unseen)} % of the photo. Click there to look at it.` : "");
    const places = [width < height ? [0, 0, left, 1] : [0, 0, 1, top]];
    places.push(width < height ? [left + width, 0, 1 - left - width, 1] : [0, top + height, 1, 1 - top - height]);
    this.strips.forEach((strip, i) => {
      strip.hidden = !this.edit || Math.min(places[i][2], places[i][3]) < 0.05;
      lay(strip, places[i]);
    });
  }
}
