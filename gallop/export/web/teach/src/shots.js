/* Photos that are learned from: {id, name, blob, thumb, sketch, look}. */

import { pixelsOf } from "./photo.js";
import { LIMITS, pictureDigest } from "./project.js";
import { kept } from "./shot.js";
import { differs } from "./store.js";

const THUMB = 96; // pixels a side
const SKETCH = 24; // pixels a side: a camera's noise is gone there

function canvas(width, height) {
  const made = Object.assign(document.createElement("canvas"), { width, height });
  const pen = made.getContext("2d", { willReadFrequently: true });
  pen.imageSmoothingQuality = "high";
  return [made, pen];
}

/* A picture no larger than a project takes. */
export function shrunk(bitmap) {
  const by = Math.min(1, LIMITS.shotSide / Math.max(bitmap.width, bitmap.height));
  const [made, pen] = canvas(...[bitmap.width, bitmap.height].map((side) => Math.max(Math.round(side * by), 1)));
  pen.drawImage(bitmap, 0, 0, made.width, made.height);
  return made;
}

/* A frame, as pixelsOf gives it, with its id; before its pixels are handed to the worker. */
export function digested(frame) {
  frame.id = pictureDigest(frame.rgba, frame.width, frame.height);
  return frame;
}

/* Args: frame, with canvas and id; look, what the encoder says of it. */
export async function photoOf(frame, look, name) {
  const blob = await new Promise((made) => frame.canvas.toBlob(made, "image/png"));
  return { id: frame.id, name, blob, thumb: thumbOf(frame.canvas), sketch: sketchOf(frame.canvas), look: kept(look) };
}

function thumbOf(source) {
  const [made, pen] = canvas(THUMB, THUMB);
  const by = THUMB / Math.min(source.width, source.height);
  const [width, height] = [source.width * by, source.height * by];
  pen.drawImage(source, (THUMB - width) / 2, (THUMB - height) / 2, width, height);
  return made.toDataURL("image/jpeg", 0.8);
}

/* A picture's grey levels, few of them. */
export function sketchOf(source) {
  const [made, pen] = canvas(SKETCH, SKETCH);
  pen.drawImage(source, 0, 0, SKETCH, SKETCH);
  const { data } = pen.getImageData(0, 0, SKETCH, SKETCH);
  return Uint8Array.from({ length: SKETCH * SKETCH }, (_, i) => (data[4 * i] + data[4 * i + 1] + data[4 * i + 2]) / 3);
}

/* A photo that is only a file, {name, sha256, bytes}, looked at. Raises an error where it is another picture. */
export async function photoFrom({ name, sha256, bytes }, encoders) {
  const bitmap = await createImageBitmap(new Blob([bytes]), { colorSpaceConversion: "none" });
  const frame = digested(pixelsOf(bitmap));
  bitmap.close();
  if (frame.id !== sha256) throw new Error(name);
  const { looks } = await encoders.look(frame);
  return photoOf(frame, looks[0], name);
}

/* A function that says of canvases, one after another, whether each differs from the photos of a class and from those
   that it has said so of; the first one is taken anyway. */
export function differing(photos) {
  const before = photos.map(({ sketch }) => sketch);
  let first = true;
  return (source) => {
    const seen = sketchOf(source);
    const other = first || differs(seen, before);
    if (other) before.push(seen);
    first = false;
    return other;
  };
}
