/* The colour and opacity of each score; gallop/maps/map_style.py makes the tables and the scale. */

/* 256 colours, three bytes each. */
export function table(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/* From 0 to 1: where a score lies on a scale. */
export function place(score, scale) {
  return Math.min(Math.max((score - scale.low) / (scale.high - scale.low), 0), 1);
}

/* From 0 to 1: how strong a score is. On a signed scale zero is in the middle, and the distance from it counts. */
export function strength(score, scale) {
  const at = place(score, scale);
  return scale.signed ? Math.abs(2 * at - 1) : at;
}

/* Colour and opacity of every score, four bytes each: weak scores are nearly transparent, those below the threshold
   are transparent. */
export function painted(scores, scale, colours, { opacity, threshold }) {
  const pixels = new Uint8ClampedArray(4 * scores.length);
  for (let i = 0; i < scores.length; i++) {
    const strong = strength(scores[i], scale);
    const entry = 3 * Math.round(255 * place(scores[i], scale));
    pixels[4 * i] = colours[entry];
    pixels[4 * i + 1] = colours[entry + 1];
    pixels[4 * i + 2] = colours[entry + 2];
    pixels[4 * i + 3] = strong < threshold ? 0 : 255 * opacity * veil(strong);
  }
  return pixels;
}

/* Steep at first and level at the end: half of the way to the strongest shows three quarters. */
export function veil(strong) {
  return strong * (2 - strong);
}
