/* Where an explainer lives. Hosts call the default export differently:
   - Streamlit (components v2) calls it with the component whenever its data changed;
   - anywidget calls it once without arguments and gets the object with its hooks.
   An HTML page has its data in blocks of JSON, each followed by pictures for readers without scripts, which the
   explainer replaces. */

import { recalled, remember } from "./reload.js";
import { Explainer } from "./view.js";

const shown = new WeakMap(); // root element -> Explainer
const contents = new Map(); // id -> what an explainer shows, without its state
const sentStates = new Map(); // id -> the state that the host was sent last
const MOST_CONTENTS = 8;

export default function (component) {
  return component ? showInStreamlit(component) : { render: showInNotebook };
}

/* Photo and cosines come once, and are known by their id from then on; the state comes where it is not the one that was
   sent to the host last. So a page that is drawn again after an interaction has nothing to send. What is missing is
   requested. */
function showInStreamlit({ data, parentElement, setStateValue }) {
  const { id, content, state, edit } = data;
  if (content) store(id, content);
  if (!contents.has(id) || !(state ?? sentStates.has(id))) return setStateValue("lacks", { id, at: Date.now() });
  const explainer = explainerIn(parentElement);
  const fresh = !explainer.data;
  const notify = (sent) => {
    sentStates.set(id, sent);
    setStateValue("state", { ...sent, of: id, holds: [...contents.keys()] });
  };
  const shown = { ...contents.get(id), edit, state: state ?? sentStates.get(id) };
  const hosts = { remember: (now) => remember(id, now), tell: (changed) => setStateValue("edit", changed) };
  explainer.show(shown, notify, hosts);
  if (fresh) explainer.resume(recalled(id));
}

function store(id, content) {
  contents.delete(id); // the newest last
  contents.set(id, content);
  if (contents.size <= MOST_CONTENTS) return;
  const oldest = contents.keys().next().value;
  contents.delete(oldest);
  sentStates.delete(oldest);
}

function showInNotebook({ model, el }) {
  const notify = (state) => {
    model.set("browser_state", state);
    model.save_changes();
  };
  const show = () => explainerIn(el).show(model.get("data"), notify);
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
  const root = parent.querySelector(".explainer");
  if (root) return shown.get(root);
  const made = new Explainer();
  shown.set(made.root, made);
  parent.append(made.root);
  return made;
}

if (typeof document !== "undefined") showInPage();
