/* A photo, a map over the part that the model saw, and its regions as a grid of cells.

   Serves two hosts, which call the default export differently:
   - Streamlit (components v2) calls it with the component whenever its data changed;
   - anywidget calls it once without arguments and gets the object with its hooks.
   What is shown comes as one object, made by gallop/region_grid/panel.py. Text only ever goes in as textContent or as an
   attribute: names in it are anybody's. */

const HINT = "Point at a region to read it. Click it, or press Enter on it, to ask what it looks like.";
const panels = new WeakMap(); // root element -> Panel

export default function (component) {
  return component ? showInStreamlit(component) : { render: showInNotebook };
}

function showInStreamlit({ data, parentElement, setTriggerValue }) {
  // A trigger, not a state: asking for the same region again is asking again.
  panelIn(parentElement).show(data, (region) => setTriggerValue("asked", region));
}

function showInNotebook({ model, el }) {
  const choose = (region) => {
    model.set("region", region);
    model.save_changes();
  };
  const show = () => panelIn(el).show(model.get("panel"), choose);
  model.on("change:panel", show);
  show();
  return () => model.off("change:panel", show);
}

function panelIn(parent) {
  const found = parent.querySelector(".region-grid");
  if (found) return panels.get(found);
  const panel = new Panel();
  panels.set(panel.root, panel);
  parent.append(panel.root);
  return panel;
}

function element(tag, name, attributes = {}) {
  const made = document.createElement(tag);
  made.className = name;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/* Only what changed: a thousand cells that are touched for nothing make a slow browser slower. */
function put(cell, attribute, value) {
  if (cell.getAttribute(attribute) !== value) cell.setAttribute(attribute, value);
}

class Panel {
  constructor() {
    this.root = element("div", "region-grid");
    this.stage = element("div", "stage");
    this.photo = element("img", "photo", { alt: "" });
    this.seen = element("div", "seen");
    this.map = element("img", "map", { alt: "" });
    this.grid = element("div", "cells", { role: "grid" });
    // The words are each cell's own name too, so a screen reader has them already.
    this.words = element("div", "words", { "aria-hidden": "true" });
    this.cells = [];
    this.seen.append(this.map, this.grid);
    this.stage.append(this.photo, this.seen);
    this.root.append(this.stage, this.words);
    this.grid.addEventListener("keydown", (event) => this.walk(event));
    this.grid.addEventListener("click", (event) => this.choose(this.at(event)));
    this.grid.addEventListener("pointerover", (event) => this.say(this.at(event)));
    this.grid.addEventListener("pointerleave", () => this.say(this.here()));
    this.grid.addEventListener("focusin", (event) => this.arrive(this.at(event)));
    this.grid.addEventListener("focusout", () => this.say(this.data.selected));
  }

  show(data, send) {
    this.data = data;
    this.send = send;
    this.root.style.setProperty("--ratio", data.ratio);
    this.stage.classList.toggle("mapped", !data.clear);
    const sides = ["left", "top", "width", "height"];
    sides.forEach((side, i) => (this.seen.style[side] = `${100 * data.crop[i]}%`));
    if (this.photo.src !== data.photo) this.photo.src = data.photo;
    this.map.hidden = !data.map;
    if (data.map && this.map.src !== data.map) this.map.src = data.map;
    this.map.classList.toggle("blocks", !data.smooth);
    this.grid.setAttribute("aria-label", data.name);
    this.fill(data.rows, data.columns);
    this.mark();
    this.say(this.here());
  }

  fill(rows, columns) {
    if (this.cells.length === rows * columns && this.columns === columns) return;
    this.columns = columns;
    this.current = undefined;
    this.grid.style.setProperty("--columns", columns);
    this.grid.style.gridTemplate = `repeat(${rows}, 1fr) / repeat(${columns}, 1fr)`;
    this.cells = Array.from({ length: rows * columns }, (_, region) =>
      element("div", "cell", { role: "gridcell", "data-region": region }),
    );
    const lines = Array.from({ length: rows }, (_, row) => {
      const line = element("div", "row", { role: "row" });
      line.append(...this.cells.slice(row * columns, (row + 1) * columns));
      return line;
    });
    this.grid.replaceChildren(...lines);
  }

  mark() {
    const { kept, rival, selected, labels } = this.data;
    this.current ??= selected ?? kept[0] ?? 0; // one cell takes part in tabbing; arrow keys move it
    this.cells.forEach((cell, region) => {
      put(cell, "aria-label", labels[region]);
      put(cell, "aria-selected", String(region === selected));
      cell.tabIndex = region === this.current ? 0 : -1;
      cell.classList.toggle("kept", kept.includes(region));
      cell.classList.toggle("rival", rival.includes(region));
    });
  }

  /* The region of an event on a cell. */
  at(event) {
    const region = event.target.dataset?.region;
    return region === undefined ? undefined : Number(region);
  }

  /* The region whose words are shown when nothing is pointed at. */
  here() {
    return this.grid.contains(this.grid.getRootNode().activeElement) ? this.current : this.data.selected;
  }

  say(region) {
    this.words.textContent = this.data.labels[region] ?? HINT;
  }

  arrive(region) {
    if (region === undefined) return;
    this.current = region;
    this.mark();
    this.say(region);
  }

  choose(region) {
    if (region === undefined) return;
    this.data = { ...this.data, selected: region };
    this.arrive(region);
    this.send(region);
  }

  walk(event) {
    const last = this.cells.length - 1;
    const column = this.current % this.columns;
    const row = this.current - column;
    const whole = event.ctrlKey || event.metaKey;
    const to = {
      ArrowLeft: this.current - (column > 0),
      ArrowRight: this.current + (column < this.columns - 1),
      ArrowUp: this.current - (row > 0 ? this.columns : 0),
      ArrowDown: this.current + (this.current + this.columns <= last ? this.columns : 0),
      Home: whole ? 0 : row,
      End: whole ? last : row + this.columns - 1,
    }[event.key];
    if (to !== undefined) this.cells[to].focus();
    else if (event.key === "Enter" || event.key === " ") this.choose(this.current);
    else return;
    event.preventDefault();
  }
}
