/* Where the steps live: Streamlit calls the default export with the component whenever its data changed. */

import { Steps } from "./view.js";

const shown = new WeakMap(); // root element -> Steps

export default function ({ data, parentElement }) {
  let root = parentElement.querySelector(".explainer.steps");
  if (!root) {
    const made = new Steps();
    root = made.root;
    shown.set(root, made);
    parentElement.append(root);
  }
  shown.get(root).show(data);
}
