/* Elements. Text only ever goes in as textContent or as an attribute: names in it are anybody's. */

const own = Math.random().toString(36).slice(2, 10); // each cell of a notebook reads this script again
let made = 0;

export function element(tag, name = "", attributes = {}, ...inside) {
  const node = document.createElement(tag);
  if (name) node.className = name;
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...inside);
  return node;
}

/* Only what changed: a thousand elements that are touched for nothing make a slow browser slower. */
export function put(node, attribute, value) {
  if (node.getAttribute(attribute) !== value) node.setAttribute(attribute, value);
}

export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/* A box, by the shares of its parent at which it lies and that it takes. */
export function lay(box, crop) {
  ["left", "top", "width", "height"].forEach((side, i) => (box.style[side] = `${100 * crop[i]}%`));
}

/* An id of its own, however many explainers a page has. */
export function freshId() {
  return `gx-${own}-${++made}`;
}

/* A control with its words above it. */
export function labelled(words, control) {
  control.id = freshId();
  return element("div", "field", {}, element("label", "", { for: control.id }, words), control);
}

/* Choices of a list, [value, text] each; it is built again only where they changed. */
export function choices(select, options, chosen) {
  const text = JSON.stringify(options);
  if (listed.get(select) !== text) {
    listed.set(select, text);
    select.replaceChildren(...options.map(([value, words]) => element("option", "", { value }, words)));
  }
  if (select.value !== chosen) select.value = chosen;
}

const listed = new WeakMap();
