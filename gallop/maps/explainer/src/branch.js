/* What the map of a branch beside the prompts is about, as in gallop/maps/map_style.py: above zero a region speaks for the
   class. One map for every class, in which all regions count; it follows those of the local prompts. */

import { drawMap, drawOutlines } from "./map.js";
import { capital, linearLine } from "./words.js";

export class BranchSubject {
  /* Args: takes; number, which of the branches; place, how many maps come before it; c, a, before and look as for
     Subject. */
  constructor(takes, number, place, c, a, before, look = -1) {
    const [take, last] = [takes[0], takes.at(-1)];
    const branch = take.besides[number];
    const [mine, theirs] = [branch.looks.at(look), last.besides.find(({ name }) => name === branch.name)?.looks.at(look)];
    this.name = branch.name;
    this.place = place;
    this.c = c;
    this.other = before || a !== null;
    this.here = mine.has(c) && (a === null || mine.has(a));
    this.prompts = place + 1;
    this.maps = [];
    if (!this.here) return;
    const rival = before ? theirs?.map(c) : a === null ? undefined : mine.map(a);
    const mean = before ? (theirs?.means[c] ?? 0) : a === null ? 0 : mine.means[a];
    this.maps[place] = rival ? mine.map(c).map((score, region) => score - rival[region]) : mine.map(c);
    this.score = mine.means[c] - mean;
    this.regions = mine.regions;
    this.overallScore = branch.looks.length > 1 ? take.linearMean(branch, c) : null; // of the regions of all sizes
    this.lookWeight = take.lookWeights.at(look);
    const most = this.maps[place].reduce((highest, score) => Math.max(highest, Math.abs(score)), 1e-6);
    const wide = this.other ? most : mine.reach;
    this.scale = { low: -wide, high: wide, signed: true };
  }

  title(name) {
    return `Where shots speak for ${name}`;
  }
}

/* Draws it in an explainer: small among the others, large where it is chosen. */
export function paintBranch(view, branch, now) {
  const { grid } = view;
  const n = branch.place;
  const chosen = branch === view.chosen;
  if (n && !view.data.compact) {
    view.strip.show(n, "Every region", branch.name, chosen);
    view.strip.draw(n, branch, [], [], grid, view.signed, now);
  }
  if (!chosen) return;
  if (!now.all) {
    drawMap(view.map, branch.maps[n], grid, branch.scale, view.signed, now);
    drawOutlines(view.lines, [], [], grid, view.size);
  }
  const title = branch.other ? `What shots say: ${view.about}` : branch.title(view.name);
  view.track.showFixed(`${capital(branch.name)}: every region counts`, linearLine(branch));
  view.legend.show(branch, view.signed, title, view.ends);
}
