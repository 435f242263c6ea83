/* A map on its photo, drawn on canvases: the colours of the regions, and the outlines of those that count. */

import { painted } from "./colours.js";

const FINE = 8; // pixels of a region in a smooth map; the browser scales it up

/* Scores (rows, columns) between the centres of the regions, as Pillow's bilinear resize has them. */
export function smoothed(scores, rows, columns, fine = FINE) {
  const [height, width] = [rows * fine, columns * fine];
  const wide = new Float32Array(height * width);
  const across = Array.from({ length: width }, (_, x) => between(x, columns, fine));
  for (let y = 0; y < height; y++) {
    const [top, bottom, down] = between(y, rows, fine);
    for (let x = 0; x < width; x++) {
      const [left, right, along] = across[x];
      const upper = scores[top * columns + left] * (1 - along) + scores[top * columns + right] * along;
      const lower = scores[bottom * columns + left] * (1 - along) + scores[bottom * columns + right] * along;
      wide[y * width + x] = upper * (1 - down) + lower * down;
    }
  }
  return wide;
}

function between(pixel, cells, fine) {
  const at = Math.min(Math.max((pixel + 0.5) / fine - 0.5, 0), cells - 1);
  const first = Math.floor(at);
  return [first, Math.min(first + 1, cells - 1), at - first];
}

const drawn = new WeakMap(); // canvas -> the map that is on it
const outlined = new WeakMap(); // canvas -> the outlines that are on it

/* A map that is already drawn is not drawn again: k changes only its outlines. */
export function drawMap(canvas, scores, grid, scale, colours, style) {
  const wanted = [scores, colours, scale.low, scale.high, style.opacity, style.threshold, style.drawn];
  if (drawn.get(canvas)?.every((part, i) => part === wanted[i])) return;
  drawn.set(canvas, wanted);
  const smooth = style.drawn === "Smooth";
  const fine = smooth ? FINE : 1;
  const [width, height] = [grid.columns * fine, grid.rows * fine];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const wide = smooth ? smoothed(scores, grid.rows, grid.columns, fine) : scores;
  const pixels = painted(wide, scale, colours, style);
  canvas.getContext("2d").putImageData(new ImageData(pixels, width, height), 0, 0);
  canvas.style.imageRendering = smooth ? "auto" : "pixelated";
}

/* The border of a set of regions, as lines [x, y, x, y] in units of regions; within it, the lines between two. */
export function borders(regions, grid) {
  const inside = new Set(regions);
  const lines = { around: [], within: [] };
  for (const region of inside) {
    const column = region % grid.columns;
    const row = (region - column) / grid.columns;
    const sides = [
      [row > 0 && inside.has(region - grid.columns), [column, row, column + 1, row]],
      [column > 0 && inside.has(region - 1), [column, row, column, row + 1]],
    ];
    for (const [shared, line] of sides) lines[shared ? "within" : "around"].push(line);
    if (!(row < grid.rows - 1 && inside.has(region + grid.columns)))
      lines.around.push([column, row + 1, column + 1, row + 1]);
    if (!(column < grid.columns - 1 && inside.has(region + 1)))
      lines.around.push([column + 1, row, column + 1, row + 1]);
  }
  return lines;
}

/* White within black is seen on a photo of any colour. Outlines that are already drawn are not drawn again, and those
   of an explainer without a size stay: it is hidden for a moment, as while Jupyter changes its theme. */
export function drawOutlines(canvas, regions, rival, grid, size) {
  if (!size.width) return;
  const dense = Math.min(globalThis.devicePixelRatio || 1, 2);
  const [width, height] = [Math.round(size.width * dense), Math.round(size.height * dense)];
  const wanted = [regions, rival, grid.rows, grid.columns, width, height].join(";");
  if (outlined.get(canvas) === wanted) return;
  outlined.set(canvas, wanted);
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const pen = canvas.getContext("2d");
  pen.clearRect(0, 0, width, height);
  pen.lineCap = "round";
  const unit = { x: width / grid.columns, y: height / grid.rows };
  // Thinner in a fine grid, so that the colour within is seen.
  const bold = Math.min(Math.max(Math.min(width / 180, unit.x / 9), 0.8 * dense), 2.2 * dense);
  const lines = borders(regions, grid);
  stroke(pen, lines.within, unit, [["rgb(255 255 255 / 45%)", 0.5 * bold]]);
  stroke(pen, lines.around, unit, [
    ["rgb(0 0 0 / 75%)", 2.4 * bold],
    ["#fff", bold],
  ]);
  dot(pen, rival, grid, unit, bold);
}

/* The other one's regions: a dot in the middle of each, beside any outline. */
function dot(pen, rival, grid, unit, bold) {
  pen.fillStyle = "#fff";
  pen.strokeStyle = "rgb(0 0 0 / 80%)";
  pen.lineWidth = 0.8 * bold;
  for (const region of rival) {
    const column = region % grid.columns;
    const row = (region - column) / grid.columns;
    pen.beginPath();
    pen.arc((column + 0.5) * unit.x, (row + 0.5) * unit.y, 1.7 * bold, 0, 2 * Math.PI);
    pen.fill();
    pen.stroke();
  }
}

function stroke(pen, lines, unit, strokes) {
  if (!lines.length) return;
  pen.beginPath();
  for (const [x, y, right, bottom] of lines) {
    pen.moveTo(x * unit.x, y * unit.y);
    pen.lineTo(right * unit.x, bottom * unit.y);
  }
  for (const [colour, wide] of strokes) {
    pen.strokeStyle = colour;
    pen.lineWidth = wide;
    pen.stroke();
  }
}
