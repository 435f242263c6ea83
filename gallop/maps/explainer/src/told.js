/* A prompt's score of a class as a sum over words and a rest, where Python took it apart: as Explanation.in_words. */

import { floats } from "./numerics.js";
import { figure } from "./words.js";

export class Told {
  /* Args: words, what gallop/maps/explainer/payload.py makes of a class; take, whose scores they are; c, the class. */
  constructor(words, take, c) {
    Object.assign(this, { ...words, take, c });
    this.globals = take.global.prompts;
    this.whole = floats(words.global); // (W, M)
    this.planes = words.looks.map(floats); // (R, W, N) of each look
  }

  /* What each part adds to the score of a prompt, global ones first, at k. */
  parts(p, topk) {
    const n = p - this.globals;
    const count = this.prompts[p].words.length;
    if (n < 0) return Array.from({ length: count }, (_, w) => this.whole[w * this.globals + p]);
    const sums = new Array(count).fill(0);
    this.take.looks.forEach((look, i) => {
      const chosen = look.topRegions(this.c, n, topk[n]);
      const share = this.take.lookWeights[i] / chosen.length;
      for (const region of chosen) this.ofRegion(region, n, i).forEach((value, w) => (sums[w] += share * value));
    });
    return sums;
  }

  /* What each part adds to the cosine of one region of a look with a local prompt. */
  ofRegion(region, n, look) {
    const [size, locals] = [this.size, this.prompts.length - this.globals];
    const count = this.prompts[this.globals + n].words.length;
    return Array.from({ length: count }, (_, w) => this.planes[look][(region * size + w) * locals + n]);
  }

  /* In short: the word that its context adds most of, if most of it is in words. Args: name, of the class. */
  short(p, name) {
    const { words, rest, learned } = this.prompts[p];
    if (!learned) return `“A photo of a ${name}”`;
    return rest > 0.5 || words.length < 3 ? "no word" : `“${words[1]}”`;
  }

  /* In words; the rest leads where it is more than half. Args: region of a look, or null. */
  line(p, topk, region, look) {
    const { words, rest, before, learned } = this.prompts[p];
    if (!learned) return `In words: what “A photo of a” says (cosine ${before.toFixed(4)}).`;
    const share = `${Math.round(100 * rest)} % of what its context adds is in no word`;
    const sum = (values) => {
      const total = values.reduce((a, b) => a + b, 0);
      const parts = values.map((value, w) => `${words[w]} ${figure(value)}`).filter((part) => !part.endsWith(" 0.0000"));
      return `${figure(total)} = ${parts.join(" + ")}`;
    };
    const score = sum(this.parts(p, topk));
    const here = region === null || p < this.globals ? "" : ` This region: ${sum(this.ofRegion(region, p - this.globals, look))}.`;
    const lines = rest > 0.5 ? `Mostly no word (${share}): ${score}.` : `In words: ${score} (${share}).`;
    return lines + here;
  }
}
