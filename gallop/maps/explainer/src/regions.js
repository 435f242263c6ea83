/* The regions of the photo as a grid of cells: to point at, click, and walk through with the keys. */

import { element, lay, put } from "./dom.js";
import { cell } from "./words.js";

export class Cells {
  /* Args: point(region or null) for what is pointed at; ask(region) for what is chosen. */
  constructor(point, ask) {
    this.root = element("div", "cells", { role: "grid" });
    this.ring = element("span", "ring", { "aria-hidden": "true" }); // around the one that is asked
    this.ask = ask;
    this.painted = false; // a pointer covers regions then, and chooses none
    this.cells = [];
    const at = (event) => {
      const region = event.target.dataset?.region;
      return region === undefined ? null : Number(region);
    };
    this.root.addEventListener("keydown", (event) => this.walk(event));
    this.root.addEventListener("click", (event) => {
      if (!this.painted || !event.detail) this.choose(at(event));
    });
    this.root.addEventListener("pointerover", (event) => point(at(event)));
    this.root.addEventListener("pointerleave", () => point(this.focused()));
    this.root.addEventListener("focusin", (event) => {
      this.arrive(at(event));
      point(at(event));
    });
    this.root.addEventListener("focusout", () => point(null));
  }

  fill({ rows, columns }) {
    if (this.cells.length === rows * columns && this.columns === columns) return;
    [this.rows, this.columns] = [rows, columns];
    this.current = undefined;
    [this.marked, this.covered, this.selected] = [[], [], null];
    this.root.style.gridTemplate = `repeat(${rows}, 1fr) / repeat(${columns}, 1fr)`;
    this.cells = Array.from({ length: rows * columns }, (_, region) =>
      element("div", "cell", { role: "gridcell", "data-region": region, "aria-selected": "false", tabindex: "-1" }),
    );
    const lines = Array.from({ length: rows }, (_, row) =>
      element("div", "row", { role: "row" }, ...this.cells.slice(row * columns, (row + 1) * columns)),
    );
    this.root.replaceChildren(...lines);
  }

  /* Args: marked, the regions that are outlined; selected, the one that is asked, or null. */
  mark(marked, selected) {
    this.current ??= selected ?? marked[0] ?? 0; // one cell takes part in tabbing; arrow keys move it
    const inside = new Set(marked);
    for (const region of new Set([...this.marked, ...marked]))
      this.cells[region].classList.toggle("outlined", inside.has(region));
    this.marked = marked;
    for (const region of new Set([this.selected, selected]))
      if (region !== null) put(this.cells[region], "aria-selected", String(region === selected));
    this.selected = selected;
    this.ring.hidden = selected === null;
    const [row, column] = cell(selected ?? 0, this);
    lay(this.ring, [column / this.columns, row / this.rows, 1 / this.columns, 1 / this.rows]);
    this.cells[this.current].setAttribute("tabindex", "0");
  }

  /* Marks those that are covered. */
  cover(regions) {
    for (const region of this.covered) this.cells[region].classList.remove("covered");
    for (const region of regions) this.cells[region].classList.add("covered");
    this.covered = regions;
  }

  /* What a screen reader reads for the grid and for each region. */
  name(words, label) {
    put(this.root, "aria-label", words);
    this.cells.forEach((node, region) => put(node, "aria-label", label(region)));
  }

  focused() {
    return this.root.contains(this.root.getRootNode().activeElement) ? this.current : null;
  }

  arrive(region) {
    if (region === null) return;
    this.cells[this.current]?.setAttribute("tabindex", "-1");
    this.current = region;
    this.cells[region].setAttribute("tabindex", "0");
  }

  choose(region) {
    if (region === null) return;
    this.arrive(region);
    this.ask(region);
  }

  walk(event) {
    const last = this.cells.length - 1;
    const column = this.current % this.columns;
    const row = this.current - column;
    const inGrid = event.ctrlKey || event.metaKey; // Home and End go to the ends of the grid, not of the row
    const to = {
      ArrowLeft: this.current - (column > 0),
      ArrowRight: this.current + (column < this.columns - 1),
      ArrowUp: this.current - (row > 0 ? this.columns : 0),
      ArrowDown: this.current + (this.current + this.columns <= last ? this.columns : 0),
      Home: inGrid ? 0 : row,
      End: inGrid ? last : row + this.columns - 1,
    }[event.key];
    if (to !== undefined) this.cells[to].focus();
    else if (event.key === "Enter" || event.key === " ") this.choose(this.current);
    else if (event.key === "Escape") this.ask(null);
    else return;
    event.preventDefault();
  }
}
