/* The names, each with a button that takes it away, and a field for more. */

import { button, element } from "../explainer/dom.js";
import { added, parsed } from "./names.js";

export const MOST = 100;

export class Chips {
  /* Args: root; fixed, whether the names are those of a model; change(names), which may refuse by an error. */
  constructor(root, fixed, change) {
    this.change = change;
    this.fixed = fixed;
    this.list = element("ul", "chips", { "aria-label": fixed ? "Classes of this model" : "Names" });
    this.field = element("input", "", { id: "more", type: "text", autocomplete: "off", enterkeyhint: "done" });
    this.problem = element("p", "problem", { role: "alert" });
    this.form = element(
      "form",
      "more",
      {},
      element("label", "spoken", { for: "more" }, "Add a name"),
      this.field,
      element("button", "", { type: "submit" }, "Add"),
    );
    this.field.placeholder = "Add a name";
    this.form.hidden = fixed;
    root.replaceChildren(this.list, this.form, this.problem);
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.add(this.field.value);
    });
  }

  show(names) {
    this.names = names;
    this.list.replaceChildren(...names.map((name) => this.chip(name)));
  }

  chip(name) {
    const chip = element("li", "chip", {}, element("span", "", {}, name));
    if (this.fixed || this.names.length < 2) return chip;
    const without = () => {
      this.take(this.names.filter((other) => other !== name));
      this.field.focus();
    };
    const away = button("", without, "×");
    away.setAttribute("aria-label", `Take ${name} away`);
    chip.append(away);
    return chip;
  }

  async add(text) {
    const { names, problem } = added(this.names, parsed(text));
    this.problem.textContent = problem;
    if (names.length > MOST) this.problem.textContent = `${MOST} names are the most.`;
    else if (names.length > this.names.length && (await this.take(names))) this.field.value = "";
  }

  /* Shows the names at once, and takes them back where they are refused. */
  async take(names) {
    const before = this.names;
    this.show(names);
    try {
      await this.change(names);
      return true;
    } catch (error) {
      this.problem.textContent = error.message;
      this.show(before);
      return false;
    }
  }
}
