/* What the project of the page that teaches becomes by the deeds on standard input, as JSON. */

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const { differs, freshName, Store } = await import(new URL("src/store.js", pathToFileURL(`${process.argv[2]}/`)));

const { limits, deeds, sketches } = JSON.parse(readFileSync(0, "utf8"));
let changes = 0;
const store = new Store(["red", "green"], limits, () => (changes += 1));
const ids = () => store.classes.map(({ id }) => id);
const photo = (id) => ({ id });
const acts = {
  photos: (n, photos, token) => store.addPhotos(ids()[n], photos.map(photo), token),
  removePhoto: (n, id) => store.removePhoto(ids()[n], id),
  rename: (n, name) => store.rename(ids()[n], name),
  add: () => store.add(freshName(store.classes, (i) => `class ${i}`)),
  remove: (n) => store.remove(ids()[n]),
  room: (n) => store.room(ids()[n]),
  undo: () => store.undo() ?? null,
};
const shown = () => store.classes.map(({ name, photos }) => [name, ...photos.map(({ id }) => id)]);
const said = deeds.map(([what, ...given]) => {
  let answer, problem;
  try {
    answer = acts[what](...given);
  } catch (error) {
    problem = error.message;
  }
  return { classes: shown(), ...(what === "undo" ? { undone: answer } : {}), ...(problem ? { problem } : {}) };
});
const apart = sketches.map(([one, ...others]) => differs(one, others));
console.log(JSON.stringify({ said, changes, apart }));
