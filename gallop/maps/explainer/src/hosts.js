/* Where an explainer lives. Hosts call the default export differently:
   - Streamlit (components v2) calls it with the component whenever its data changed;
   - anywidget calls it once without arguments and gets the object with its hooks.
   A page of its own has its data in blocks of JSON, each followed by pictures for readers without scripts, in whose
   place the explainer comes. */

import { recalled, remember } from "./reload.js";
import { Explainer } from "./view.js";

const shown = new WeakMap(); // root element -> Explainer
const held = new Map(); // id -> what an explainer shows, but for what it stands at
const left = new Map(); // id -> what a hand left it at, as the host was told
const HELD = 8;

export default function (component) {
  return component ? showInStreamlit(component) : { render: showInNotebook };
}

/* Photo and cosines come once, and are known by their id from then on; what stands comes where it is not what was told
   last. So a page that is drawn again because a hand let go has nothing to send. What is not here after all is asked
   for. */
function showInStreamlit({ data, parentElement, setStateValue }) {
  const { id, whole, stands } = data;
  if (whole) hold(id, whole);
  if (!held.has(id) || !(stands ?? left.has(id))) return setStateValue("lacks", { id, at: Date.now() });
  const explainer = explainerIn(parentElement);
  const fresh = !explainer.data;
  const tell = (told) => {
    left.set(id, told);
    setStateValue("stands", { ...told, of: id, holds: [...held.keys()] });
  };
  explainer.show({ ...held.get(id), stands: stands ?? left.get(id) }, tell, (told) => remember(id, told));
  if (fresh) explainer.resume(recalled(id));
}

function hold(id, whole) {
  held.delete(id); // the newest last
  held.set(id, whole);
  if (held.size <= HELD) return;
  const oldest = held.keys().next().value;
  held.delete(oldest);
  left.delete(oldest);
}

function showInNotebook({ model, el }) {
  const tell = (stands) => {
    model.set("stands", stands);
    model.save_changes();
  };
  const show = () => explainerIn(el).show(model.get("data"), tell);
  model.on("change:data", show);
  show();
  return () => model.off("change:data", show);
}

function showInPage() {
  for (const block of document.querySelectorAll("script.explainer-data")) {
    const made = new Explainer();
    made.show(JSON.parse(block.textContent), () => {});
    block.nextElementSibling.replaceChildren(made.root);
  }
}

function explainerIn(parent) {
  const found = parent.querySelector(".explainer");
  if (found) return shown.get(found);
  const made = new Explainer();
  shown.set(made.root, made);
  parent.append(made.root);
  return made;
}

if (typeof document !== "undefined") showInPage();
