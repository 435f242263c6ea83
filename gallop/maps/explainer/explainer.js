/* Joined from src by `python -m gallop.maps.explainer.join`: change those, not this. */

// reload.js
/* What a hand did just before its page was loaded anew: the host may not have heard or heeded it yet. */

const PLACE = "gallop explainer";
const JUST = 3000; // ms before the page was left

function remember(id, stands) {
  try {
    sessionStorage.setItem(PLACE, JSON.stringify({ id, stands, at: Date.now() }));
  } catch {
    // A browser that keeps nothing: then the host alone knows.
  }
}

/* What was left of this photo and these cosines; nothing where the page was not loaded anew, or long after. */
function recalled(id) {
  try {
    const [opened] = performance.getEntriesByType("navigation");
    const left = JSON.parse(sessionStorage.getItem(PLACE));
    sessionStorage.removeItem(PLACE);
    const just = left?.id === id && performance.timeOrigin - left.at < JUST;
    return opened?.type === "reload" && just ? left.stands : undefined;
  } catch {
    return undefined;
  }
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

// bars.js
/* Probabilities as bars: of the classes, together and of each branch; and of one region alone. */

const ROWS = 6;
const HEAD_NOTE = "Head: how much the photo is like those it learned from.";

/* A line of a class: its name, its share, a bar, and thinner bars of the branches. */
class Row {
  constructor(choose) {
    this.name = element("span", "name");
    this.share = element("span", "share");
    this.fill = element("span", "fill");
    this.tick = element("span", "tick");
    this.thin = [];
    this.track = element("span", "track", { "aria-hidden": "true" }, this.fill, this.tick);
    this.root = element("button", "bar", { type: "button" }, this.name, this.share, this.track);
    this.root.addEventListener("click", () => choose(this.c));
  }

  show(c, name, share, words, branches, before) {
    this.c = c;
    say(this.name, name);
    say(this.share, words);
    this.fill.style.transform = `scaleX(${share})`;
    this.tick.hidden = before === undefined;
    if (before !== undefined) this.tick.style.left = `${100 * before}%`;
    while (this.thin.length < branches.length) {
      this.thin.push(element("span", `fill thin thin-${this.thin.length}`));
      this.track.append(this.thin.at(-1));
    }
    this.thin.forEach((thin, i) => (thin.style.transform = `scaleX(${branches[i]?.share ?? 0})`));
    const parts = branches.map((branch) => `${branch.name} ${percent(branch.share)}`);
    if (before !== undefined) parts.push(`before ${percent(before)}`);
    this.title = parts.join(", ");
    put(this.root, "title", this.title);
  }
}

class Bars {
  /* Args: choose(class) where one is clicked. */
  constructor(choose) {
    this.choose = choose;
    this.list = element("div", "list", { role: "group", "aria-label": "Classes by probability" });
    this.key = element("p", "key");
    this.meant = element("p", "meant");
    this.root = element("div", "bars", {}, this.list, this.key, this.meant);
    this.rows = [];
  }

  /* Which classes are shown changes where a hand lets go, not while it moves: nothing is to jump under it. */
  arrange(answer, always) {
    const order = Array.from(answer.shares.keys()).sort((a, b) => answer.shares[b] - answer.shares[a] || a - b);
    const shown = order.slice(0, ROWS);
    const wanted = [...new Set(always)].filter((c) => c !== null && !shown.includes(c));
    this.shown = [...shown.slice(0, ROWS - wanted.length), ...wanted];
    this.more = order.length - this.shown.length;
  }

  show(names, answer, { explained, against, before, beforeWords }) {
    while (this.rows.length < this.shown.length) {
      this.rows.push(new Row(this.choose));
      this.list.append(this.rows.at(-1).root);
    }
    this.rows.forEach((row, i) => {
      row.root.hidden = i >= this.shown.length;
      if (row.root.hidden) return;
      const c = this.shown[i];
      const branches =
        answer.branches.length > 1 ? answer.branches.map(({ name, shares }) => ({ name, share: shares[c] })) : [];
      // Of one class alone nothing is certain, so nothing is said.
      const words = names.length > 1 ? percent(answer.shares[c]) : "";
      row.show(c, names[c], answer.shares[c], words, words ? branches : [], before?.shares[c]);
      row.root.classList.toggle("explained", c === explained);
      row.root.classList.toggle("against", c === against);
      put(row.root, "aria-pressed", String(c === explained));
    });
    this.explainKey(answer, before && beforeWords);
  }

  explainKey(answer, before) {
    const entries = answer.branches.length > 1 ? [["together", "all"]] : [];
    if (answer.branches.length > 1) answer.branches.forEach(({ name }, i) => entries.push([name, `thin-${i}`]));
    if (before) entries.push([before, "was"]);
    say(this.meant, answer.branches.some(({ linear }) => linear) ? HEAD_NOTE : "");
    const text = entries.map((entry) => entry.join()).join() + this.more;
    if (this.keyed === text) return;
    this.keyed = text;
    this.key.replaceChildren(
      ...entries.map(([words, kind]) => element("span", "entry", {}, element("i", kind), words)),
      ...(this.more > 0 ? [element("span", "entry more", {}, `and ${this.more.toLocaleString("en")} more`)] : []),
    );
  }
}

/* What one region looks like by itself. */
class Asked {
  constructor(forget) {
    this.title = element("p", "title");
    this.list = element("ul", "list");
    this.forget = element("button", "quiet", { type: "button" }, "Forget this region");
    this.forget.addEventListener("click", forget);
    this.root = element("section", "asked", { "aria-live": "polite" }, this.title, this.list, this.forget);
  }

  show(place, found, names) {
    this.root.hidden = place === null;
    if (place === null) return;
    say(this.title, `${place}: alone it would be`);
    this.list.replaceChildren(
      ...found.map(([c, share]) => {
        const fill = element("span", "fill");
        fill.style.transform = `scaleX(${share})`;
        const name = element("span", "name");
        name.textContent = names[c];
        const track = element("span", "track", { "aria-hidden": "true" }, fill);
        return element("li", "bar", {}, name, element("span", "share", {}, percent(share)), track);
      }),
    );
  }
}

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

// head.js
/* What the head's map is about, as gallop/maps/look.py has it: above zero a region speaks for the class. One map for
   every class, in which all regions count; it stands behind those of the local prompts. */

class HeadSubject {
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
function paintHead(view, now) {
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

// legend.js
/* Which colour is which score, under the photo. */

const PLAIN = { opacity: 1, threshold: 0, smooth: false };

class Legend {
  constructor() {
    this.ramp = element("canvas", "ramp", { width: "256", height: "1", "aria-hidden": "true" });
    [this.low, this.high, this.about] = ["low", "high", "about"].map((name) => element("span", name));
    this.root = element("div", "legend", {}, this.about, element("div", "line", {}, this.low, this.ramp, this.high));
  }

  /* Args: title of the map; names of the class and of the one it is compared with. */
  show(subject, colours, title, name, otherName) {
    const { low, high, signed } = subject.scale;
    if (this.ramped !== colours) {
      const scores = Array.from({ length: 256 }, (_, i) => low + ((high - low) * i) / 255);
      drawMap(this.ramp, scores, { rows: 1, columns: 256 }, subject.scale, colours, PLAIN);
      this.ramped = colours;
    }
    say(this.low, signed ? `${otherName} ${difference(low)}` : figure(low));
    say(this.high, signed ? `${difference(high)} ${name}` : figure(high));
    say(this.about, signed && subject.kept ? `${title}. Dots: the k best regions of ${otherName}` : title);
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

// sizes.js
/* Which size of regions is shown, where the photo was looked at twice. A region that is asked is always one of the
   finest grid; of another grid it is the one in which its centre lies, as app/visitor/page_state.py has it. */

const ANSWERS = 5; // classes that a region is said to be like

class Sizes {
  constructor(choose) {
    this.root = element("div", "sizes", { role: "group", "aria-label": "Size of regions" });
    this.choose = choose;
    this.buttons = [];
  }

  show(grids, look) {
    this.root.hidden = grids.length < 2;
    while (this.buttons.length < grids.length) {
      const at = this.buttons.length;
      this.buttons.push(element("button", "quiet", { type: "button" }));
      this.buttons[at].addEventListener("click", () => this.choose(at));
      this.root.append(this.buttons[at]);
    }
    this.buttons.forEach((button, at) => {
      button.hidden = at >= grids.length;
      if (button.hidden) return;
      say(button, `${grids[at].rows} × ${grids[at].columns} regions`);
      put(button, "aria-pressed", String(at === look));
    });
  }
}

/* The region of another grid in which the centre of this one lies; null stays null. */
function placed(region, from, to) {
  if (region === null || from === to) return region;
  const column = region % from.columns;
  const row = (region - column) / from.columns;
  const at = (cell, cells, others) => Math.floor(((2 * cell + 1) * others) / (2 * cells));
  return at(row, from.rows, to.rows) * to.columns + at(column, from.columns, to.columns);
}

/* What the region that is asked looks like by itself, in an explainer. */
function showAsked(view) {
  const place = view.here === null ? null : placeOf(view.here, view.grid);
  if (view.askedOf === `${place}${view.cosines}`) return;
  const found = place && view.takes[0].alone(view.here, ANSWERS, view.subject.local);
  view.asked.show(place, found, view.data.names);
  view.askedOf = `${place}${view.cosines}`;
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

// view.js
/* The explainer: a photo with its map, what was answered, and what decided. Everything is worked out here, at every
   frame that something moved; the host is told when a hand lets go. */

const HINT = "Click a region to ask what it looks like.";
const TOLD_AFTER = 200; // ms: keys that are pressed again and again are one movement

class Explainer {
  constructor() {
    this.state = new State();
    this.tell = this.remember = () => {};
    this.soon = onceAFrame(() => this.paint());
    const move = (change) => this.move(change);
    const settle = () => this.settle();
    const set = (change) => {
      move(change);
      settle();
    };
    this.photo = element("img", "photo", { alt: "" });
    this.map = element("canvas", "map");
    this.lines = element("canvas", "lines");
    this.cells = new Cells(
      (region) => this.pointAt(region),
      (region) => set({ region: placed(region, this.grid, this.data.grids.at(-1)) }),
    );
    this.seen = element("div", "seen", {}, this.map, this.lines, this.cells.ring, this.cells.root);
    this.stage = element("div", "stage", {}, this.photo, this.seen);
    // The words are each cell's own name too, so a screen reader has them already.
    this.pointed = element("p", "pointed", { "aria-hidden": "true" });
    this.legend = new Legend();
    this.sizes = new Sizes((look) => set({ look }));
    this.strip = new Strip((prompt) => set({ prompt, all: false }));
    this.all = element("button", "quiet", { type: "button" });
    this.all.addEventListener("click", () => set({ all: !this.state.now.all }));
    this.track = new Track(
      (k) => move({ topk: this.state.now.topk.map((old, n) => (n === this.state.now.prompt ? k : old)) }),
      settle,
      () => set({ topk: this.usual }),
    );
    this.best = element("p", "best");
    this.verdict = element("p", "verdict");
    this.stale = element("p", "stale", { role: "status" });
    this.faint = element("p", "faint", { role: "status" });
    this.spoken = element("p", "spoken", { "aria-live": "polite" });
    this.bars = new Bars((c) => set({ class_name: this.data.names[c] }));
    this.asked = new Asked(() => set({ region: null }));
    this.classes = new Classes(set);
    this.options = new Options(move, settle);
    const head = element("div", "head", {}, element("span", "title", {}, "Scales"), this.all);
    this.maps = element("div", "maps", {}, head, this.sizes.root, this.strip.root, this.track.root);
    const look = element("div", "look", {}, this.stage, this.pointed, this.faint, this.legend.root);
    const answer = element("div", "answer", {}, this.best, this.verdict, this.bars.root, this.stale);
    const rest = element("div", "rest", {}, this.classes.root, this.asked.root, this.options.root, this.spoken);
    this.beside = [answer, this.maps, this.classes.root, this.options.root];
    this.root = element("div", "explainer", {}, element("div", "columns", {}, look, answer, this.maps, rest));
    const resized = new ResizeObserver(() => (this.unmeasured(), this.schedule()));
    for (const part of [this.stage, this.strip.root]) resized.observe(part);
  }

  /* Args: data, as gallop/maps/explainer/data.py makes them; tell(what stands), called when a hand has let go for a
     moment; remember(what stands), called at once. */
  show(data, tell, remember = () => {}) {
    const text = JSON.stringify(data); // hosts send what is there already, too
    if (text !== this.text) {
      this.hurry(); // what a hand did here is of what was shown until now
      this.read(data);
    }
    [this.text, this.tell, this.remember] = [text, tell, remember];
    this.arranged = false;
    this.paint();
    this.rest();
  }

  read(data) {
    const cosines = JSON.stringify([data.takes, data.names, data.scale, data.temperature]);
    if (cosines !== this.cosines) {
      this.takes = data.takes.map((take) => new Take(data, take));
      this.outlier = this.takes[0].outlierScores();
      this.cosines = cosines;
      this.subjects = new Map();
    }
    this.data = data;
    this.state.follow(data, this.takes);
    this.usual = this.takes[0].local.usual.map((k) => Math.min(k, this.takes[0].local.regions));
    this.colours = Object.fromEntries(Object.entries(data.colours).map(([name, text]) => [name, table(text)]));
    this.signed = table(data.signed);
    this.stage.style.setProperty("--ratio", data.ratio);
    if (this.photo.src !== data.photo) this.photo.src = data.photo;
    lay(this.seen, data.crop);
    this.unmeasured();
    this.stage.classList.toggle("part", data.crop[2] < 0.999 || data.crop[3] < 0.999);
    this.strip.fill(this.state.maps);
    this.strip.frame(data);
    const kinds = { plain: !this.state.maps, one: this.state.maps === 1, compact: Boolean(data.compact) };
    this.alike = kinds.alike = this.takes.every(({ local, head }) => local.alike && !head); // not learned: one map
    for (const [name, holds] of Object.entries(kinds)) this.root.classList.toggle(name, holds);
    if (data.compact) this.beside.forEach((part) => part.remove());
  }

  move(change) {
    this.state.move(change);
    this.schedule();
  }

  schedule() {
    if (this.data) this.soon();
  }

  settle() {
    clearTimeout(this.telling);
    this.remember(this.state.now);
    this.telling = setTimeout(() => {
      this.arranged = false;
      this.schedule();
      this.rest();
      this.hurry();
    }, TOLD_AFTER);
  }

  /* What waits to be told is told now. */
  hurry() {
    if (this.telling === undefined) return;
    clearTimeout(this.telling);
    this.telling = undefined;
    this.tell(this.state.settled());
  }

  /* Go on with what a hand left before the page was loaded anew; undefined where it left nothing. */
  resume(stands) {
    if (stands === undefined) return;
    this.move(stands);
    this.settle();
  }

  /* What is worked out of the state, before any of it is drawn. */
  work() {
    const now = this.state.now;
    this.answer = this.takes[0].answer(now.topk);
    this.before = this.takes[1]?.answer(now.topk);
    this.label = largest(this.answer.shares, 1)[0];
    this.odd = this.data.threshold !== null && this.outlier["GL-MCM"] > this.data.threshold;
    this.explained = now.class_name === null ? this.label : this.data.names.indexOf(now.class_name);
    const against = now.against === null ? null : this.data.names.indexOf(now.against);
    this.against = against === this.explained ? null : against;
    this.name = this.data.names[this.explained];
    this.otherName = now.before ? `itself ${this.takes[1].when}` : this.data.names[this.against];
    this.grid = this.data.grids[now.look];
    const about = [this.explained, this.against, now.before];
    const key = [...about, now.look].join();
    if (!this.subjects.has(key)) {
      if (this.subjects.size > 50) this.subjects.clear();
      const { range, reach } = { ...this.data, ...this.grid }; // larger regions have their own
      const scales = [this.takes, reach, this.usual.length];
      const head = this.takes[0].head && new HeadSubject(...scales, ...about, now.look);
      this.subjects.set(key, { subject: new Subject(this.takes, range, ...about, now.look), head });
    }
    ({ subject: this.subject, head: this.head } = this.subjects.get(key));
    this.onHead = Boolean(this.head?.here) && now.prompt === this.usual.length;
    this.title = this.subject.other ? `Why ${this.name}, not ${this.otherName}` : `Where it sees ${this.name}`;
  }

  paint() {
    this.work();
    const now = this.state.now;
    this.root.classList.toggle("all", now.all);
    this.cells.fill(this.grid);
    this.sizes.show(this.data.grids, now.look);
    this.here = placed(now.region, this.data.grids.at(-1), this.grid);
    if (!this.arranged) this.bars.arrange(this.answer, [this.explained, this.against]);
    this.arranged = true;
    this.paintAnswer(now);
    this.paintMaps(now);
    const offered = this.data.offered ?? Array.from(this.data.names.keys());
    this.classes.show(this.data.names, offered, now, this.explained, this.takes[1]?.when);
    this.options.show(now, Object.keys(this.data.colours));
    showAsked(this);
    this.root.dispatchEvent(new CustomEvent("painted", { composed: true })); // what waits for it may be anywhere
  }

  paintAnswer(now) {
    const said = this.said();
    const [doubt, label, share] = said;
    if (this.best.dataset.said !== said.join()) {
      this.best.dataset.said = said.join();
      this.best.replaceChildren(
        ...(doubt ? [element("span", "doubt", {}, doubt), " "] : []),
        element("span", "name", {}, label),
        " ", // between the two for who reads them as one
        element("span", "share", {}, share),
      );
    }
    this.bars.show(this.data.names, this.answer, {
      explained: this.explained,
      against: this.against,
      before: this.before,
      beforeWords: this.takes[1]?.when,
    });
    say(this.verdict, limitLine(this.outlier["GL-MCM"], this.data.threshold, this.odd));
    this.best.classList.toggle("odd", this.odd && !doubt);
    const stands = this.takes[0].stands(now.topk);
    this.root.classList.toggle("behind", !stands);
    say(this.stale, stands ? "" : `Probabilities are those of k = ${this.takes[0].local.last.topk.join(", ")}.`);
  }

  /* Why the limit decides nothing, if so; the answer; and how probable it is: of one class nothing is certain. */
  said() {
    const { doubt = "", names } = this.data;
    const share = names.length > 1 ? percent(this.answer.shares[this.label]) : "";
    return [doubt, ...headline(names[this.label], share, this.odd, doubt)];
  }

  paintMaps(now) {
    const { subject } = this;
    const colours = subject.scale.signed ? this.signed : this.colours[now.colours];
    const bare = !subject.prompts && !this.head?.here;
    this.root.classList.toggle("bare", bare);
    this.root.classList.toggle("clear", now.opacity === 0);
    this.legend.root.hidden = this.maps.hidden = bare;
    this.mark(now);
    say(this.faint, this.onHead ? "" : faintLine(subject, this.name));
    if (bare) return;
    if (this.size?.all !== now.all || !this.size.width) this.unmeasured();
    this.size ??= { all: now.all, width: this.seen.clientWidth, height: this.seen.clientHeight };
    const small = this.state.maps > 1 && !this.data.compact;
    for (let n = 0; n < subject.prompts; n++) {
      const [kept, rival] = [subject.kept(n, now.topk[n]), subject.rival(n, now.topk[n])];
      const score = subject.score(n, now.topk[n]);
      const words = `k = ${now.topk[n]}: ${subject.other ? difference(subject.gap(n, now.topk[n])) : figure(score)}`;
      if (small) this.strip.show(n, `Local prompt ${n + 1}`, words, n === now.prompt);
      if (small && (now.all || !this.alike)) this.strip.draw(n, subject, kept, rival, this.grid, colours, now);
      if (n !== now.prompt) continue;
      if (!now.all) {
        drawMap(this.map, subject.maps[n], this.grid, subject.scale, colours, now);
        drawOutlines(this.lines, kept, rival, this.grid, this.size);
      }
      this.track.show(n, now.topk, this.usual, this.takes[0].local.regions, sumLine(subject, n, now.topk[n]));
    }
    if (this.head?.here) paintHead(this, now);
    if (!this.onHead) this.legend.show(subject, colours, this.title, this.name, this.otherName);
    say(this.all, now.all ? "One map" : "All large");
  }

  /* Sizes are taken anew where they may have changed, and only there: the browser lays out the whole page for it. */
  unmeasured() {
    this.size = this.strip.size = undefined;
  }

  mark(now) {
    const { subject } = this;
    const kept = subject.prompts && !this.onHead ? subject.kept(now.prompt, now.topk[now.prompt]) : [];
    this.cells.mark(kept, this.here);
    this.pointAt(this.cells.focused());
  }

  /* A region in words: its score, and what it is like. */
  regionWords(region) {
    const subject = this.onHead ? this.head : this.subject;
    const { prompt, topk } = this.state.now;
    const score = subject.prompts ? subject.maps[prompt][region] : null;
    const outlined = Boolean(score !== null && subject.kept?.(prompt, topk[prompt]).includes(region));
    const [c, share] = this.takes[0].mostLike(region, this.subject.local);
    return regionLine(region, this.grid, { score, signed: subject.scale.signed, outlined }, this.data.names[c], share);
  }

  pointAt(region) {
    const here = region ?? this.here;
    say(this.pointed, here === null ? HINT : this.regionWords(here));
  }

  /* What only screen readers hear, where nothing moves. */
  rest() {
    const [{ subject }, { now }, [doubt, ...said]] = [this, this.state, this.said()];
    const words = (region) => this.regionWords(region);
    if (this.onHead) this.cells.name(`Map of the head. ${this.head.title(this.name)}; every region counts.`, words);
    else if (subject.prompts) {
      const kept = subject.kept(now.prompt, now.topk[now.prompt]);
      const about = `Map of local prompt ${now.prompt + 1}. ${this.title}`;
      this.cells.name(`${about}; its ${kept.length} best regions: ${where(kept, this.grid)}.`, words);
    } else {
      this.cells.name("The photo; each region says which class it is most like.", words);
    }
    put(this.root, "data-answer", this.data.names[this.label]);
    say(this.spoken, `${doubt} Answer: ${said.filter(Boolean).join(", ")}.`.trim());
  }
}

// hosts.js
/* Where an explainer lives. Hosts call the default export differently:
   - Streamlit (components v2) calls it with the component whenever its data changed;
   - anywidget calls it once without arguments and gets the object with its hooks.
   A page of its own has its data in blocks of JSON, each followed by pictures for readers without scripts, in whose
   place the explainer comes. */

const shown = new WeakMap(); // root element -> Explainer
const held = new Map(); // id -> what an explainer shows, but for what it stands at
const left = new Map(); // id -> what a hand left it at, as the host was told
const HELD = 8;

export default function (component) {
  return component ? showInStreamlit(component) : { render: showInNotebook };
}

/* Photo and cosines come once, and are known by their id from then on; what stands comes where it is not what was told
   last. So a page that is drawn anew because a hand let go has nothing to send. What is not here after all is asked
   for. */
function showInStreamlit({ data, parentElement, setStateValue }) {
  const { id, whole, stands } = data;
  if (whole) hold(id, whole);
  if (!held.has(id) || !(stands ?? left.has(id))) return setStateValue("lacks", { id, at: Date.now() });
  const explainer = explainerIn(parentElement);
  const fresh = !explainer.data;
  const tell = (told) => {
    left.set(id, told);
    setStateValue("stands", { ...told, of: id, holds: [...held.keys()] });
  };
  explainer.show({ ...held.get(id), stands: stands ?? left.get(id) }, tell, (told) => remember(id, told));
  if (fresh) explainer.resume(recalled(id));
}

function hold(id, whole) {
  held.delete(id); // the newest last
  held.set(id, whole);
  if (held.size <= HELD) return;
  const oldest = held.keys().next().value;
  held.delete(oldest);
  left.delete(oldest);
}

function showInNotebook({ model, el }) {
  const tell = (stands) => {
    model.set("stands", stands);
    model.save_changes();
  };
  const show = () => explainerIn(el).show(model.get("data"), tell);
  model.on("change:data", show);
  show();
  return () => model.off("change:data", show);
}

function showInPage() {
  for (const block of document.querySelectorAll("script.explainer-data")) {
    const made = new Explainer();
    made.show(JSON.parse(block.textContent), () => {});
    block.nextElementSibling.replaceChildren(made.root);
  }
}

function explainerIn(parent) {
  const found = parent.querySelector(".explainer");
  if (found) return shown.get(found);
  const made = new Explainer();
  shown.set(made.root, made);
  parent.append(made.root);
  return made;
}

if (typeof document !== "undefined") showInPage();
