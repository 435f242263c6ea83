/* What the head's map is about, as gallop/maps/look.py has it: above zero a region speaks for the class. One map for
   every class, in which all regions count; it stands behind those of the local prompts. */

import { drawMap, drawOutlines } from "./map.js";
import { difference, figure, headLine } from "./words.js";

export class HeadSubject {
  /* Args: takes; reach, how far from zero the maps of all classes go; place, how many maps stand before it; c, a,
     before and look as for Subject. */
  constructor(takes, reach, place, c, a, before, look = -1) {
    const [take, last] = [takes[0], takes.at(-1)];
    const [head, theirs] = [take.heads.at(look), last.heads.at(look)];
    this.c = c;
    this.other = before || a !== null;
    this.here = head.has(c) && (a === null || head.has(a));
    this.prompts = place + 1;
    this.maps = [];
    if (!this.here) return;
    const rival = before ? theirs?.map(c) : a === null ? undefined : head.map(a);
    const mean = before ? (theirs?.means[c] ?? 0) : a === null ? 0 : head.means[a];
    this.maps[place] = rival ? head.map(c).map((score, region) => score - rival[region]) : head.map(c);
    this.score = head.means[c] - mean;
    this.regions = head.regions;
    this.whole = take.heads.length > 1 ? take.headMean(c) : null; // of the regions of all sizes
    this.share = take.shares.at(look);
    const most = this.maps[place].reduce((found, score) => Math.max(found, Math.abs(score)), 1e-6);
    const wide = this.other ? most : reach;
    this.scale = { low: -wide, high: wide, signed: true };
  }

  title(name) {
    return `Where shots speak for ${name}`;
  }
}

/* Draws it in an explainer: small among the others, large where it is chosen. */
export function paintHead(view, now) {
  const { head, grid } = view;
  const n = view.usual.length;
  const words = `head: ${head.other ? difference(head.score) : figure(head.score)}`;
  if (n && !view.data.compact) {
    view.strip.show(n, "Every region", words, view.onHead);
    view.strip.draw(n, head, [], [], grid, view.signed, now);
  }
  if (!view.onHead) return;
  if (!now.all) {
    drawMap(view.map, head.maps[n], grid, head.scale, view.signed, now);
    drawOutlines(view.lines, [], [], grid, view.size);
  }
  const title = head.other ? `What shots say: ${view.title}` : head.title(view.name);
  view.track.showFixed("Head: every region counts", headLine(head));
  view.legend.show(head, view.signed, title, view.name, view.otherName ?? "other classes");
}
