/* Joined from src by `python -m gallop.maps.explainer.join`: change those, not this. */

// colours.js
/* Which score has which colour and how strongly it shows: gallop/maps/look.py says the tables and the scale. */

/* 256 colours, three bytes each. */
function table(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/* From 0 to 1: where a score lies on a scale. */
function place(score, scale) {
  return Math.min(Math.max((score - scale.low) / (scale.high - scale.low), 0), 1);
}

/* From 0 to 1: how much it stands out. On a signed scale zero is in the middle, and how far from it counts. */
function strength(score, scale) {
  const at = place(score, scale);
  return scale.signed ? Math.abs(2 * at - 1) : at;
}

/* Colour and opacity of every score, four bytes each: what stands out little shows little, what is below the
   threshold nothing. */
function painted(scores, scale, colours, { opacity, threshold }) {
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
function veil(strong) {
  return strong * (2 - strong);
}

// dom.js
/* Elements. Text only ever goes in as textContent or as an attribute: names in it are anybody's. */

const own = Math.random().toString(36).slice(2, 10); // each cell of a notebook reads this script anew
let made = 0;

function element(tag, name = "", attributes = {}, ...inside) {
  const node = document.createElement(tag);
  if (name) node.className = name;
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...inside);
  return node;
}

/* Only what changed: a thousand elements that are touched for nothing make a slow browser slower. */
function put(node, attribute, value) {
  if (node.getAttribute(attribute) !== value) node.setAttribute(attribute, value);
}

function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/* A box, by the shares of its parent at which it lies and that it takes. */
function lay(box, crop) {
  ["left", "top", "width", "height"].forEach((side, i) => (box.style[side] = `${100 * crop[i]}%`));
}

/* An id of its own, however many explainers a page has. */
function freshId() {
  return `gx-${own}-${++made}`;
}

/* A control with its words above it. */
function labelled(words, control) {
  control.id = freshId();
  return element("div", "field", {}, element("label", "", { for: control.id }, words), control);
}

/* Choices of a list, [value, text] each; it is built anew only where they changed. */
function choices(select, options, chosen) {
  const text = JSON.stringify(options);
  if (listed.get(select) !== text) {
    listed.set(select, text);
    select.replaceChildren(...options.map(([value, words]) => element("option", "", { value }, words)));
  }
  if (select.value !== chosen) select.value = chosen;
}

const listed = new WeakMap();

// frames.js
/* Drawing once a frame, however often a hand moves. */

function onceAFrame(paint) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      paint();
    });
  };
}

// map.js
/* A map on its photo, drawn on canvases: the colours of the regions, and the outlines of those that count. */

const FINE = 8; // pixels a region has in a smooth map; the browser does the rest

/* Scores (rows, columns) between the centres of the regions, as Pillow's bilinear resize has them. */
function smoothed(scores, rows, columns, fine = FINE) {
  const [height, width] = [rows * fine, columns * fine];
  const wide = new Float32Array(height * width);
  const across = Array.from({ length: width }, (_, x) => between(x, columns, fine));
  for (let y = 0; y < height; y++) {
    const [top, bottom, down] = between(y, rows, fine);
    for (let x = 0; x < width; x++) {
      const [left, right, share] = across[x];
      const upper = scores[top * columns + left] * (1 - share) + scores[top * columns + right] * share;
      const lower = scores[bottom * columns + left] * (1 - share) + scores[bottom * columns + right] * share;
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

/* A map that stands there already is not drawn again: k moves its outlines alone. */
function drawMap(canvas, scores, grid, scale, colours, style) {
  const wanted = [scores, colours, scale.low, scale.high, style.opacity, style.threshold, style.smooth];
  if (drawn.get(canvas)?.every((part, i) => part === wanted[i])) return;
  drawn.set(canvas, wanted);
  const fine = style.smooth ? FINE : 1;
  const [width, height] = [grid.columns * fine, grid.rows * fine];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const wide = style.smooth ? smoothed(scores, grid.rows, grid.columns, fine) : scores;
  const pixels = painted(wide, scale, colours, style);
  canvas.getContext("2d").putImageData(new ImageData(pixels, width, height), 0, 0);
  canvas.style.imageRendering = style.smooth ? "auto" : "pixelated";
}

/* The border of a set of regions, as lines [x, y, x, y] in units of regions; within it, the lines between two. */
function borders(kept, grid) {
  const inside = new Set(kept);
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

/* White within black is seen on a photo of any colour. Those that stand there already are not drawn again, and those
   of an explainer without a size stay: it is hidden for a moment, as while Jupyter changes its theme. */
function drawOutlines(canvas, kept, rival, grid, size) {
  if (!size.width) return;
  const dense = Math.min(globalThis.devicePixelRatio || 1, 2);
  const [width, height] = [Math.round(size.width * dense), Math.round(size.height * dense)];
  const wanted = [kept, rival, grid.rows, grid.columns, width, height].join(";");
  if (outlined.get(canvas) === wanted) return;
  outlined.set(canvas, wanted);
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const pen = canvas.getContext("2d");
  pen.clearRect(0, 0, width, height);
  pen.lineCap = "round";
  const unit = { x: width / grid.columns, y: height / grid.rows };
  // Thinner in a fine grid, so that the colour within is seen.
  const bold = Math.min(Math.max(Math.min(width / 180, unit.x / 9), 0.8 * dense), 2.2 * dense);
  const lines = borders(kept, grid);
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

// numerics.js
/* What follows from a photo's cosines, equal to gallop/model/similarity.py and scores.py: top-k means, probabilities,
   outlier scores. Nothing here knows a page. Sizes as there: K classes, R regions, M global and N local prompts. */

/* Base64 of little-endian float32. */
function floats(text) {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return new Float32Array(bytes.buffer);
}

function softmax(logits) {
  const most = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const shares = Float64Array.from(logits, (logit) => Math.exp(logit - most));
  const sum = shares.reduce((a, b) => a + b, 0);
  return shares.map((share) => share / sum);
}

function mean(values) {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

/* The indices of the largest values, largest first, the earlier one of two that are equal. */
function largest(values, count = values.length) {
  const order = Array.from(values.keys()).sort((a, b) => values[b] - values[a] || a - b);
  return order.slice(0, count);
}

/* Prompts that are matched with the whole photo: cosines (K, M). */
class Whole {
  constructor(data, classes) {
    this.prompts = data.prompts;
    const cosines = floats(data.cosines);
    this.rows = Array.from({ length: classes }, (_, c) => cosines.subarray(c * data.prompts, (c + 1) * data.prompts));
    this.means = Float64Array.from(this.rows, mean);
  }

  scores() {
    return this.means;
  }
}

/* Prompts that are matched with regions: cosines (R, K, N), kept by prompt and class, so that a map lies together.
   Of many classes only some are here; of the others their scores at the last k that Python was asked for. */
class Regions {
  constructor(data, classes, regions) {
    this.prompts = data.prompts;
    this.usual = data.usual; // k of the model; none where these prompts have no maps
    this.regions = regions;
    const sent = data.classes ?? Array.from({ length: classes }, (_, c) => c);
    this.rank = new Map(sent.map((c, i) => [c, i]));
    this.whole = sent.length === classes;
    this.classes = sent.length;
    this.last = data.last; // {topk, means (K, N)} where not all are here
    this.best = data.best; // and of each region the most probable classes
    this.lastMeans = data.last && floats(data.last.means);
    const cosines = floats(data.cosines);
    this.planes = new Float32Array(cosines.length);
    const [K, N, R] = [this.classes, this.prompts, regions];
    for (let r = 0, i = 0; r < R; r++)
      for (let c = 0; c < K; c++) for (let n = 0; n < N; n++, i++) this.planes[(n * K + c) * R + r] = cosines[i];
    const [first, ...others] = Array.from({ length: N }, (_, n) => this.planes.subarray(n * K * R, (n + 1) * K * R));
    this.alike = others.every((plane) => plane.every((cosine, i) => cosine === first[i]));
    this.sums = new Map(); // prompt -> (K, R + 1): sums of the best 0, 1, ... R cosines of each class
    this.orders = new Map();
  }

  has(c) {
    return this.rank.has(c);
  }

  /* The cosines (R) of a class and prompt. */
  map(c, n) {
    const start = (n * this.classes + this.rank.get(c)) * this.regions;
    return this.planes.subarray(start, start + this.regions);
  }

  /* Regions, the best first, as a stable sort has them. */
  order(c, n) {
    const key = c * this.prompts + n;
    if (!this.orders.has(key)) this.orders.set(key, largest(this.map(c, n)));
    return this.orders.get(key);
  }

  kept(c, n, k) {
    return this.order(c, n).slice(0, k);
  }

  /* Sorted once for every k: a class's top-k mean is then one division. */
  sumsOf(n) {
    if (this.sums.has(n)) return this.sums.get(n);
    const [K, R] = [this.classes, this.regions];
    const sums = new Float64Array(K * (R + 1));
    for (let c = 0; c < K; c++) {
      const sorted = this.planes.slice((n * K + c) * R, (n * K + c + 1) * R).sort();
      for (let r = 0, at = c * (R + 1); r < R; r++, at++) sums[at + 1] = sums[at] + sorted[R - 1 - r];
    }
    this.sums.set(n, sums);
    return sums;
  }

  topkMean(c, n, k) {
    const kept = Math.min(k, this.regions);
    return this.sumsOf(n)[this.rank.get(c) * (this.regions + 1) + kept] / kept;
  }

  /* The score of every class (K); at other k than the last one of those that are not here, too. */
  scores(topk, classes) {
    const scores = new Float64Array(classes);
    const [K, N, R] = [this.classes, this.prompts, this.regions];
    if (this.last) return scores.map((_, c) => mean(this.lastMeans.subarray(c * N, (c + 1) * N)));
    for (let n = 0; n < N; n++) {
      const [sums, k] = [this.sumsOf(n), Math.min(topk[n], R)];
      for (let c = 0; c < K; c++) scores[c] += sums[c * (R + 1) + k] / k / N;
    }
    return scores;
  }

  /* Cosines of one region averaged over prompts, (K) of those that are here. */
  at(region) {
    const [K, N, R] = [this.classes, this.prompts, this.regions];
    const found = new Float64Array(K);
    for (let n = 0; n < N; n++)
      for (let c = 0; c < K; c++) found[c] += this.planes[(n * K + c) * R + region] / N;
    return found;
  }
}

/* What shots taught: a score that is linear in the regions, (R, K), so the mean of a map and the same at any k. Of many
   classes only some have their map here. */
class Linear {
  constructor(data, classes, regions) {
    this.regions = regions;
    const sent = data.classes ?? Array.from({ length: classes }, (_, c) => c);
    this.rank = new Map(sent.map((c, i) => [c, i]));
    this.means = floats(data.means);
    const cosines = floats(data.cosines);
    const each = sent.length;
    this.planes = sent.map((_, i) => Float32Array.from({ length: regions }, (_, r) => cosines[r * each + i]));
  }

  has(c) {
    return this.rank.has(c);
  }

  map(c) {
    return this.planes[this.rank.get(c)];
  }

  scores() {
    return this.means;
  }
}

/* One photo as one model saw it: branches whose scores, each with its weight, add up to a class's. */
class Take {
  constructor(data, take) {
    this.classes = data.names.length;
    this.scale = data.scale / data.temperature;
    this.when = take.when;
    this.outlier = take.outlier; // where Python must say it
    this.branches = take.branches.map((branch) => {
      const grid = data.grids[branch.grid];
      const Kind = branch.linear ? Linear : grid ? Regions : Whole;
      const made = new Kind(branch, this.classes, grid ? grid.rows * grid.columns : 0);
      return { name: branch.name, weight: branch.weight, share: branch.share, of: made };
    });
    const locals = this.branches.filter((branch) => branch.of instanceof Regions);
    this.looks = locals.map((branch) => branch.of); // regions of each size, the finest last
    this.shares = locals.map((branch) => branch.share); // of each size in a score; none where it is there for its maps
    this.local = this.looks.at(-1);
    this.global = this.branches.find((branch) => branch.of instanceof Whole).of;
    this.heads = this.branches.map((branch) => branch.of).filter((of) => of instanceof Linear); // of each size, too
    this.head = this.heads.at(-1);
  }

  /* Scores and probabilities (K), together and of each branch that has a weight; regions of all sizes are one. */
  answer(topk) {
    const together = new Float64Array(this.classes);
    const branches = [];
    for (const { name, weight, of } of this.branches) {
      if (!weight) continue;
      const scores = of.scores(topk, this.classes);
      scores.forEach((score, c) => (together[c] += weight * score));
      const same = branches.find((branch) => branch.name === name);
      if (!same) branches.push({ name, weight, scores, linear: of instanceof Linear });
      else {
        const sum = same.weight + weight;
        same.scores = same.scores.map((score, c) => (same.weight * score + weight * scores[c]) / sum);
        same.weight = sum;
      }
    }
    for (const branch of branches) branch.shares = this.probabilities(branch.scores);
    return { scores: together, shares: this.probabilities(together), branches };
  }

  /* The score of a class and local prompt, of the regions of all sizes. */
  topkMean(c, n, k) {
    return this.looks.reduce((sum, look, i) => sum + this.shares[i] * look.topkMean(c, n, k), 0);
  }

  /* What the head says of a class, of the regions of all sizes. */
  headMean(c) {
    return this.heads.reduce((sum, head, i) => sum + this.shares[i] * head.means[c], 0);
  }

  /* Whether the answer is that of these k, or that of the last ones. */
  stands(topk) {
    const last = this.local?.last?.topk;
    return !last || last.every((k, n) => k === topk[n]);
  }

  probabilities(scores) {
    return softmax(Array.from(scores, (score) => score * this.scale));
  }

  /* What the model would say if the photo were one region alone: [class, share], the most probable first. */
  alone(region, count, look = this.local) {
    if (look.best) return look.best[region].slice(0, count);
    const shares = this.probabilities(look.at(region));
    return largest(shares, count).map((c) => [c, shares[c]]);
  }

  /* The class that a region is most like, and how much: worked out once for all regions. */
  mostLike(region, look = this.local) {
    look.likes ??= Array.from({ length: look.regions }, (_, at) => {
      if (look.best) return look.best[at][0];
      const shares = this.probabilities(look.at(at));
      const c = shares.reduce((best, share, other) => (share > shares[best] ? other : best), 0);
      return [c, shares[c]];
    });
    return look.likes[region];
  }

  /* At temperature 1 and without the scale, larger = more outlier. */
  outlierScores() {
    if (this.outlier) return this.outlier;
    const most = (cosines) => softmax(cosines).reduce((a, b) => Math.max(a, b));
    const mcm = -most(this.global.means);
    let found = 0;
    for (let region = 0; region < this.local.regions; region++) found = Math.max(found, most(this.local.at(region)));
    return { MCM: mcm, "L-MCM": -found, "GL-MCM": mcm - found };
  }
}

// words.js
/* Numbers and places in words, as gallop/predictions/heatmaps.py has them. */

function figure(score) {
  return score.toFixed(4).replace("-", "\u2212");
}

function difference(score) {
  return (score < 0 ? "\u2212" : "+") + Math.abs(score).toFixed(4);
}

/* A probability in words that never claims certainty, as app/text.py has it. */
function percent(share) {
  if (share > 0.9995) return "> 99.9 %";
  return share < 0.0005 && share > 0 ? "< 0.1 %" : `${(100 * share).toFixed(1)} %`;
}

/* What heads an answer, as gallop/wording.py has it: the class, or none of these and what it is nearest to. */
function headline(name, share, odd, doubt) {
  if (doubt) return [`Nearest: ${name}`, share];
  return odd ? ["None of these", `nearest: ${name}${share && ` ${share}`}`] : [name, share];
}

function limitLine(score, limit, odd) {
  return limit === null ? "" : `Outlier score ${figure(score)}, ${odd ? "above" : "within"} the limit ${figure(limit)}`;
}

function cell(region, grid) {
  const column = region % grid.columns;
  return [(region - column) / grid.columns, column];
}

/* In which ninth of the photo a region has its centre. */
function ninth(region, grid) {
  const [row, column] = cell(region, grid);
  const vertical = ["upper", "middle", "lower"][Math.floor((3 * row + 1.5) / grid.rows)];
  const horizontal = ["left", "centre", "right"][Math.floor((3 * column + 1.5) / grid.columns)];
  return vertical === "middle" && horizontal === "centre" ? "centre" : `${vertical} ${horizontal}`;
}

function placeOf(region, grid) {
  const [row, column] = cell(region, grid);
  const words = ninth(region, grid);
  return `${words[0].toUpperCase()}${words.slice(1)}, row ${row + 1}, column ${column + 1}`;
}

/* Outlined regions in words, the densest part of the photo first. */
function where(regions, grid) {
  const counts = new Map();
  for (const region of regions) counts.set(ninth(region, grid), (counts.get(ninth(region, grid)) ?? 0) + 1);
  return [...counts]
    .sort((a, b) => b[1] - a[1])
    .map(([words, count]) => `${words}, ${count} of ${regions.length} regions`)
    .join("; ");
}

/* A region: its score where there is a map, and what it is most like. */
function regionLine(region, grid, { score, signed, outlined }, name, share) {
  const parts = [
    ...(score === null ? [] : [signed ? difference(score) : figure(score)]),
    ...(outlined ? ["outlined"] : []),
    `most like ${name}, ${percent(share)}`,
  ];
  return `${placeOf(region, grid)}: ${parts.join(", ")}`;
}

/* The score of a scale, as the sum that it is. */
function sumLine(subject, n, k) {
  const mine = subject.score(n, k);
  const other = subject.other && figure(subject.otherScore(n, k));
  if (other) return `${figure(mine)} minus ${other} is ${difference(subject.gap(n, k))}`;
  const count = subject.kept(n, k).length;
  const outlined = `Mean of the ${count} outlined region${count > 1 ? "s" : ""}: ${figure(mine)}`;
  const whole = subject.whole(n, k);
  if (whole === null || subject.share === 1) return `${outlined}, its score`;
  return `${outlined}; ${subject.share ? "with" : "by"} the other size its score is ${figure(whole)}`;
}

/* The head's score, as the mean that it is. */
function headLine(subject) {
  const all = `Mean of all ${subject.regions} regions`;
  if (subject.other) return `${all}: by ${difference(subject.score)} more`;
  const mean = `${all}: ${figure(subject.score)}`;
  if (subject.whole === null || subject.share === 1) return `${mean}, its score`;
  return `${mean}; ${subject.share ? "with" : "by"} the other size its score is ${figure(subject.whole)}`;
}

/* Where there is nothing to see, that; nothing otherwise. */
function faintLine(subject, name) {
  if (!subject.here) return `The map of ${name} is on its way.`;
  if (!subject.faint) return "";
  if (subject.other) return `They hardly differ: by ${subject.reach.toFixed(4)} at most, anywhere.`;
  const [most, best] = [figure(subject.most), figure(subject.scale.high)];
  return `Nothing here is much like ${name}: no region has more than ${most}; the best of any class has ${best}.`;
}

// regions.js
/* The regions of the photo as a grid of cells: to point at, click, and walk through with the keys. */

class Cells {
  /* Args: point(region or null) for what is pointed at; ask(region) for what is chosen. */
  constructor(point, ask) {
    this.root = element("div", "cells", { role: "grid" });
    this.ring = element("span", "ring", { "aria-hidden": "true" }); // around the one that is asked
    this.ask = ask;
    this.cells = [];
    const at = (event) => {
      const region = event.target.dataset?.region;
      return region === undefined ? null : Number(region);
    };
    this.root.addEventListener("keydown", (event) => this.walk(event));
    this.root.addEventListener("click", (event) => this.choose(at(event)));
    this.root.addEventListener("pointerover", (event) => point(at(event)));
    this.root.addEventListener("pointerleave", () => point(this.focused()));
    this.root.addEventListener("focusin", (event) => {
      this.arrive(at(event));
      point(at(event));
    });
    this.root.addEventListener("focusout", () => point(null));
  }

  fill({ rows, columns }) {
    if (this.cells.length === rows * columns && this.columns === columns) return;
    [this.rows, this.columns] = [rows, columns];
    this.current = undefined;
    [this.marked, this.selected] = [[], null];
    this.root.style.gridTemplate = `repeat(${rows}, 1fr) / repeat(${columns}, 1fr)`;
    this.cells = Array.from({ length: rows * columns }, (_, region) =>
      element("div", "cell", { role: "gridcell", "data-region": region, "aria-selected": "false", tabindex: "-1" }),
    );
    const lines = Array.from({ length: rows }, (_, row) =>
      element("div", "row", { role: "row" }, ...this.cells.slice(row * columns, (row + 1) * columns)),
    );
    this.root.replaceChildren(...lines);
  }

  mark(kept, selected) {
    this.current ??= selected ?? kept[0] ?? 0; // one cell takes part in tabbing; arrow keys move it
    const inside = new Set(kept);
    for (const region of new Set([...this.marked, ...kept]))
      this.cells[region].classList.toggle("kept", inside.has(region));
    this.marked = kept;
    for (const region of new Set([this.selected, selected]))
      if (region !== null) put(this.cells[region], "aria-selected", String(region === selected));
    this.selected = selected;
    this.ring.hidden = selected === null;
    const [row, column] = cell(selected ?? 0, this);
    lay(this.ring, [column / this.columns, row / this.rows, 1 / this.columns, 1 / this.rows]);
    this.cells[this.current].setAttribute("tabindex", "0");
  }

  /* What a screen reader says of the grid and of each region. */
  name(words, label) {
    put(this.root, "aria-label", words);
    this.cells.forEach((node, region) => put(node, "aria-label", label(region)));
  }

  focused() {
    return this.root.contains(this.root.getRootNode().activeElement) ? this.current : null;
  }

  arrive(region) {
    if (region === null) return;
    this.cells[this.current]?.setAttribute("tabindex", "-1");
    this.current = region;
    this.cells[region].setAttribute("tabindex", "0");
  }

  choose(region) {
    if (region === null) return;
    this.arrive(region);
    this.ask(region);
  }

  walk(event) {
    const last = this.cells.length - 1;
    const column = this.current % this.columns;
    const row = this.current - column;
    const whole = event.ctrlKey || event.metaKey;
    const to = {
      ArrowLeft: this.current - (column > 0),
      ArrowRight: this.current + (column < this.columns - 1),
      ArrowUp: this.current - (row > 0 ? this.columns : 0),
      ArrowDown: this.current + (this.current + this.columns <= last ? this.columns : 0),
      Home: whole ? 0 : row,
      End: whole ? last : row + this.columns - 1,
    }[event.key];
    if (to !== undefined) this.cells[to].focus();
    else if (event.key === "Enter" || event.key === " ") this.choose(this.current);
    else if (event.key === "Escape") this.ask(null);
    else return;
    event.preventDefault();
  }
}

// state.js
/* What stands: what is shown of the data, checked; and who has the last word, the hand here or the host.

   A host is told what stands when a hand lets go, with a turn. Its data come back with the turn that it knew: what it
   says counts unless a hand has moved since. */

const EMPTY = {
  class_name: null, // follows the answer
  against: null, // another class whose scores are subtracted
  before: false, // or the same class as the second take saw it
  prompt: 0,
  topk: [],
  region: null, // the one that is asked
  look: null, // whose regions are shown, the finest by default; no host is told
  all: false, // every scale, or one
  opacity: 0.85,
  threshold: 0,
  smooth: true,
  colours: "viridis",
};

class State {
  constructor() {
    this.turn = -1;
    this.moving = false;
    this.now = EMPTY;
  }

  /* New data, and what their host says. */
  follow(data, takes) {
    const same = data.photo === this.data?.photo;
    const looked = takes[0].looks.length === this.takes?.[0].looks.length; // a finer map that follows is shown
    this.data = data;
    this.takes = takes;
    const theirs = data.stands ?? {};
    if (!same) this.now = { ...this.now, region: theirs.region }; // of another photo nobody has asked one yet
    const turn = theirs.turn ?? 0;
    if (turn >= this.turn) {
      this.turn = turn;
      this.now = { ...EMPTY, ...theirs, look: this.now.look };
    }
    if (!looked) this.now = { ...this.now, look: null };
    this.now = this.checked(this.now);
  }

  /* A hand moves. */
  move(change) {
    if (!this.moving) this.turn += 1;
    this.moving = true;
    this.now = this.checked({ ...this.now, ...change });
  }

  /* It let go: what the host is told. */
  settled() {
    this.moving = false;
    return { ...this.now, turn: this.turn };
  }

  /* How many there are: of each local prompt one, and behind them the head's. */
  get maps() {
    return this.takes[0].local.usual.length + (this.takes[0].head ? 1 : 0);
  }

  checked(said) {
    const { names, colours } = this.data;
    const looks = this.takes[0].looks.length;
    const local = this.takes[0].local;
    const count = this.maps;
    const known = (name) => (names.includes(name) ? name : null);
    const within = (value, low, high, other) =>
      Number.isFinite(value) ? Math.min(Math.max(value, low), high) : other;
    const whole = (value, low, high, other) => Math.round(within(value, low, high, other));
    const usual = local.usual.map((k) => Math.min(k, local.regions));
    const class_name = known(said.class_name);
    return {
      class_name,
      against: known(said.against),
      before: Boolean(said.before) && this.takes.length > 1,
      prompt: whole(said.prompt, 0, Math.max(count - 1, 0), 0),
      topk: usual.map((k, n) => whole(said.topk?.[n], 1, local.regions, k)),
      region: Number.isInteger(said.region) && said.region >= 0 && said.region < local.regions ? said.region : null,
      look: Number.isInteger(said.look) && said.look >= 0 && said.look < looks ? said.look : looks - 1,
      all: Boolean(said.all) && count > 1,
      opacity: within(said.opacity, 0, 1, EMPTY.opacity),
      threshold: within(said.threshold, 0, 1, 0),
      smooth: said.smooth !== false,
      colours: Object.hasOwn(colours, said.colours) ? said.colours : Object.keys(colours)[0],
    };
  }
}

// subject.js
/* What the maps are about: a class, or what speaks for it and not for another, at each scale. No page is known here. */

const LOW = 0.35; // of the scale: below it a map has nothing to show
const ALIKE = 0.25; // of a logit: what differs less is no difference

class Subject {
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
     that colours mean the same for every class; of differences as far on both sides of zero. */
  scaled() {
    const [low, high] = this.range;
    if (!this.other) return { low, high, signed: false };
    const most = (map) => map.reduce((found, score) => Math.max(found, Math.abs(score)), 0);
    this.reach = Math.max(0, ...this.maps.map(most));
    const wide = Math.max(this.reach, this.alike);
    return { low: -wide, high: wide, signed: true };
  }

  kept(n, k) {
    return this.local.kept(this.c, n, k);
  }

  rival(n, k) {
    return this.other ? this.other.of.kept(this.other.c, n, k) : [];
  }

  score(n, k) {
    return this.local.topkMean(this.c, n, k);
  }

  /* The score of the regions of all sizes, where there are several; of those alone that are shown it is "score". */
  whole(n, k) {
    return this.take.looks.length > 1 ? this.take.topkMean(this.c, n, k) : null;
  }

  /* How much the size that is shown counts in it: from none, for its maps alone, to all. */
  get share() {
    return this.take.shares[this.take.looks.indexOf(this.local)];
  }

  otherScore(n, k) {
    return this.other.of.topkMean(this.other.c, n, k);
  }

  gap(n, k) {
    return this.score(n, k) - this.otherScore(n, k);
  }

  /* The most that the maps reach. */
  get most() {
    return this.other ? this.reach : Math.max(...this.maps.map((map) => map.reduce((a, b) => Math.max(a, b))));
  }

  /* Whether there is nothing to see, which is something to say. */
  get faint() {
    if (!this.prompts) return false;
    return this.other ? this.reach < this.alike : place(this.most, this.scale) < LOW;
  }
}

// controls.js
/* What a hand moves: k on a track that is finer where k is small, the scale, the classes, how maps are drawn. */

const STEPS = 10000; // of the track

/* k of so many regions, from where the thumb stands, and back. */
function kAt(step, regions) {
  return Math.round(regions ** (step / STEPS));
}

function stepOf(k, regions) {
  return regions > 1 ? Math.round((STEPS * Math.log(k)) / Math.log(regions)) : 0;
}

/* k of the chosen scale. Args: move(k) while it moves, settle() when a hand lets go. */
class Track {
  constructor(move, settle, reset) {
    this.range = element("input", "track-range", { type: "range", min: "0", max: String(STEPS), step: "1" });
    this.number = element("input", "number", { type: "number", min: "1", step: "1", inputmode: "numeric" });
    this.mark = element("span", "mark", { "aria-hidden": "true" });
    this.back = element("button", "quiet", { type: "button" });
    this.sum = element("p", "sum");
    this.title = element("label", "title", { for: (this.number.id = freshId()) });
    const line = element("div", "line", {}, element("div", "rail", {}, this.mark, this.range), this.number);
    this.root = element("div", "k", {}, this.title, line, element("div", "under", {}, this.sum, this.back));
    this.range.addEventListener("input", () => move(kAt(Number(this.range.value), this.regions)));
    this.range.addEventListener("keydown", (event) => this.key(event, move));
    this.number.addEventListener("input", () => {
      const k = Math.round(Number(this.number.value));
      if (k >= 1 && k <= this.regions) move(k);
    });
    for (const input of [this.range, this.number]) input.addEventListener("change", settle);
    this.number.addEventListener("blur", () => (this.number.value = this.k));
    this.back.addEventListener("click", reset);
  }

  /* A step of a key is one region, whatever its length on the track. */
  key(event, move) {
    const far = Math.max(Math.round(this.k / 4), 1);
    const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -far, PageUp: far }[event.key];
    if (!by) return;
    event.preventDefault();
    this.k = Math.min(Math.max(this.k + by, 1), this.regions); // at once: keys may come faster than frames
    move(this.k);
    this.range.dispatchEvent(new Event("change"));
  }

  /* Of a map that no k cuts. */
  showFixed(title, sum) {
    this.root.classList.add("fixed");
    say(this.title, title);
    say(this.sum, sum);
    this.back.hidden = true;
  }

  show(prompt, topk, usual, regions, sum) {
    this.root.classList.remove("fixed");
    [this.k, this.regions] = [topk[prompt], regions];
    say(this.title, `Local prompt ${prompt + 1}: its k best regions`);
    put(this.range, "aria-label", `k of local prompt ${prompt + 1}`);
    put(this.range, "aria-valuetext", `${this.k} of ${regions} regions`);
    const step = stepOf(this.k, regions);
    if (kAt(Number(this.range.value), regions) !== this.k) this.range.value = step;
    this.range.style.setProperty("--at", `${(100 * Number(this.range.value)) / STEPS}%`);
    this.mark.style.left = `${(100 * stepOf(usual[prompt], regions)) / STEPS}%`;
    put(this.number, "max", String(regions));
    if (this.root.getRootNode().activeElement !== this.number) this.number.value = this.k;
    this.back.hidden = topk.every((k, n) => k === usual[n]);
    say(this.back, `Back to k = ${usual.join(", ")}`);
    say(this.sum, sum);
  }
}

/* A small map of every scale, to choose one; large ones where all are shown. */
class Strip {
  constructor(choose) {
    this.root = element("div", "strip", { role: "group", "aria-label": "Scales" });
    this.choose = choose;
    this.tiles = [];
  }

  fill(count) {
    while (this.tiles.length < count) {
      const n = this.tiles.length;
      const [photo, map, lines] = [element("img", "photo", { alt: "" }), element("canvas"), element("canvas")];
      const seen = element("span", "seen", {}, map, lines);
      const frame = element("span", "frame", {}, photo, seen);
      const words = element("span", "words");
      const root = element("button", "tile", { type: "button" }, frame, words);
      root.addEventListener("click", () => this.choose(n));
      this.tiles.push({ root, photo, map, lines, seen, frame, words });
      this.root.append(root);
    }
    this.tiles.forEach(({ root }, n) => (root.hidden = n >= count));
  }

  /* Where the photo and what was seen of it lie. */
  frame(data) {
    for (const { photo, seen, frame } of this.tiles) {
      if (photo.src !== data.photo) photo.src = data.photo;
      frame.style.aspectRatio = data.ratio;
      lay(seen, data.crop);
    }
  }

  draw(n, subject, kept, rival, grid, colours, now) {
    const { map, lines, seen } = this.tiles[n];
    this.size ??= { width: seen.clientWidth || 64, height: seen.clientHeight || 64 }; // one for all
    drawMap(map, subject.maps[n], grid, subject.scale, colours, now);
    drawOutlines(lines, kept, rival, grid, this.size);
  }

  show(n, name, words, chosen) {
    const { root, words: line } = this.tiles[n];
    say(line, words);
    put(root, "aria-label", `${name}, ${words}`);
    put(root, "aria-pressed", String(chosen));
  }
}

/* Which class is explained, and against what. Args: change(part of the state). */
class Classes {
  constructor(change) {
    this.explained = element("select");
    this.against = element("select");
    this.root = element(
      "div",
      "pair",
      {},
      labelled("Class explained", this.explained),
      labelled("Compared with", this.against),
    );
    this.explained.addEventListener("change", () => {
      const value = this.explained.value;
      change({ class_name: value === "" ? null : this.names[Number(value)] });
    });
    this.against.addEventListener("change", () => {
      const value = this.against.value;
      const name = value === "" || value === "before" ? null : this.names[Number(value)];
      change({ against: name, before: value === "before" });
    });
  }

  show(names, offered, state, explained, when) {
    const shown = [names, state.class_name, state.against, state.before, explained, when];
    if (this.shown?.every((part, i) => part === shown[i])) return;
    this.shown = shown;
    this.names = names;
    const listed = offered.map((c) => [String(c), names[c]]);
    const chosen = state.class_name === null ? "" : String(explained);
    const first = chosen === "" ? `Most probable (${names[explained]})` : "Most probable";
    choices(this.explained, [["", first], ...listed], chosen);
    const before = when === undefined ? [] : [["before", `Itself ${when}`]];
    const others = listed.filter(([value]) => value !== String(explained));
    const other = state.before ? "before" : state.against === null ? "" : String(names.indexOf(state.against));
    choices(this.against, [["", "Nothing"], ...before, ...others], other);
  }
}

/* How maps are drawn, folded away. */
class Options {
  constructor(move, settle) {
    this.opacity = element("input", "track-range", { type: "range", min: "0", max: "100" });
    this.threshold = element("input", "track-range", { type: "range", min: "0", max: "100" });
    this.smooth = element("select");
    this.colours = element("select");
    this.root = element(
      "details",
      "options",
      {},
      element("summary", "", {}, "How maps are drawn"),
      element(
        "div",
        "pair",
        {},
        labelled("Opacity", this.opacity),
        labelled("Hide weak regions", this.threshold),
        labelled("Drawn", this.smooth),
        labelled("Colours", this.colours),
      ),
    );
    for (const [input, name] of [
      [this.opacity, "opacity"],
      [this.threshold, "threshold"],
    ]) {
      input.addEventListener("input", () => move({ [name]: Number(input.value) / 100 }));
      input.addEventListener("change", settle);
    }
    const chosen = (change) => {
      move(change);
      settle();
    };
    this.smooth.addEventListener("change", () => chosen({ smooth: this.smooth.value === "smooth" }));
    this.colours.addEventListener("change", () => chosen({ colours: this.colours.value }));
  }

  show(state, names) {
    for (const [input, value] of [
      [this.opacity, state.opacity],
      [this.threshold, state.threshold],
    ]) {
      const whole = String(Math.round(100 * value));
      if (input.value !== whole) input.value = whole;
      put(input, "aria-valuetext", `${whole} %`);
      input.style.setProperty("--at", `${whole}%`);
    }
    choices(
      this.smooth,
      [
        ["smooth", "Smooth"],
        ["cells", "Cells"],
      ],
      state.smooth ? "smooth" : "cells",
    );
    choices(
      this.colours,
      names.map((name) => [name, name]),
      state.colours,
    );
  }
}

// steps/figures.js
/* The method's sums with one photo's figures, equal to gallop/model: nothing here knows a page. */

const MOST_TERMS = 8; // a longer sum is written with its first and last terms

/* A mean as one would write it down: "(0.3000 + 0.2000) / 2 = 0.2500". */
function writtenMean(terms) {
  const shown = Array.from(terms, (term) => signed(term));
  const some = shown.length > MOST_TERMS ? [...shown.slice(0, MOST_TERMS - 2), "…", shown.at(-1)] : shown;
  return `(${some.join(" + ")}) / ${shown.length} = ${signed(mean(terms))}`;
}

function signed(number) {
  return number.toFixed(4).replace("-", "\u2212");
}

/* What shots taught counts so much in a score, beside the prompts; nothing where no shots taught a head. */
function headWeight(take) {
  return take.branches.reduce((sum, { of, weight }) => (take.heads.includes(of) ? sum + weight : sum), 0);
}

/* Scores (K) of the whole photo, of the regions, of what shots taught, and all together; "share" is what the regions
   count among the prompts, "weight" what the head counts beside them. */
function scoresOf(take, topk, share, weight = headWeight(take)) {
  const whole = take.global.scores();
  const regions = take.local.usual.length ? take.local.scores(topk, take.classes) : null;
  const shots = take.head?.scores() ?? null;
  const prompts = whole.map((score, c) => (regions ? (1 - share) * score + share * regions[c] : score));
  const together = shots ? prompts.map((score, c) => (1 - weight) * score + weight * shots[c]) : prompts;
  return { whole, regions, shots, prompts, together };
}

function sharesOf(scores, scale) {
  return softmax(Array.from(scores, (score) => score * scale));
}

/* Minus the logarithm of the true class's share: what a photo costs while prompts are learned. */
function crossEntropy(scores, scale, c) {
  const logits = Array.from(scores, (score) => score * scale);
  const most = Math.max(...logits);
  return Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - most), 0)) + most - logits[c];
}

/* The loss of the photo as a shot of class c: the kept global prompts' mean, and the mean over local prompts of each
   one's own. "scale" is the backbone's, without a temperature. */
function lossOf(take, topk, scale, c, kept) {
  const whole = take.global.rows.map((row) => mean(kept.map((m) => row[m])));
  const own = crossEntropy(whole, scale, c);
  const each = topk.map((k, n) =>
    crossEntropy(
      Array.from({ length: take.classes }, (_, other) => take.local.topkMean(other, n, k)),
      scale,
      c,
    ),
  );
  return { whole: own, each, total: own + (each.length ? mean(each) : 0) };
}

/* So many of M prompts, drawn anew, in order; "random" as Math.random. */
function lots(prompts, count, random) {
  const left = Array.from({ length: prompts }, (_, m) => m);
  const found = Array.from({ length: count }, () => left.splice(Math.floor(random() * left.length), 1)[0]);
  return found.sort((a, b) => a - b);
}

/* The region whose largest share of a class, at temperature 1 and without the scale, is the largest of all: L-MCM is
   minus that. Null where not every class's cosines are here. */
function surest(take) {
  if (take.outlier) return null;
  const most = Array.from({ length: take.local.regions }, (_, r) => Math.max(...softmax(take.local.at(r))));
  const [region] = largest(most, 1);
  return { region, share: most[region] };
}

/* The classes to show: the highest scores, and always one of them. */
function shownClasses(scores, always, count) {
  const best = largest(scores, count);
  return best.includes(always) ? best : [...best.slice(0, count - 1), always];
}

// steps/panel.js
/* What every step has: a title, few words, its own parts, and its formula folded away. */

class Panel {
  /* Args: title; stage: what is drawn on the photo, of "frame", "grid", "plain", "shares", "map", "kept" and "surest".
     A step's "over", where it has one, lies on the photo itself. */
  constructor(title, stage) {
    this.title = title;
    this.stage = stage;
    this.over = null;
    this.words = element("p", "saying");
    this.notes = element("p", "note");
    this.parts = element("div", "parts");
    this.formula = element("p", "formula");
    this.folded = element("details", "options", {}, element("summary", "", {}, "Formula"), this.formula);
    this.link = element("a", "quiet", { download: "" });
    this.inCode = element("p", "note", {}, "In code: ", this.link);
    this.root = element("div", "step", {}, this.words, this.parts, this.notes, this.folded, this.inCode);
  }

  add(...parts) {
    this.parts.append(...parts);
  }

  /* Args: name and address of the notebook that builds this step; nothing where there is none to be had. */
  lead([name, address] = []) {
    this.inCode.hidden = name === undefined;
    if (this.inCode.hidden) return;
    say(this.link, `the notebook ${name}`);
    put(this.link, "href", address);
  }

  /* Args: words; formula; note, which the page gives for this step. */
  tell(words, formula, note = "") {
    say(this.words, words);
    say(this.formula, formula);
    say(this.notes, note);
    this.folded.hidden = !formula;
  }
}

function plural(count, word) {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

// steps/parts.js
/* What the steps are told with: rows of bars, dots on a line, a ranking of regions, buttons to choose one of a few. */

const CLASSES = 6; // as many are shown at once

/* Rows of the best classes, and of one more. Args: words(number); most, of a full bar. */
function classRows(numbers, c, names, words, most) {
  return shownClasses(numbers, c, CLASSES).map((k) => ({
    c: k,
    name: names[k],
    value: words(numbers[k]),
    share: numbers[k] / most,
  }));
}

/* One of a few, side by side. Args: choose(index). */
class Few {
  constructor(label, choose) {
    this.root = element("div", "few", { role: "group", "aria-label": label });
    this.choose = choose;
    this.buttons = [];
  }

  /* Args: words, one for each; chosen, an index, or several. */
  show(words, chosen) {
    const pressed = [chosen].flat();
    while (this.buttons.length < words.length) {
      const i = this.buttons.length;
      const button = element("button", "one", { type: "button" });
      button.addEventListener("click", () => this.choose(i));
      this.buttons.push(button);
      this.root.append(button);
    }
    this.buttons.forEach((button, i) => {
      button.hidden = i >= words.length;
      if (button.hidden) return;
      say(button, words[i]);
      put(button, "aria-pressed", String(pressed.includes(i)));
    });
  }
}

/* Lines with a number and a bar each, of classes mostly: then one is chosen by a click. Args: choose(class). */
class Rows {
  constructor(label, choose) {
    this.root = element("div", "list", { role: "group", "aria-label": label });
    this.choose = choose;
    this.rows = [];
  }

  /* Args: rows of {c, name, value, share}: share is the bar's length, from 0 to 1. */
  show(rows, chosen) {
    while (this.rows.length < rows.length) {
      const row = { name: element("span", "name"), value: element("span", "share"), fill: element("span", "fill") };
      const track = element("span", "track", { "aria-hidden": "true" }, row.fill);
      const [tag, kind] = this.choose ? ["button", { type: "button" }] : ["div", {}];
      row.root = element(tag, "bar", kind, row.name, row.value, track);
      row.root.addEventListener("click", () => this.choose?.(row.c));
      this.rows.push(row);
      this.root.append(row.root);
    }
    this.rows.forEach((row, i) => {
      row.root.hidden = i >= rows.length;
      if (row.root.hidden) return;
      const { c, name, value, share } = rows[i];
      row.c = c;
      say(row.name, name);
      say(row.value, value);
      row.fill.style.transform = `scaleX(${Math.min(Math.max(share, 0), 1)})`;
      if (!this.choose) return;
      row.root.classList.toggle("explained", c === chosen);
      put(row.root, "aria-pressed", String(c === chosen));
    });
  }
}

/* Numbers as marks on lines that share one axis: a line for each branch, and their means. */
class Dots {
  constructor() {
    this.root = element("div", "dots");
    this.lines = [];
  }

  /* Args: lines of {name, values, mean, words}. */
  show(lines) {
    const every = lines.flatMap(({ values, mean }) => [...values, mean]);
    const [low, high] = [Math.min(...every), Math.max(...every)];
    const room = Math.max((high - low) / 8, 1e-4);
    const at = (value) => `${(100 * (value - low + room)) / (high - low + 2 * room)}%`;
    while (this.lines.length < lines.length) {
      const line = { name: element("span", "name"), words: element("span", "share"), axis: element("span", "axis") };
      put(line.axis, "aria-hidden", "true");
      line.root = element("div", "line", {}, line.name, line.words, line.axis);
      this.lines.push(line);
      this.root.append(line.root);
    }
    this.lines.forEach((line, i) => {
      line.root.hidden = i >= lines.length;
      if (line.root.hidden) return;
      say(line.name, lines[i].name);
      say(line.words, lines[i].words);
      const marks = [...lines[i].values.map((value) => ["dot", value]), ["mean", lines[i].mean]];
      line.axis.replaceChildren(
        ...marks.map(([kind, value]) => {
          const mark = element("i", kind);
          mark.style.left = at(value);
          return mark;
        }),
      );
    });
  }
}

/* Every region's cosine, the best first: those that count are filled, and their mean is a line. */
function drawRanking(canvas, sorted, k, mean, ink) {
  const dense = Math.min(globalThis.devicePixelRatio || 1, 2);
  const [width, height] = [Math.round(canvas.clientWidth * dense), Math.round(canvas.clientHeight * dense)];
  if (!width || !height) return;
  Object.assign(canvas, { width, height });
  const pen = canvas.getContext("2d");
  const [low, high] = [Math.min(sorted.at(-1), 0), Math.max(sorted[0], 1e-6)];
  const y = (score) => height - ((score - low) / (high - low)) * (height - 4 * dense);
  const wide = width / sorted.length;
  sorted.forEach((score, i) => {
    pen.fillStyle = i < k ? ink.accent : ink.pale;
    const gap = wide > 4 ? 1 : 0;
    pen.fillRect(i * wide, Math.min(y(score), y(0)), Math.max(wide - gap, 0.5), Math.abs(y(0) - y(score)));
  });
  pen.strokeStyle = ink.text;
  pen.lineWidth = 1.5 * dense;
  pen.setLineDash([5 * dense, 4 * dense]);
  pen.beginPath();
  pen.moveTo(0, y(mean));
  pen.lineTo(width, y(mean));
  pen.stroke();
}

/* A number on a track, with what is usual marked, and a way back to it. Args: words; move(value). */
class Slide {
  constructor(words, { low, high, logarithmic = false }, move) {
    Object.assign(this, { low, high, logarithmic });
    this.range = element("input", "track-range", { type: "range", min: "0", max: "1000", step: "1", id: freshId() });
    this.mark = element("span", "mark", { "aria-hidden": "true" });
    this.value = element("output", "value", { for: this.range.id });
    this.back = element("button", "quiet", { type: "button" });
    this.back.addEventListener("click", () => move(this.usual));
    this.range.addEventListener("input", () => move(this.valueAt(Number(this.range.value) / 1000)));
    const label = element("label", "title", { for: this.range.id }, words);
    const head = element("div", "head", {}, label, this.value);
    const rail = element("div", "rail", {}, this.mark, this.range);
    this.root = element("div", "k slide", {}, head, rail, element("div", "under", {}, this.back));
  }

  valueAt(share) {
    if (this.logarithmic) return this.low * (this.high / this.low) ** share;
    return this.low + share * (this.high - this.low);
  }

  shareOf(value) {
    const share = this.logarithmic
      ? Math.log(value / this.low) / Math.log(this.high / this.low)
      : (value - this.low) / (this.high - this.low);
    return Math.min(Math.max(share, 0), 1);
  }

  show(value, usual, words, back) {
    this.usual = usual;
    const at = this.shareOf(value);
    if (Math.abs(this.valueAt(Number(this.range.value) / 1000) - value) > 1e-9)
      this.range.value = String(Math.round(1000 * at));
    this.range.style.setProperty("--at", `${100 * at}%`);
    put(this.range, "aria-valuetext", words);
    say(this.value, words);
    this.mark.hidden = usual === null;
    if (usual !== null) this.mark.style.left = `${100 * this.shareOf(usual)}%`;
    this.back.hidden = usual === null || Math.abs(value - usual) < 1e-9;
    say(this.back, back);
  }
}

// steps/answers.js
/* The later steps: from cosines to a score, an answer, a verdict, and what learning would change. */

const NO_LOCAL = "There are no local prompts here";

class TopK extends Panel {
  constructor(set) {
    super("Top-k", "kept");
    this.few = new Few("Scale", (prompt) => set({ prompt, global: null }));
    this.ranking = element("canvas", "ranking", { role: "img" });
    const change = (now, k) => now.topk.map((old, n) => (n === now.prompt ? k : old));
    this.track = new Track(
      (k) => set({ topk: change(this.now, k) }),
      () => {},
      () => set({ topk: this.usual }),
    );
    this.add(this.few.root, this.ranking, this.track.root);
  }

  show({ c, name, take, now, usual, ink }) {
    [this.now, this.usual] = [now, usual];
    this.parts.hidden = !usual.length;
    if (!usual.length) return this.tell(`${NO_LOCAL}${take.head ? "" : ": the whole photo decides alone"}.`, "");
    const { prompt } = now;
    const k = now.topk[prompt];
    const map = take.local.map(c, prompt);
    const sorted = take.local.order(c, prompt).map((region) => map[region]);
    const score = take.local.topkMean(c, prompt, k);
    this.few.show(
      now.topk.map((each, n) => `local ${n + 1}, k = ${each}`),
      prompt,
    );
    drawRanking(this.ranking, sorted, k, score, ink);
    put(this.ranking, "aria-label", `All regions by cosine. The mean of the ${k} best: ${signed(score)}.`);
    this.track.show(prompt, now.topk, usual, take.local.regions, `Their mean: ${signed(score)}`);
    this.tell(
      `All regions in order. Only the k best count for ${name}, and each local prompt has a k of its own: small for ` +
        "details, large for what fills the photo.",
      writtenMean(sorted.slice(0, k)),
    );
  }
}

class Ensemble extends Panel {
  constructor(set) {
    super("Ensemble", "kept");
    this.dots = new Dots();
    this.slide = new Slide("What regions count", { low: 0, high: 1 }, (share) => set({ share }));
    this.ofHead = new Slide("What the head counts", { low: 0, high: 1 }, (weight) => set({ weight }));
    this.rows = new Rows("Classes by score", (c) => set({ c }));
    this.add(this.dots.root, this.slide.root, this.ofHead.root, this.rows.root);
  }

  show({ c, name, names, take, now, usual }) {
    const found = scoresOf(take, now.topk, now.share, now.weight);
    const { whole, regions, shots, together } = found;
    const globals = Array.from(take.global.rows[c]);
    const locals = now.topk.map((k, n) => take.local.topkMean(c, n, k));
    const line = (name, values, mean) => ({ name, values, mean, words: signed(mean) });
    this.dots.show([
      line("global prompts", globals, whole[c]),
      ...(usual.length ? [line("local prompts", locals, regions[c])] : []),
      ...(shots ? [line("head", [], shots[c])] : []),
      line("together", [], together[c]),
    ]);
    this.slide.root.hidden = !usual.length;
    this.slide.show(now.share, 0.5, inPercent(now.share), "Back to half, as in the paper");
    this.ofHead.root.hidden = !shots;
    this.ofHead.show(now.weight, headWeight(take), inPercent(now.weight), "Back to the model's own");
    this.rows.show(classRows(together, c, names, signed, Math.max(...together)), c);
    const third = shots
      ? " The head has no prompts: it was worked out from the photos themselves, and joins them with a weight."
      : "";
    this.tell(
      `Each dot is a prompt's score for ${name}. Their means are averaged: one score for each class.${third}`,
      written(found, globals, locals, now, c),
    );
  }
}

function inPercent(part) {
  return `${(100 * part).toFixed(0)} %`;
}

/* How the score of class c comes about, as one would write it down. */
function written({ whole, regions, shots, prompts, together }, globals, locals, now, c) {
  const mixed = (part, first, second, sum) => {
    const [half, other] = [1 - part, part].map((each) => each.toFixed(2));
    return `${half} × ${signed(first)} + ${other} × ${signed(second)} = ${signed(sum)}.`;
  };
  const both = regions ? mixed(now.share, whole[c], regions[c], prompts[c]) : "";
  const each = regions
    ? `Global: ${writtenMean(globals)}. Local: ${writtenMean(locals)}. ${shots ? "Prompts" : "Together"}: ${both}`
    : shots
      ? `Prompts: ${writtenMean(globals)}.`
      : writtenMean(globals);
  return shots ? `${each} With the head: ${mixed(now.weight, prompts[c], shots[c], together[c])}` : each;
}

class Softmax extends Panel {
  constructor(set) {
    super("Softmax", "shares");
    this.slide = new Slide("Scale", { low: 1, high: 300, logarithmic: true }, (scale) => set({ scale }));
    this.rows = new Rows("Classes by probability", (c) => set({ c }));
    this.over = this.rows.root;
    this.stale = element("p", "note", { role: "status" });
    this.add(this.slide.root, this.stale);
  }

  show({ c, name, names, take, now, data }) {
    const { together } = scoresOf(take, now.topk, now.share, now.weight);
    const shares = sharesOf(together, now.scale);
    this.slide.show(now.scale, take.scale, now.scale.toFixed(1), "Back to the model's own");
    this.rows.show(classRows(shares, c, names, percent, 1), c);
    say(this.stale, take.stands(now.topk) ? "" : `These are of k = ${take.local.last.topk.join(", ")}.`);
    const { temperature } = data;
    const warm = temperature === 1 ? "" : ` = ${data.scale.toFixed(2)} / temperature ${temperature.toFixed(3)}`;
    const best = Math.max(...together);
    const sum = together.reduce((all, score) => all + Math.exp(now.scale * (score - best)), 0);
    this.tell(
      "Cosines differ little, so each score is multiplied by a scale. The softmax makes shares of 100 % of them.",
      `scale${warm} = ${now.scale.toFixed(2)}. For ${name}: e^(${now.scale.toFixed(2)} × (${signed(together[c])} − ` +
        `${signed(best)})) / ${sum.toFixed(4)} = ${shares[c].toFixed(4)}.`,
    );
  }
}

class NoneOfThese extends Panel {
  constructor(set) {
    super("None of these?", "surest");
    this.verdict = element("p", "best");
    this.slide = new Slide("Limit", { low: -2, high: 0 }, (limit) => set({ limit }));
    this.dots = new Dots();
    this.add(this.verdict, this.dots.root, this.slide.root);
  }

  show({ names, now, take, data, grid }) {
    const { MCM: mcm, "L-MCM": local, "GL-MCM": both } = take.outlierScores();
    const alike = -2 / names.length; // the most there can be: all classes alike, everywhere
    const wide = Math.max(alike - both, data.threshold === null ? 0 : 3 * Math.abs(data.threshold - both), 1e-3);
    Object.assign(this.slide, { low: both - wide, high: both + wide });
    const limit = now.limit ?? data.threshold;
    const unsure = data.doubt && now.limit === null; // a limit that a hand has set is taken at its word
    const said = limit === null ? "No limit yet" : both > limit ? "None of these" : "One of these";
    say(this.verdict, unsure ? data.doubt : said);
    this.dots.show([
      { name: "outlier score", values: [], mean: both, words: signed(both) },
      ...(limit === null ? [] : [{ name: "limit", values: [], mean: limit, words: signed(limit) }]),
    ]);
    this.slide.show(limit ?? both, data.threshold, limit === null ? "" : signed(limit), "Back to the one in force");
    const found = surest(take);
    const where = found ? ` The ring: the surest region, ${placeOf(found.region, grid).toLowerCase()}.` : "";
    this.tell(
      `How sure is it at all, of the photo and of any region? The less, the more it is something else.${where}`,
      `Without the scale, the largest share is ${signed(-mcm)} for the photo, ${signed(-local)} for a region. ` +
        `GL-MCM = MCM + L-MCM = ${signed(mcm)} + (${signed(local)}) = ${signed(both)}.`,
    );
  }
}

class Learning extends Panel {
  constructor(set) {
    super("Learning", "plain");
    this.few = new Few("Global prompts that sit in", (m) => set({ kept: this.toggled(m) }));
    this.again = element("button", "quiet", { type: "button" }, "Draw again");
    this.again.addEventListener("click", () => set({ kept: this.draw() }));
    this.rows = new Rows("Loss");
    const head = element("div", "head", {}, element("span", "title", {}, "Prompt dropout"), this.again);
    this.add(head, this.few.root, this.rows.root);
  }

  /* In or out; one stays. */
  toggled(m) {
    const others = this.kept.filter((other) => other !== m);
    if (others.length === this.kept.length) return [...others, m].sort((a, b) => a - b);
    return others.length ? others : this.kept;
  }

  show({ c, name, take, now, method, data }) {
    const { prompts } = take.global;
    this.draw = () => lots(prompts, Math.min(method.kept, prompts), Math.random);
    const kept = now.kept ?? [...Array(Math.min(method.kept, prompts)).keys()];
    this.kept = kept;
    this.again.hidden = method.kept >= prompts;
    this.few.show(
      Array.from({ length: prompts }, (_, m) => `global ${m + 1}`),
      kept,
    );
    const found = take.outlier ? null : lossOf(take, now.topk, data.scale, c, kept);
    this.rows.root.hidden = found === null;
    if (found) {
      const most = Math.max(found.whole, ...found.each, 1e-6);
      const rows = [["kept global prompts", found.whole], ...found.each.map((loss, n) => [`local ${n + 1}`, loss])];
      this.rows.show(
        rows.map(([words, loss]) => ({ name: words, value: loss.toFixed(4), share: loss / most })),
      );
    }
    const local = found?.each.length ? ` + mean of the local ones, ${mean(found.each).toFixed(4)}` : "";
    this.tell(
      `If this were a shot of ${name}, each step would make these losses smaller. Only a random few of the global ` +
        "prompts sit in, so that they learn to differ. The towers never change." +
        (take.head ? " The head needs no steps: it is the solution of an equation." : ""),
      found && `Loss = −log of the share of ${name}. ${found.whole.toFixed(4)}${local} = ${found.total.toFixed(4)}.`,
      method.notes.learning,
    );
  }
}

// steps/sight.js
/* The first steps: what the model sees of the photo, in which regions, and what it is compared with. */

class Crop extends Panel {
  constructor(set) {
    super("Crop", "frame");
    this.few = new Few("What is shown", (i) => set({ asModel: i === 1 }));
    this.add(this.few.root);
  }

  show({ now, method }) {
    const { pixels, side, cut, squeezed } = method;
    const [wide, high] = pixels;
    const shape = squeezed ? ", whatever its shape" : "";
    const whole = `The photo is resized to ${side} × ${side}${shape}. All of it is seen.`;
    const middle = `The short side becomes ${side} pixels, and the middle is cut out. The dark part is not seen.`;
    const [across, down] = [cut[2] - cut[0], cut[3] - cut[1]];
    this.few.show(["The photo", `What the model gets, ${side} × ${side}`], now.asModel ? 1 : 0);
    const [left, top, right, bottom] = cut.map(Math.round);
    const share = (across * down) / (wide * high);
    this.tell(
      share > 0.999 ? whole : middle,
      `Of ${wide} × ${high} pixels: ${left} to ${right} across, ${top} to ${bottom} down, ` +
        `${(100 * share).toFixed(0)} %.`,
    );
  }
}

class Grid extends Panel {
  constructor() {
    super("Regions", "grid");
    this.close = element("canvas", "close", { "aria-hidden": "true" });
    this.which = element("p", "title", { "aria-live": "polite" });
    this.add(element("div", "beside", {}, this.close, this.which));
  }

  show({ now, grid, method, picture, data }) {
    const regions = grid.rows * grid.columns;
    const [across, down] = [method.side / grid.columns, method.side / grid.rows];
    const place = now.region === null ? "Click a region." : `${placeOf(now.region, grid)}`;
    say(this.which, place);
    this.enlarge(picture, data, grid, now.region);
    this.tell(
      `One look gives a feature for the whole photo and one for each of ${regions} regions. All else follows.`,
      `R = ${grid.rows} × ${grid.columns} = ${regions} regions of ${Math.round(across)} × ${Math.round(down)} pixels.`,
      method.notes.regions,
    );
  }

  enlarge(picture, data, grid, region) {
    this.close.hidden = region === null || !picture.naturalWidth;
    if (this.close.hidden) return;
    const [x, y, width, height] = data.crop;
    const column = region % grid.columns;
    const row = (region - column) / grid.columns;
    const [wide, high] = [(picture.naturalWidth * width) / grid.columns, (picture.naturalHeight * height) / grid.rows];
    const [left, top] = [picture.naturalWidth * x + column * wide, picture.naturalHeight * y + row * high];
    Object.assign(this.close, { width: 120, height: 120 });
    const pen = this.close.getContext("2d");
    pen.imageSmoothingEnabled = false;
    pen.drawImage(picture, left, top, wide, high, 0, 0, 120, 120);
  }
}

class Texts extends Panel {
  constructor(set) {
    super("Prompts", "plain");
    this.select = element("select");
    this.select.addEventListener("change", () => set({ c: Number(this.select.value) }));
    this.list = element("ul", "texts");
    this.add(labelled("Class followed", this.select), this.list);
  }

  show({ c, names, offered, take, now, method }) {
    choices(
      this.select,
      offered.map((k) => [String(k), names[k]]),
      String(c),
    );
    const [whole, local] = [take.global.prompts, now.topk.length];
    const lines = [];
    if (method.texts?.length === 1) {
      // What says the same is said once.
      lines.push([several("global", whole), "the whole photo", 0]);
      if (local) lines.push([several("local", local), `${now.topk.join(", ")} regions`, 0]);
    } else {
      for (let m = 0; m < whole; m++) lines.push([`global ${m + 1}`, "the whole photo", m]);
      for (let n = 0; n < local; n++) lines.push([`local ${n + 1}`, plural(now.topk[n], "region"), n]);
    }
    this.list.replaceChildren(
      ...lines.map(([name, against, i]) =>
        element(
          "li",
          "",
          {},
          element("span", "which", {}, name),
          element("span", "text", {}, ...this.text(method, i, names[c])),
          element("span", "against", {}, against),
        ),
      ),
    );
    const texts = names.length * (whole + local);
    const learned = method.texts ? "Nothing is learned yet: they are words." : "The boxes are learned vectors.";
    this.tell(
      `Each prompt is put before each class name, and the text tower makes a feature of it. ${learned}`,
      `K = ${plural(names.length, "class").replace(/classs$/, "classes")}, M = ${whole} global and N = ${local} ` +
        `local prompts: ${texts} texts.`,
      method.notes.prompts,
    );
  }

  text(method, i, name) {
    if (!method.texts) {
      const vectors = Array.from({ length: method.tokens }, () => element("i", "vector"));
      const said = { role: "img", "aria-label": plural(method.tokens, "learned vector") };
      return [element("span", "vectors", said, ...vectors), element("b", "", {}, name)];
    }
    const [before, after] = method.texts[i % method.texts.length].split("{}");
    return [before, element("b", "", {}, name), after ?? ""];
  }
}

function several(kind, count) {
  return count === 1 ? `${kind} 1` : `${kind} 1 to ${count}`;
}

class Cosines extends Panel {
  constructor(set) {
    super("Cosines", "map");
    this.few = new Few("Prompt", (i) => set(i < this.whole ? { global: i } : { global: null, prompt: i - this.whole }));
    this.of = element("p", "title", { "aria-live": "polite" });
    this.rows = new Rows("Classes by cosine", (c) => set({ c }));
    this.add(this.few.root, this.of, this.rows.root);
  }

  show({ c, names, take, now, grid, data, method, best }) {
    this.whole = method.texts?.length === 1 ? 1 : take.global.prompts; // all the same before anything is learned
    const local = now.topk.length;
    const which = now.global ?? this.whole + now.prompt;
    const words = Array.from({ length: this.whole }, (_, m) => `global ${m + 1}`);
    for (let n = 0; n < local; n++) words.push(`local ${n + 1}`);
    this.few.show(words, which);
    const region = now.region ?? best;
    const here = take.local.usual.length && now.global === null;
    const scores = here
      ? Float64Array.from(names, (_, k) => (take.local.has(k) ? take.local.map(k, now.prompt)[region] : -1))
      : Float64Array.from(take.global.rows, (row) => row[now.global ?? 0]);
    const high = here ? data.range[1] : Math.max(...take.global.rows.map((row) => Math.max(...row)));
    say(this.of, `${here ? placeOf(region, grid) : "The whole photo"}, against ${words[which]}`);
    this.rows.show(classRows(scores, c, names, signed, high), c);
    this.tell(
      "How alike are a feature and a text? Global prompts are matched with the whole photo, local ones with every " +
        "region: click one.",
      "cos(u, v) = u · v / (|u| |v|), from −1 to 1.",
      method.notes.cosines,
    );
  }
}

// steps/view.js
/* The method on one photo, step by step: the photo stays, what is drawn on it and what can be moved beside it change.
   Everything moves here; no host is told. */

const MAPS = ["map", "kept", "surest"];

class Steps {
  constructor() {
    this.soon = onceAFrame(() => this.paint());
    const set = (change) => this.set(change);
    this.photo = element("img", "photo", { alt: "" });
    this.photo.addEventListener("load", () => this.schedule());
    this.map = element("canvas", "map");
    this.lines = element("canvas", "lines");
    this.pixels = element("canvas", "pixels", { role: "img" });
    this.cells = new Cells(
      () => {},
      (region) => set({ region, global: null }),
    );
    this.seen = element("div", "seen", {}, this.map, this.lines, this.cells.ring, this.cells.root);
    this.over = element("div", "over");
    this.stage = element("div", "stage", {}, this.photo, this.seen, this.pixels, this.over);
    this.legend = element("p", "pointed");
    this.panels = [Crop, Grid, Texts, Cosines, TopK, Ensemble, Softmax, NoneOfThese, Learning].map(
      (Made) => new Made(set),
    );
    this.tabs = this.panels.map(({ title }, i) => this.tab(title, i));
    this.list = element("div", "tabs", { role: "tablist", "aria-label": "Steps" }, ...this.tabs);
    this.list.addEventListener("keydown", (event) => this.walk(event));
    this.panel = element("div", "shown", { role: "tabpanel", id: freshId() });
    for (const tab of this.tabs) put(tab, "aria-controls", this.panel.id);
    this.title = element("h2", "heading", { id: freshId() });
    put(this.panel, "aria-labelledby", this.title.id);
    this.back = element("button", "plain", { type: "button" }, "Back");
    this.next = element("button", "next", { type: "button" }, "Next");
    this.back.addEventListener("click", () => this.turn(-1));
    this.next.addEventListener("click", () => this.turn(1));
    const onward = element("div", "onward", {}, this.back, this.next);
    this.now = { step: 0 };
    const look = element("div", "look", {}, this.stage, this.legend);
    const told = element("div", "told", {}, this.title, this.panel, onward);
    this.root = element("div", "explainer steps", {}, this.list, element("div", "columns", {}, look, told));
    new ResizeObserver(() => this.schedule()).observe(this.stage);
  }

  tab(title, i) {
    const number = element("span", "count", { "aria-hidden": "true" }, String(i + 1));
    const tab = element("button", "tab", { type: "button", role: "tab" }, number, element("span", "words", {}, title));
    tab.addEventListener("click", () => this.set({ step: i }));
    return tab;
  }

  walk(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
    if (!by || event.ctrlKey || event.metaKey || event.altKey) return; // those are the browser's own
    event.preventDefault();
    this.turn(by);
    this.tabs[this.now.step].focus();
  }

  turn(by) {
    this.set({ step: Math.min(Math.max(this.now.step + by, 0), this.panels.length - 1) });
  }

  /* Args: data, as gallop/maps/explainer/steps.py makes them. */
  show(data) {
    const text = JSON.stringify(data);
    if (text === this.text) return; // hosts send what is there already, too
    this.text = text;
    this.data = data;
    const takes = data.takes.map((take) => new Take(data, take));
    [this.take] = takes;
    [this.grid] = data.grids;
    this.usual = this.take.local.usual.map((k) => Math.min(k, this.take.local.regions));
    this.colours = table(data.colours[Object.keys(data.colours)[0]]);
    const state = new State();
    state.follow(data, takes); // what the host says, checked
    const { class_name, prompt, topk, region } = state.now;
    const scores = scoresOf(this.take, topk, 0.5).together;
    const c = class_name === null ? largest(scores, 1)[0] : data.names.indexOf(class_name);
    this.now = {
      step: this.now.step,
      c: this.take.local.has(c) ? c : data.takes[0].branches[1].classes[0],
      prompt: prompt < this.usual.length ? prompt : 0, // where Explore stands at the head's map, the first
      topk,
      region,
      global: null, // the global prompt whose cosines are shown; a local one's where it is null
      asModel: false,
      share: 0.5, // of the regions in the prompts' score
      weight: headWeight(this.take), // of the head beside them
      scale: this.take.scale,
      limit: null, // the page's own where nobody moved it
      kept: null, // global prompts that sit in; the first ones until they are drawn
    };
    this.place(data);
    this.paint();
  }

  place(data) {
    this.stage.style.setProperty("--ratio", data.ratio);
    if (this.photo.src !== data.photo) this.photo.src = data.photo;
    lay(this.seen, data.crop);
    this.stage.classList.toggle("part", data.crop[2] < 0.999 || data.crop[3] < 0.999);
    this.cells.fill(this.grid);
  }

  set(change) {
    Object.assign(this.now, change);
    this.schedule();
  }

  schedule() {
    if (this.data) this.soon();
  }

  paint() {
    const { now, data, take } = this;
    const panel = this.panels[now.step];
    if (this.panel.firstChild !== panel.root) {
      this.panel.replaceChildren(panel.root);
      this.over.replaceChildren(...(panel.over ? [panel.over] : []));
    }
    say(this.title, panel.title);
    this.tabs.forEach((tab, i) => {
      put(tab, "aria-selected", String(i === now.step));
      put(tab, "tabindex", i === now.step ? "0" : "-1");
    });
    this.back.disabled = now.step === 0;
    this.next.hidden = now.step === this.panels.length - 1;
    this.paintStage(now, data, take, panel.stage);
    panel.lead(data.method.notebooks[panel.title]);
    const style = getComputedStyle(this.root);
    panel.show({
      ...{ now, data, take, grid: this.grid, usual: this.usual, method: data.method, picture: this.photo },
      ...{ c: now.c, name: data.names[now.c], names: data.names, best: this.best },
      offered: data.takes[0].branches[1].classes ?? Array.from(data.names.keys()),
      ink: {
        accent: style.getPropertyValue("--accent-drawn") || style.color,
        pale: style.getPropertyValue("--pale-drawn") || style.color,
        text: style.color,
      },
    });
    this.root.dispatchEvent(new CustomEvent("painted"));
  }

  paintStage(now, data, take, stage) {
    const local = this.usual.length > 0;
    const mapped = MAPS.includes(stage) && local && (stage !== "map" || now.global === null);
    this.root.classList.toggle("bare", !mapped);
    this.root.dataset.stage = stage;
    const whole = stage === "frame" && now.asModel;
    this.pixels.hidden = !whole;
    if (whole) this.drawPixels(data);
    this.cells.root.hidden = ["frame", "plain", "shares"].includes(stage);
    const subject = new Subject([take], data.range, now.c, null, false);
    const kept = mapped && stage !== "map" ? subject.kept(now.prompt, now.topk[now.prompt]) : [];
    // Where a step is about a region and none was chosen, the class's best one.
    this.best = local ? take.local.order(now.c, now.prompt)[0] : 0;
    const sure = stage === "surest" ? surest(take)?.region ?? null : null;
    const ring = { grid: now.region, map: now.global === null ? (now.region ?? this.best) : null, surest: sure }[stage];
    this.cells.mark(kept, ring ?? null);
    const cosine = (region) => (mapped ? `: ${signed(take.local.map(now.c, now.prompt)[region])}` : "");
    const words = (region) => `${placeOf(region, this.grid)}${cosine(region)}`;
    this.cells.name(mapped ? `Regions, a map of ${data.names[now.c]}` : "Regions", words);
    say(this.legend, this.sight(now, data, stage, mapped, kept));
    if (!mapped) return;
    drawMap(this.map, subject.maps[now.prompt], this.grid, subject.scale, this.colours, data.stands);
    drawOutlines(this.lines, kept, [], this.grid, { width: this.seen.clientWidth, height: this.seen.clientHeight });
  }

  /* What is seen on the photo, in a line below it. */
  sight(now, data, stage, mapped, kept) {
    if (stage === "shares") return "Each bar is a class's share: from side to side is 100 %.";
    if (!mapped) return "";
    const map = `Brighter: more like ${data.names[now.c]}, by local prompt ${now.prompt + 1}.`;
    return kept.length ? `${map} Outlined: its ${plural(kept.length, "best region")}.` : map;
  }

  /* The crop in as many pixels as the model gets. */
  drawPixels(data) {
    if (!this.photo.naturalWidth) return;
    const [x, y, width, height] = data.crop;
    const { naturalWidth: wide, naturalHeight: high } = this.photo;
    const { side } = data.method;
    Object.assign(this.pixels, { width: side, height: side });
    const pen = this.pixels.getContext("2d");
    pen.drawImage(this.photo, x * wide, y * high, width * wide, height * high, 0, 0, side, side);
    put(this.pixels, "aria-label", `The crop, ${side} × ${side} pixels`);
  }
}

// steps/host.js
/* Where the steps live: Streamlit calls the default export with the component whenever its data changed. */

const shown = new WeakMap(); // root element -> Steps

export default function ({ data, parentElement }) {
  let root = parentElement.querySelector(".explainer.steps");
  if (!root) {
    const made = new Steps();
    root = made.root;
    shown.set(root, made);
    parentElement.append(root);
  }
  shown.get(root).show(data);
}
