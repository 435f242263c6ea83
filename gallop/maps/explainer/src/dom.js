/* Elements. Text is only set as textContent or as an attribute, since names in it may be hostile. */

const scriptId = Math.random().toString(36).slice(2, 10); // each cell of a notebook loads this script again
let made = 0;

export function element(tag, name = "", attributes = {}, ...inside) {
  const node = document.createElement(tag);
  if (name) node.className = name;
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...inside);
  return node;
}

/* Args: act(event), what a press does. */
export function button(name, act, ...inside) {
  const made = element("button", name, { type: "button" }, ...inside);
  made.addEventListener("click", act);
  return made;
}

/* Sets only what changed: writing unchanged attributes of a thousand elements makes a slow browser slower. */
export function put(node, attribute, value) {
  if (node.getAttribute(attribute) !== value) node.setAttribute(attribute, value);
}

export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/* Places a box: its position and size as fractions of its parent. */
export function lay(box, crop) {
  ["left", "top", "width", "height"].forEach((side, i) => (box.style[side] = `${100 * crop[i]}%`));
}

/* A unique id, however many explainers a page has. */
export function freshId() {
  return `gx-${scriptId}-${++made}`;
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
