/* A photo as the image encoder takes it, level by level what gallop/backbones/preprocess.py makes of it with Pillow: bicubic,
   antialiased, in the fixed point of its 8-bit images. No page is known here. */

const BITS = 22; // of a coefficient behind the point: Pillow's 32 - 8 - 2
const REACH = 2; // of the bicubic kernel, in pixels
const LONGEST = 8; // times its short side: a longer photo is cut to it first

/* As Python rounds: a half to the even neighbour. */
export function rounded(value) {
  const low = Math.floor(value);
  const rest = value - low;
  if (rest !== 0.5) return rest < 0.5 ? low : low + 1;
  return low % 2 === 0 ? low : low + 1;
}

/* Which part of a photo is seen: what of it is resized to which size, where its middle is cut out of that, and the
   box (left, top, right, bottom) of all that in the photo's pixels, fractions allowed. */
export function placed(width, height, { size, squash }) {
  if (squash) return { part: [0, 0, width, height], scaled: [size, size], corner: [0, 0], box: [0, 0, width, height] };
  const most = LONGEST * Math.min(width, height);
  const part = [
    Math.floor(Math.max(width - most, 0) / 2),
    Math.floor(Math.max(height - most, 0) / 2),
    Math.min(width, most),
    Math.min(height, most),
  ];
  const [left, top, wide, high] = part;
  const long = Math.trunc((size * Math.max(wide, high)) / Math.min(wide, high));
  const scaled = wide <= high ? [size, long] : [long, size];
  const corner = scaled.map((side) => rounded((side - size) / 2));
  const [across, down] = [wide / scaled[0], high / scaled[1]];
  const [x, y] = corner;
  const box = [left + x * across, top + y * down, left + (x + size) * across, top + (y + size) * down];
  return { part, scaled, corner, box };
}

function bicubic(x) {
  const far = Math.abs(x);
  if (far < 1) return (1.5 * far - 2.5) * far * far + 1;
  return far < 2 ? ((-0.5 * far + 2.5) * far - 4) * far + 2 : 0;
}

/* Of each place from "first" to "last" of "count": from which pixel on, and with which weights, it is made. */
function weighed(pixels, from, to, count, first, last) {
  const scale = (to - from) / count;
  const wide = Math.max(scale, 1);
  const places = [];
  for (let place = first; place < last; place++) {
    const centre = from + (place + 0.5) * scale;
    const start = Math.max(Math.trunc(centre - REACH * wide + 0.5), 0);
    const end = Math.min(Math.trunc(centre + REACH * wide + 0.5), pixels);
    const kernel = Array.from({ length: end - start }, (_, i) => bicubic((start + i - centre + 0.5) / wide));
    const sum = kernel.reduce((a, b) => a + b, 0);
    const weights = Int32Array.from(kernel, (value) => {
      const exact = (sum ? value / sum : value) * 2 ** BITS;
      return Math.trunc(exact + (exact < 0 ? -0.5 : 0.5));
    });
    places.push({ start, weights });
  }
  return places;
}

const level = (sum) => Math.min(Math.max(sum >> BITS, 0), 255);

/* One pass over lines of pixels, across or down. Args: from, numbers; begin, where the first line begins; step, to the
   next pixel of a line; stride, to the next line; places, what each line is made into; to, where the results lie: to
   the next place, and to the next line. */
function passed(from, begin, step, stride, lines, places, to) {
  const made = new Uint8Array(lines * places.length * 3);
  places.forEach(({ start, weights }, place) => {
    for (let line = 0; line < lines; line++) {
      let [red, green, blue] = [1 << (BITS - 1), 1 << (BITS - 1), 1 << (BITS - 1)];
      let at = begin + line * stride + start * step;
      for (let i = 0; i < weights.length; i++, at += step) {
        const weight = weights[i];
        red += from[at] * weight;
        green += from[at + 1] * weight;
        blue += from[at + 2] * weight;
      }
      const out = place * to[0] + line * to[1];
      made[out] = level(red);
      made[out + 1] = level(green);
      made[out + 2] = level(blue);
    }
  });
  return made;
}

/* From which line on some places need lines, how many, and the places counted from there. */
function needed(places) {
  const first = places[0].start;
  const end = Math.max(...places.map(({ start, weights }) => start + weights.length));
  return [first, end - first, places.map(({ start, weights }) => ({ start: start - first, weights }))];
}

/* A part (left, top, width, height) of RGBA pixels, or a box within it, resized to "scaled", of which "cut" (left, top,
   width, height) is wanted: RGB, three bytes each. The first pass goes across, except where Pillow 13 considers the
   other order cheaper; the two orders differ by a level or two, at edges. */
export function resized(rgba, width, part, box, scaled, cut) {
  const [left, top, wide, high] = part;
  const [x0, y0, x1, y1] = box.map(Math.fround); // as Pillow has it
  const columns = weighed(wide, x0, x1, scaled[0], cut[0], cut[0] + cut[2]);
  const rows = weighed(high, y0, y1, scaled[1], cut[1], cut[1] + cut[3]);
  const begin = 4 * (top * width + left);
  const line = 3 * columns.length;
  if (scaled[1] < high && (scaled[0] >= wide || high > 2 * wide)) {
    const [first, count, places] = needed(columns);
    const low = passed(rgba, begin + 4 * first, 4 * width, 4, count, rows, [3 * count, 3]);
    return passed(low, 0, 3, 3 * count, rows.length, places, [3, line]);
  }
  const [first, count, places] = needed(rows);
  const narrow = passed(rgba, begin + 4 * first * width, 4, 4 * width, count, columns, [3, line]);
  return passed(narrow, 0, line, 3, columns.length, places, [line, 3]);
}

/* RGB of what is seen of a photo (RGBA), "times" as many pixels a side as usual of the same part: {rgb, side, box}. */
export function seen(rgba, width, height, preprocess, times = 1) {
  const { part, scaled, corner, box } = placed(width, height, preprocess);
  const { size } = preprocess;
  if (times !== 1) {
    const side = rounded(times * size);
    const inside = [Math.max(box[0], 0), Math.max(box[1], 0), Math.min(box[2], width), Math.min(box[3], height)];
    const all = [0, 0, width, height];
    return { rgb: resized(rgba, width, all, inside, [side, side], [0, 0, side, side]), side, box };
  }
  const within = [0, 0, part[2], part[3]];
  return { rgb: resized(rgba, width, part, within, scaled, [...corner, size, size]), side: size, box };
}

/* The image encoder's numbers (3, side, side) of RGB levels. */
export function numbers(rgb, { mean, std }) {
  const count = rgb.length / 3;
  const made = new Float32Array(rgb.length);
  for (let channel = 0; channel < 3; channel++) {
    const [low, spread] = [Math.fround(mean[channel]), Math.fround(std[channel])];
    const table = Float32Array.from({ length: 256 }, (_, value) =>
      Math.fround(Math.fround(Math.fround(value / 255) - low) / spread),
    );
    for (let i = 0; i < count; i++) made[channel * count + i] = table[rgb[3 * i + channel]];
  }
  return made;
}
