/* Photos side by side, each with its answer: a click chooses one, and some can be removed or selected. */

const shown = new WeakMap(); // root element -> Strip

export default function ({ data, parentElement, setTriggerValue, setStateValue }) {
  let root = parentElement.querySelector(".strip");
  if (!root) {
    const made = new Strip();
    root = made.root;
    shown.set(root, made);
    parentElement.append(root);
  }
  shown.get(root).show(data, setTriggerValue, (selected) => setStateValue("selected", selected));
}

class Strip {
  constructor() {
    this.root = element("div", "strip");
    this.root.setAttribute("role", "group");
    this.root.setAttribute("aria-label", "Photos");
    this.tiles = new Map(); // photo -> its tile
    this.turn = 0; // counts selections: an answer to an old one changes no check mark back
    this.root.addEventListener("change", () => this.select());
  }

  show({ tiles, chosen, turn }, send, sendSelected) {
    const [before, current] = [this.chosen, turn >= this.turn];
    [this.chosen, this.sendSelected, this.turn] = [chosen, sendSelected, Math.max(turn, this.turn)];
    this.root.classList.toggle("wraps", tiles.some(({ selected }) => selected !== null));
    for (const [key, tile] of this.tiles) {
      if (tiles.some((wanted) => wanted.key === key)) continue;
      tile.root.remove();
      this.tiles.delete(key);
    }
    tiles.forEach((wanted, place) => {
      const known = this.tiles.has(wanted.key);
      if (!known) this.tiles.set(wanted.key, new Tile());
      const tile = this.tiles.get(wanted.key);
      if (current || !known) tile.mark.checked = Boolean(wanted.selected);
      tile.show(wanted, chosen, send);
      if (this.root.children[place] !== tile.root) this.root.insertBefore(tile.root, this.root.children[place] ?? null);
    });
    const tile = this.tiles.get(chosen);
    if (tile && chosen !== before) this.uncover(tile.root);
  }

  select() {
    this.turn += 1;
    const keys = [...this.tiles].filter(([, tile]) => tile.mark.checked).map(([key]) => key);
    this.sendSelected([this.turn, ...keys]);
  }

  /* Only the strip is scrolled, never the page. */
  uncover(node) {
    const [left, right] = [node.offsetLeft, node.offsetLeft + node.offsetWidth];
    if (left < this.root.scrollLeft) this.root.scrollLeft = left - 8;
    else if (right > this.root.scrollLeft + this.root.clientWidth)
      this.root.scrollLeft = right - this.root.clientWidth + 8;
  }
}

class Tile {
  constructor() {
    this.picture = element("img", "picture");
    this.picture.alt = "";
    this.name = element("span", "name");
    this.verdict = element("span", "verdict");
    this.choose = element("button", "choose", this.picture, this.name, this.verdict);
    this.away = element("button", "away", "×");
    for (const button of [this.choose, this.away]) button.type = "button";
    this.mark = element("input", "mark");
    this.mark.type = "checkbox";
    this.root = element("div", "tile", this.choose, this.away, this.mark);
    this.choose.addEventListener("click", () => this.send("chosen", this.key));
    this.away.addEventListener("click", () => this.send("away", this.key));
  }

  show({ key, name, url, verdict, removable, about, selected }, chosen, send) {
    [this.key, this.send] = [key, send];
    if (this.picture.src !== url) this.picture.src = url;
    say(this.name, name);
    say(this.verdict, verdict);
    this.choose.setAttribute("aria-label", name);
    this.choose.setAttribute("aria-description", [verdict, about].filter(Boolean).join(". "));
    this.choose.setAttribute("aria-pressed", String(key === chosen));
    this.choose.title = [name, [verdict, about].filter(Boolean).join(". ")].filter(Boolean).join(": ");
    this.mark.hidden = selected === null;
    this.mark.setAttribute("aria-label", `Select ${about || name}`);
    this.away.hidden = !removable;
    this.away.setAttribute("aria-label", `Take ${name} away`);
    this.away.title = `Take ${name} away`;
  }
}

function element(tag, name, ...inside) {
  const node = document.createElement(tag);
  node.className = name;
  node.append(...inside);
  return node;
}

function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
