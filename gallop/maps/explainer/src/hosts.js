/* Where an explainer lives. Hosts call the default export differently:
   - Streamlit (components v2) calls it with the component whenever its data changed;
   - anywidget calls it once without arguments and gets the object with its hooks.
   A page of its own has its data in blocks of JSON, each followed by pictures for readers without scripts, in whose
   place the explainer comes. */

import { Explainer } from "./view.js";

const shown = new WeakMap(); // root element -> Explainer

export default function (component) {
  return component ? showInStreamlit(component) : { render: showInNotebook };
}

function showInStreamlit({ data, parentElement, setStateValue }) {
  explainerIn(parentElement).show(data, (stands) => setStateValue("stands", stands));
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
