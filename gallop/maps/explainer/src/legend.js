/* Which colour is which score, under the photo. */

import { element, say } from "./dom.js";
import { drawMap } from "./map.js";
import { difference, figure } from "./words.js";

const PLAIN = { opacity: 1, threshold: 0, drawn: "Cells" };

export class Legend {
  constructor() {
    this.ramp = element("canvas", "ramp", { width: "256", height: "1", "aria-hidden": "true" });
    [this.low, this.high, this.about] = ["low", "high", "about"].map((name) => element("span", name));
    this.root = element("div", "legend", {}, this.about, element("div", "line", {}, this.low, this.ramp, this.high));
  }

  /* Args: title of the map; names of the class and of the one it is compared with. */
  show(subject, colours, title, name, otherName) {
    const { low, high, signed } = subject.scale;
    if (this.ramped !== colours) {
      const scores = Array.from({ length: 256 }, (_, i) => low + ((high - low) * i) / 255);
      drawMap(this.ramp, scores, { rows: 1, columns: 256 }, subject.scale, colours, PLAIN);
      this.ramped = colours;
    }
    say(this.low, signed ? `${otherName} ${difference(low)}` : figure(low));
    say(this.high, signed ? `${difference(high)} ${name}` : figure(high));
    say(this.about, signed && subject.kept ? `${title}. Dots: the k best regions of ${otherName}` : title);
  }
}
