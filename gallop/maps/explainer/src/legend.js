/* Which colour is which score, under the photo. */

import { element, say } from "./dom.js";
import { drawMap } from "./map.js";
import { difference, figure } from "./words.js";

const PLAIN = { opacity: 1, threshold: 0, drawn: "Cells" };

export class Legend {
  constructor() {
    this.ramp = element("canvas", "ramp", { width: "256", height: "1", "aria-hidden": "true" });
    [this.low, this.high, this.about] = ["low", "high", "about"].map((name) => element("span", name));
    this.root = element("div", "legend", {}, this.about, this.ramp, element("div", "line", {}, this.low, this.high));
  }

  /* Args: title of the map; what the ends of a signed scale speak for. */
  show(subject, colours, title, [least, most]) {
    const { low, high, signed } = subject.scale;
    if (this.ramped !== colours) {
      const scores = Array.from({ length: 256 }, (_, i) => low + ((high - low) * i) / 255);
      drawMap(this.ramp, scores, { rows: 1, columns: 256 }, subject.scale, colours, PLAIN);
      this.ramped = colours;
    }
    say(this.low, signed ? `${least} ${difference(low)}` : figure(low));
    say(this.high, signed ? `${difference(high)} ${most}` : figure(high));
    say(this.about, title);
  }
}
