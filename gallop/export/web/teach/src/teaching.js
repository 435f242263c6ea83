/* What was taught, worked out: the names' texts, and the learner in step with the project. No page is known here. */

import { Learner } from "./learner.js";
import { explained } from "./shown.js";

const PLACE = "{}";

export class Teaching {
  constructor(model, encoders) {
    this.encoders = encoders;
    this.model = model;
    this.learner = new Learner(model);
    this.classes = []; // as the learner has them: {id, name, photos: a set of ids}
    this.texts = new Map(); // name -> its feature
    this.turn = 0;
  }

  /* Has names encoded. Raises an error where one is too long. */
  async read(names) {
    const fresh = names.filter((name) => !this.texts.has(name));
    if (!fresh.length) return;
    const sentence = (name) => this.model.templates[0].replace(PLACE, () => name);
    const { features } = await this.encoders.texts(fresh.map(sentence));
    const { width } = this.model;
    fresh.forEach((name, i) => this.texts.set(name, features.slice(i * width, (i + 1) * width)));
  }

  /* Whether this project is the newest one: a later one overtakes it while names are read. */
  async follow(classes) {
    const turn = ++this.turn;
    await this.read(classes.map(({ name }) => name));
    if (turn !== this.turn) return false;
    this.sync(classes);
    return true;
  }

  sync(classes) {
    const wanted = new Map(classes.map((one) => [one.id, one]));
    for (let i = this.classes.length - 1; i >= 0; i--) {
      const mine = this.classes[i];
      const one = wanted.get(mine.id);
      const photos = new Set(one?.photos.map(({ id }) => id));
      for (const id of mine.photos)
        if (!photos.has(id)) {
          this.learner.remove(id);
          mine.photos.delete(id);
        }
      if (one) continue;
      this.learner.removeClass(i);
      this.classes.splice(i, 1);
    }
    classes.forEach(({ id, name, photos }, i) => {
      const at = this.place(id, name, i);
      for (const { id: photo, look } of photos)
        if (!this.classes[at].photos.has(photo)) {
          this.learner.add(at, look, photo);
          this.classes[at].photos.add(photo);
        }
    });
  }

  /* Where the learner has a class, which it is told of at its place, or its new name. */
  place(id, name, i) {
    let at = this.classes.findIndex((one) => one.id === id);
    if (at < 0) {
      at = i;
      this.classes.splice(i, 0, { id, name, photos: new Set() });
      this.learner.addClass(name, this.texts.get(name), i);
    } else if (this.classes[at].name !== name) {
      this.classes[at].name = name;
      this.learner.renameClass(at, name, this.texts.get(name));
    }
    return at;
  }

  get ready() {
    return this.classes.length > 0;
  }

  /* What the explainer shows. Args: looks of a photo; place, where it lies in the picture that is shown. */
  explained(looks, place) {
    const { model, names, looks: taught, texts } = this.learner.answer(looks[0]);
    return explained(model, names, taught, texts, place);
  }

  /* The photos that voted on a class, the strongest first, and what is of none: {shots: [{id, name, vote}], rest}; or
     nothing. */
  votes(looks, c) {
    const found = this.learner.votes(looks[0], c);
    if (!found) return undefined;
    const shots = found.shots.map(({ id, label, vote }) => ({ id, vote, name: this.learner.names[label] }));
    return { shots, rest: found.rest };
  }
}
