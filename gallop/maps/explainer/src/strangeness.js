/* Whether a photo may be none of the classes: a sentence, and a bar from sure to strange with the limit in its middle. */

import { element, put, say } from "./dom.js";
import { limitLine, strangeness } from "./words.js";

export class Strangeness {
  constructor() {
    this.words = element("p", "sentence");
    this.at = element("i", "at");
    this.was = element("i", "was");
    this.bar = element("div", "reach", { role: "img" }, element("i", "limit"), this.was, this.at);
    const ends = ["sure", "threshold", "strange"].map((word) => element("span", "", {}, word));
    this.root = element("div", "verdict", { hidden: "" }, this.words, this.bar, element("div", "ends", {}, ...ends));
  }

  /* Args: score and limit of outliers; classes, how many there are; before, another score or null. Hidden without a
     limit that decides. */
  show(score, limit, classes, before) {
    this.root.hidden = limit === null;
    if (limit === null) return;
    const place = strangeness(score, limit, classes);
    say(this.words, limitLine(place));
    this.at.style.left = `${100 * place}%`;
    this.was.hidden = before === null;
    if (before !== null) this.was.style.left = `${100 * strangeness(before, limit, classes)}%`;
    put(this.bar, "aria-label", `${Math.round(100 * place)} on a bar from 0, sure, to 100, strange; the threshold is 50`);
  }
}
