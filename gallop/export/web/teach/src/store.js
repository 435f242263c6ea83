/* The project: classes, each {id, name, photos}. Every change gives a new list, so undo is the list before. No page is
   known here. */

import { words } from "./strings.js";

const MOST_PAST = 50;

let made = 0;
export const freshId = () => `${Date.now().toString(36)}-${(made++).toString(36)}-${Math.random().toString(36).slice(2, 8)}`;

export class Store {
  /* Args: names to begin with; limits, {classes, shots of each, altogether}; changed(), called after every change. */
  constructor(names, limits, changed) {
    this.limits = limits;
    this.classes = names.map(newClass);
    this.carried = undefined; // what a project's file has beside what is shown here
    this.past = [];
    this.changed = changed;
  }

  /* Args: what is done, a key of words.deeds; token, the same for what is undone together, such as one recording. */
  change(classes, what, token = Symbol(what), carried = this.carried) {
    const before = { classes: this.classes, carried: this.carried };
    if (this.past.at(-1)?.token !== token) this.past.push({ before, what, token });
    if (this.past.length > MOST_PAST) this.past.shift();
    Object.assign(this, { classes, carried });
    this.changed();
  }

  /* What was undone, or undefined. */
  undo() {
    const last = this.past.pop();
    if (!last) return undefined;
    Object.assign(this, last.before);
    this.changed();
    return last.what;
  }

  of(id) {
    return this.classes.find((one) => one.id === id);
  }

  get photos() {
    return this.classes.reduce((sum, { photos }) => sum + photos.length, 0);
  }

  has(photo) {
    return this.classes.some(({ photos }) => photos.some(({ id }) => id === photo));
  }

  /* Raises an error where a class takes no further photo. */
  room(id) {
    const { shots, altogether } = this.limits;
    if (this.of(id)?.photos.length >= shots) throw new Error(words.mostShots(shots));
    if (this.photos >= altogether) throw new Error(words.mostPhotos(altogether));
  }

  with(id, change, what, token) {
    this.change(
      this.classes.map((one) => (one.id === id ? { ...one, ...change(one) } : one)),
      what,
      token,
    );
  }

  add(name) {
    const { classes } = this.limits;
    if (this.classes.length >= classes) throw new Error(words.most(classes));
    this.change([...this.classes, newClass(name)], "add");
  }

  rename(id, name) {
    if (this.of(id).name !== name) this.with(id, () => ({ name }), "rename", `rename ${id}`);
  }

  remove(id) {
    this.change(
      this.classes.filter((one) => one.id !== id),
      "removeClass",
    );
  }

  /* Nothing where the class is gone by now. */
  addPhotos(id, photos, token) {
    if (this.of(id)) this.with(id, (one) => ({ photos: [...one.photos, ...photos] }), "photos", token);
  }

  removePhoto(id, photo) {
    this.with(id, ({ photos }) => ({ photos: photos.filter((one) => one.id !== photo) }), "removePhoto");
  }
}

export function newClass(name) {
  return { id: freshId(), name, photos: [] };
}

/* The first of "class 1", "class 2" ... that is no name yet. */
export function freshName(classes, named) {
  const known = new Set(classes.map(({ name }) => name.toLowerCase()));
  for (let n = classes.length + 1; ; n++) if (!known.has(named(n))) return named(n);
}

/* Whether a sketch (grey levels) differs from all of others, by so many levels on average: a hand that moves by a
   thirtieth of the picture changes it by more, noise and a breath by less. */
export function differs(sketch, others, levels = 8) {
  const apart = (other) => sketch.reduce((sum, level, i) => sum + Math.abs(level - other[i]), 0) / sketch.length;
  return others.every((other) => apart(other) >= levels);
}
