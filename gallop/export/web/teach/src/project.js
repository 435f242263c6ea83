/* A project as one file, which the app opens and writes too (see gallop/data/project_file.py). What is opened is a
   stranger's: every value must be of the kind that is expected, and every run what the list of contents says. */

import { LIMITS, plain, Unzipped, zip } from "./zip.js";
import { added, cleanName } from "./names.js";
import { sha256 } from "./sha256.js";

export { writeCheckpoint } from "./checkpoint.js";
export { LIMITS };

const [FORMAT, MANIFEST, LONGEST, MOST_TEXT, MOST_JSON] = [2, "project.json", 60, 20_000, 4 * 2 ** 20];
const MOST_TENSORS = 64 * 2 ** 20;
const MOST_PICTURE = 20 * 2 ** 20;
const ABOUT = "A GalLoP Explorer project. Open it on the page Teach.";
const SHELVES = { look: LIMITS.shownSide, other: LIMITS.shotSide };
const RUN_FILES = { "run.json": MOST_JSON, "gallop.json": MOST_JSON, "prompts.safetensors": MOST_TENSORS };
const NOTHING = { runs: [], taught: null, limit: null, settings: {}, explore: {}, tuned: null };
const CHANGED = "The file is damaged or was changed, so it was not opened. Use another copy of it.";

/* Hexadecimal digits, the same for the same size and pixels: the sha256 of a Photo of Python's. Args: rgba, opaque. */
export function pictureDigest(rgba, width, height) {
  const rgb = new Uint8Array(width * height * 3);
  for (let i = 0, at = 0; i < rgb.length; i += 3, at += 4) {
    rgb[i] = rgba[at];
    rgb[i + 1] = rgba[at + 1];
    rgb[i + 2] = rgba[at + 2];
  }
  return sha256(`${width} x ${height}:`, rgb);
}

/* The file's bytes. Args: classes, {name, shots} each, of photos {name, sha256, bytes}; rest, as readProject gave it, or
   nothing; model, what model.json holds. */
export function writeProject({ classes, rest }, model) {
  const files = new Map([[MANIFEST, null]]);
  const folders = [];
  const cards = together(classes, rest?.cards ?? []).map(({ name, enabled, shots, tests }) => {
    const folder = free(name, folders);
    return { name, enabled, shots: pile(`train/${folder}`, shots, files), tests: pile(`test/${folder}`, tests, files) };
  });
  const put = (shelf) => [shelf, pile(shelf, rest?.shelves[shelf] ?? [], files)];
  for (const [path, bytes] of rest?.files ?? []) files.set(path, bytes);
  const manifest = {
    ...{ about: ABOUT, format: FORMAT, version: model.gallop, cards },
    ...{ shelves: Object.fromEntries(Object.keys(SHELVES).map(put)), backbone: model.backbone },
    ...{ ...NOTHING, ...rest?.facts },
  };
  files.set(MANIFEST, new TextEncoder().encode(`${JSON.stringify(manifest, null, 1)}\n`));
  const size = [...files.values()].reduce((sum, bytes) => sum + bytes.length, 0);
  if (size > LIMITS.archiveBytes - LIMITS.directoryBytes || files.size > LIMITS.members)
    throw new Error(
      `This project is too large to save: it has ${Math.round(size / 2 ** 20)} MB in ${files.size} files. The limits are ` +
        `${LIMITS.archiveBytes / 2 ** 20} MB and ${LIMITS.members} files. Remove some photos.`,
    );
  return zip(files);
}

/* Classes as they are now, in the places that they had; with what the page does not show of a project: photos to test on,
   and classes that are off. Of a photo or a class that is there twice what is shown is kept. */
function together(classes, before) {
  const same = (one, other) => one.name.toLowerCase() === other.name.toLowerCase();
  const shown = new Set(classes.flatMap(({ shots }) => shots.map((photo) => photo.sha256)));
  const hidden = (photos) => photos.filter((photo) => !shown.has(photo.sha256));
  const kept = before.flatMap((card) => {
    const now = classes.find((one) => same(one, card));
    if (!now && card.enabled) return [];
    const { name, shots } = now ?? { name: card.name, shots: hidden(card.shots) };
    return [{ name, enabled: Boolean(now), shots, tests: hidden(card.tests) }];
  });
  const fresh = classes.filter((one) => !before.some((card) => same(one, card)));
  return [...kept, ...fresh.map(({ name, shots }) => ({ name, enabled: true, shots, tests: [] }))];
}

function pile(folder, photos, files) {
  const names = [];
  return photos.map(({ name, sha256: digest, bytes }) => {
    const { ending } = pictureFacts(bytes) ?? { ending: "png" };
    const path = `${folder}/${free(name.replace(/(.)\.[^.]*$/u, "$1"), names)}.${ending}`;
    files.set(path, bytes);
    return { file: path, name, sha256: digest };
  });
}

/* A file name that every system allows and that is not used here yet, whatever its case; it is used now. */
function free(words, used) {
  const allowed = [...words].map((char) => (/[\p{L}\p{N} \-()]/u.test(char) ? char : "_"));
  const first = allowed.slice(0, LONGEST).join("").trim() || "_";
  let name = first;
  for (let number = 2; used.includes(name.toLowerCase()); number++) name = `${first} (${number})`;
  used.push(name.toLowerCase());
  return name;
}

/* What writeProject takes: the classes that are on, and the rest. The pictures are not decoded here: whoever does that compares pictureDigest with sha256.
   Args: bytes; name, of the file. Throws an error with a sentence. */
export async function readProject(bytes, name) {
  const file = new Unzipped(bytes, plain(name));
  if (!file.members.has(MANIFEST))
    throw new Error(`${file.shown} is not a project: it does not contain ${MANIFEST}. Photos in folders are opened as files.`);
  const text = await textOf(file, MANIFEST);
  return new Opened(file).project(parsed(text, `${MANIFEST} in ${file.shown}`));
}

async function textOf(file, path) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(await file.read(path, MOST_JSON));
  } catch (error) {
    throw error instanceof TypeError ? wrong(`${path} in ${file.shown}`, "is not text") : error;
  }
}

function parsed(text, where) {
  try {
    return JSON.parse(text);
  } catch {
    throw wrong(where, "cannot be read as JSON");
  }
}

const wrong = (where, what) => new Error(`${where} ${what}. ${CHANGED}`);
const isText = (value, most = MOST_TEXT) => typeof value === "string" && value.length <= most;
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const isDigest = (value) => typeof value === "string" && /^[0-9a-f]{64}$/.test(value);

class Opened {
  constructor(file) {
    this.file = file;
    this.where = `${MANIFEST} in ${file.shown}`;
    this.digests = new Set();
    this.photos = 0;
  }

  need(holds, what) {
    if (!holds) throw wrong(this.where, what);
  }

  refuse(is, sentence) {
    if (is) throw new Error(`${this.file.shown} was not opened: ${sentence}`);
  }

  async project(manifest) {
    this.need(isObject(manifest), "does not have the expected structure");
    const { format, cards, shelves } = manifest;
    this.need(Number.isSafeInteger(format) && format >= 1, "has no valid format number");
    this.refuse(format > FORMAT, `it was saved by a newer version (format ${format}), and this page reads up to ${FORMAT}.`);
    this.need(Array.isArray(cards) && cards.every(isObject), "has no list of classes");
    this.refuse(cards.length > LIMITS.classes, `it has ${cards.length} classes, and ${LIMITS.classes} are the most.`);
    const names = cards.map(({ name }) => name);
    const fits = names.every((name) => isText(name) && name && cleanName(name) === name) && !added([], names).problem;
    this.need(fits, "has a class name that is invalid or used twice");
    const read = [];
    for (const { name, enabled, shots, tests } of cards) {
      this.need(typeof enabled === "boolean", "does not say which classes are used");
      const piles = [shots, tests].map((some) => this.listed(some, LIMITS.shots));
      const made = { name, enabled, shots: await this.pictures(piles[0], LIMITS.shotSide) };
      read.push({ ...made, tests: await this.pictures(piles[1], LIMITS.shotSide) });
    }
    this.refuse(this.photos > LIMITS.altogether, `it has more than ${LIMITS.altogether} photos of classes.`);
    this.need(isObject(shelves), "has no list of other photos");
    const others = {};
    for (const [shelf, side] of Object.entries(SHELVES)) {
      this.digests = new Set();
      others[shelf] = await this.pictures(this.listed(shelves[shelf], LIMITS.shelf), side);
    }
    const classes = read.filter(({ enabled }) => enabled).map(({ name, shots }) => ({ name, shots }));
    return { classes, rest: { cards: read, shelves: others, ...(await this.rest(manifest)) } };
  }

  listed(photos, most) {
    this.need(Array.isArray(photos) && photos.every(isObject), "has no list of photos");
    this.refuse(photos.length > most, `one of its lists has ${photos.length} photos, and ${most} are the most.`);
    return photos;
  }

  async pictures(photos, side) {
    const made = [];
    for (const { file: path, name, sha256: digest } of photos) {
      this.need(isText(path) && isText(name), "has a photo without a file or a name");
      this.need(isDigest(digest), "has a photo without a fingerprint");
      this.need(!this.digests.has(digest), "contains a photo twice");
      this.digests.add(digest);
      const bytes = await this.file.read(path, MOST_PICTURE);
      const facts = pictureFacts(bytes);
      if (!facts) throw wrong(`${plain(path)} in ${this.file.shown}`, "is not a PNG or WebP picture");
      this.refuse(Math.max(facts.width, facts.height) > side, `${plain(path)} has more than ${side} pixels a side.`);
      made.push({ name, sha256: digest, bytes });
      this.photos += 1;
    }
    return made;
  }

  /* Runs and settings, which come out as they went in: {facts, files}. */
  async rest(manifest) {
    const facts = Object.fromEntries(Object.keys(NOTHING).map((key) => [key, manifest[key] ?? NOTHING[key]]));
    const backbone = manifest.tower ?? manifest.backbone; // its name in older files
    this.need(isText(backbone), "does not say which backbone answers");
    const { runs, taught, limit, settings, explore, tuned } = facts;
    this.need(Array.isArray(runs) && runs.every(isObject), "has no list of runs");
    this.refuse(runs.length > LIMITS.runs, `it has ${runs.length} runs, and ${LIMITS.runs} are the most.`);
    this.need(isObject(settings) && isObject(explore) && (tuned === null || isObject(tuned)), "has no settings");
    this.need(limit === null || Number.isFinite(limit), "has a limit that is no number");
    const number = Number.isInteger(taught) && taught >= 0 && taught < runs.length;
    this.need(taught === null || number, "names a run that is not there");
    const files = new Map();
    for (const { folder, name, sha256: digest } of runs) {
      this.need(isText(folder) && isText(name) && isDigest(digest), "has a run without a folder, a name or a fingerprint");
      this.need(/^runs\/[^/]+$/.test(folder), "has a run in a folder of another kind");
      const digests = [];
      for (const [part, most] of Object.entries(RUN_FILES)) {
        const [path, data] = [`${folder}/${part}`, await this.file.read(`${folder}/${part}`, most)];
        files.set(path, data);
        digests.push(Uint8Array.from(sha256(data).match(/../g), (pair) => parseInt(pair, 16)));
      }
      if (sha256(...digests) !== digest) throw wrong(`${plain(folder)} in ${this.file.shown}`, "is not the run that was saved");
    }
    return { facts: { ...facts, backbone }, files };
  }
}

/* {ending, width, height} of a PNG or WebP picture by its first bytes; null of anything else. */
export function pictureFacts(bytes) {
  if (bytes.length < 32) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const text = (from, to) => String.fromCharCode(...bytes.subarray(from, to));
  if (view.getUint32(0) === 0x89504e47 && text(12, 16) === "IHDR")
    return { ending: "png", width: view.getUint32(16), height: view.getUint32(20) };
  if (text(0, 4) !== "RIFF" || text(8, 12) !== "WEBP") return null;
  const three = (at) => view.getUint16(at, true) + (bytes[at + 2] << 16);
  const bits = view.getUint32(21, true);
  const sizes = {
    VP8X: () => [three(24) + 1, three(27) + 1],
    VP8L: () => [(bits & 0x3fff) + 1, ((bits >>> 14) & 0x3fff) + 1],
    "VP8 ": () => [view.getUint16(26, true) & 0x3fff, view.getUint16(28, true) & 0x3fff],
  };
  const found = sizes[text(12, 16)]?.();
  return found ? { ending: "webp", width: found[0], height: found[1] } : null;
}
