/* Which size of regions is shown, where the photo was looked at twice. A region that is asked is always one of the
   finest grid; of another grid it is the one in which its centre lies, as app/visitor/page_state.py has it. */

import { button, element, put, say } from "./dom.js";
import { placeOf } from "./words.js";

const ANSWERS = 5; // most probable classes that are listed for a region

export class Sizes {
  constructor(choose) {
    this.root = element("div", "sizes", { role: "group", "aria-label": "Size of regions" });
    this.choose = choose;
    this.buttons = [];
  }

  show(grids, look) {
    this.root.hidden = grids.length < 2;
    while (this.buttons.length < grids.length) {
      const at = this.buttons.length;
      this.buttons.push(button("quiet", () => this.choose(at)));
      this.root.append(this.buttons[at]);
    }
    this.buttons.forEach((button, at) => {
      button.hidden = at >= grids.length;
      if (button.hidden) return;
      say(button, `${grids[at].rows} × ${grids[at].columns} regions`);
      put(button, "aria-pressed", String(at === look));
    });
  }
}

/* The region of another grid in which the centre of this one lies; null stays null. */
export function placed(region, from, to) {
  if (region === null || from === to) return region;
  const column = region % from.columns;
  const row = (region - column) / from.columns;
  const at = (cell, cells, others) => Math.floor(((2 * cell + 1) * others) / (2 * cells));
  return at(row, from.rows, to.rows) * to.columns + at(column, from.columns, to.columns);
}

/* Shows the most probable classes of the region that is asked, in an explainer. */
export function showAsked(view) {
  const place = view.here === null ? null : placeOf(view.here, view.grid);
  if (view.askedOf === `${place}${view.cosines}`) return;
  const classes = place && view.takes[0].alone(view.here, ANSWERS, view.subject.local);
  view.asked.show(place, classes, view.data.names);
  view.askedOf = `${place}${view.cosines}`;
}
