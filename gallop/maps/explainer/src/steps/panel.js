/* What every step has: a title, few words, its parts, and its formula folded away. */

import { element, put, say } from "../dom.js";

export class Panel {
  /* Args: title; stage: what is drawn on the photo, of "frame", "grid", "plain", "probabilities", "map", "topk" and
     "surest".
     A step's "over", where it has one, lies on the photo itself. */
  constructor(title, stage) {
    this.title = title;
    this.stage = stage;
    this.over = null;
    this.words = element("p", "saying");
    this.notes = element("p", "note");
    this.parts = element("div", "parts");
    this.formula = element("p", "formula");
    this.folded = element("details", "options", {}, element("summary", "", {}, "Formula"), this.formula);
    this.link = element("a", "quiet", { download: "" });
    this.inCode = element("p", "note", {}, "In code: ", this.link);
    this.root = element("div", "step", {}, this.words, this.parts, this.notes, this.folded, this.inCode);
  }

  add(...parts) {
    this.parts.append(...parts);
  }

  /* Args: name and address of the notebook that builds this step; nothing where there is none. */
  lead([name, address] = []) {
    this.inCode.hidden = name === undefined;
    if (this.inCode.hidden) return;
    say(this.link, `the notebook ${name}`);
    put(this.link, "href", address);
  }

  /* Args: words; formula; note, which the page gives for this step. */
  tell(words, formula, note = "") {
    say(this.words, words);
    say(this.formula, formula);
    say(this.notes, note);
    this.folded.hidden = !formula;
  }
}

export function plural(count, word) {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}
