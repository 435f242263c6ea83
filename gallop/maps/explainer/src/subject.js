/* What the maps are about: a class, or what speaks for it and not for another, at each scale. No page is known here. */

import { place } from "./colours.js";

const LOW = 0.35; // of the scale: below it a map has nothing to show
const ALIKE = 0.25; // of a logit: what differs less is no difference

export class Subject {
  /* Args: takes; c, the class; a, another class, or null; before, whether the second take is subtracted; look, whose
     regions are shown, the finest by default. */
  constructor(takes, range, c, a, before, look = -1) {
    this.take = takes[0];
    this.local = takes[0].looks.at(look);
    this.alike = ALIKE / takes[0].scale;
    this.range = range;
    this.c = c;
    this.other = before ? { of: takes[1].looks.at(look), c } : a === null ? null : { of: this.local, c: a };
    this.here = this.local.has(c) && (!this.other || this.other.of.has(this.other.c));
    this.prompts = this.here ? this.local.usual.length : 0;
    this.maps = Array.from({ length: this.prompts }, (_, n) => this.scores(n));
    this.scale = this.scaled();
  }

  scores(n) {
    const mine = this.local.map(this.c, n);
    if (!this.other) return mine;
    const theirs = this.other.of.map(this.other.c, n);
    return mine.map((score, region) => score - theirs[region]);
  }

  /* One scale for all maps. Of scores it reaches from what a region usually has to the best score of any class, so
     that colours mean the same for every class; of differences equally far on both sides of zero. */
  scaled() {
    const [low, high] = this.range;
    if (!this.other) return { low, high, signed: false };
    const most = (map) => map.reduce((highest, score) => Math.max(highest, Math.abs(score)), 0);
    this.reach = Math.max(0, ...this.maps.map(most));
    const wide = Math.max(this.reach, this.alike);
    return { low: -wide, high: wide, signed: true };
  }

  topRegions(n, k) {
    return this.local.topRegions(this.c, n, k);
  }

  rival(n, k) {
    return this.other ? this.other.of.topRegions(this.other.c, n, k) : [];
  }

  score(n, k) {
    return this.local.topkMean(this.c, n, k);
  }

  /* The score of the regions of all sizes, where there are several; "score" is that of the size that is shown. */
  overallScore(n, k) {
    return this.take.looks.length > 1 ? this.take.topkMean(this.c, n, k) : null;
  }

  /* The weight of the size that is shown in it: from 0, for its maps alone, to 1. */
  get lookWeight() {
    return this.take.lookWeights[this.take.looks.indexOf(this.local)];
  }

  otherScore(n, k) {
    return this.other.of.topkMean(this.other.c, n, k);
  }

  gap(n, k) {
    return this.score(n, k) - this.otherScore(n, k);
  }

  /* The highest score of the maps, or their largest difference from zero. */
  get most() {
    return this.other ? this.reach : Math.max(...this.maps.map((map) => map.reduce((a, b) => Math.max(a, b))));
  }

  /* Whether the maps show nothing, which is then stated in words. */
  get faint() {
    if (!this.prompts) return false;
    return this.other ? this.reach < this.alike : place(this.most, this.scale) < LOW;
  }
}
