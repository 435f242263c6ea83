/* A photo's features and those of texts, as gallop/core/cosines.py compares them. No page is known here.
   Sizes as there: K classes, R regions, M global and N local prompts, D joint width. */

/* Texts in unit length: (K, P, D) of P vectors a class, and which of them each global and each local prompt is. */
export class Texts {
  constructor(vectors, classes, width, globals, locals) {
    this.classes = classes;
    this.width = width;
    this.each = vectors.length / (classes * width);
    this.globals = globals;
    this.locals = locals;
    this.units = new Float32Array(vectors.length);
    for (let at = 0; at < vectors.length; at += width) {
      const length = Math.max(norm(vectors, at, width), 1e-12);
      for (let i = at; i < at + width; i++) this.units[i] = vectors[i] / length;
    }
  }

  /* Cosines of one vector with each class (K, P). */
  beside(vector, start, damping) {
    const { width, units } = this;
    const length = Math.max(norm(vector, start, width), damping, 1e-12);
    const cosines = new Float32Array(this.classes * this.each);
    for (let row = 0; row < cosines.length; row++) {
      let sum = 0;
      for (let i = 0, at = row * width; i < width; i++) sum += vector[start + i] * units[at + i];
      cosines[row] = sum / length;
    }
    return cosines;
  }
}

export function norm(vector, start, width) {
  let sum = 0;
  for (let i = start; i < start + width; i++) sum += vector[i] * vector[i];
  return Math.sqrt(sum);
}

/* Of one look, {global (D), regions (R, D)}: {global (K, M), regions (R, K, N)}. Without local prompts regions are
   compared with the mean of the global ones, N = 1. */
export function cosinesOf(look, texts, damping) {
  const { classes, each, globals, locals, width } = texts;
  const picked = (cosines, prompts, to, at) => {
    for (let k = 0; k < classes; k++) for (const p of prompts) to[at++] = cosines[k * each + p];
  };
  const global = new Float32Array(classes * globals.length);
  picked(texts.beside(look.global, 0, damping.image), globals, global, 0);
  const count = look.regions.length / width;
  const step = classes * Math.max(locals.length, 1);
  const regions = new Float32Array(count * step);
  for (let region = 0; region < count; region++) {
    const cosines = texts.beside(look.regions, region * width, damping.region);
    if (locals.length) picked(cosines, locals, regions, region * step);
    else
      for (let k = 0; k < classes; k++) {
        const sum = globals.reduce((total, p) => total + cosines[k * each + p], 0);
        regions[region * step + k] = sum / globals.length;
      }
  }
  return { global, regions };
}
