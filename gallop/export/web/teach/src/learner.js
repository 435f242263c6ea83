/* What is taught on the page: classes by name, shots of them, and what follows from both in closed form, as
   GalLoPClassifier(epochs=0).fit has it. No page is known here.
   Sizes: n shots, K classes, R regions, D numbers of each. */

import { Texts } from "./cosines.js";
import { alikeGroups, stratifiedFolds } from "./folds.js";
import { Kernel } from "./kernel.js";
import { chooseMix, fitTemperature, limitAt, mixed } from "./mix.js";
import { counted, Ridge, votes } from "./ridge.js";
import { feature, lengthOf, meanRegion, Shot } from "./shot.js";

const UNRELIABLE = "unreliable: ";
const NO_HELD_OUT = "none: no photos were held out to find it";
const ONE_CLASS =
  "none: with one class every photo has the same score; add the other classes that photos may show";

export class Learner {
  /* Args: model, what model.json holds. */
  constructor(model) {
    this.model = model;
    this.facts = model.teach;
    this.kernel = new Kernel(this.facts.ridge.penalty);
    this.classes = []; // {name, text (D), unit (D)}
    this.held = []; // shots, as the kernel has them
    this.changed();
  }

  get names() {
    return this.classes.map(({ name }) => name);
  }

  get counts() {
    return counted(this.labels, this.classes.length);
  }

  get labels() {
    return this.held.map(({ label }) => label);
  }

  get shots() {
    return this.held.map(({ id, label }) => ({ id, label }));
  }

  // Changes ------------------------------------------------------------------------------------------------------------

  /* Args: name, cleaned; text (D), its features; index, its place, at the end unless given. */
  addClass(name, text, index = this.classes.length) {
    for (const shot of this.held) if (shot.label >= index) shot.label += 1;
    this.setClass(index, name, text, 0);
    return index;
  }

  renameClass(index, name, text) {
    this.setClass(index, name, text, 1);
  }

  /* Its shots go with it. */
  removeClass(index) {
    for (const shot of this.held.filter(({ label }) => label === index)) this.remove(shot.id);
    this.classes.splice(index, 1);
    this.kernel.removeText(index);
    for (const shot of this.held) {
      shot.setNames(index, 1, []);
      if (shot.label > index) shot.label -= 1;
    }
    this.changed();
  }

  /* Args: index, of a class; look, {global, regions}, or what kept() of shot.js made of it; id, the hash of the picture. */
  add(index, look, id) {
    const there = this.held.find((shot) => shot.id === id);
    if (there) throw new Error(`This picture is there already, in ${this.classes[there.label].name}.`);
    const shot = new Shot(look, id, this.facts.seed);
    if (![...shot.features, ...shot.global].every(Number.isFinite))
      throw new Error("This picture cannot be learned from: the model gave no numbers for it.");
    shot.label = index;
    shot.setNames(0, 0, shot.name(this.texts(), this.model.damping));
    const limits = this.facts.alike;
    for (const other of limits ? this.held : []) {
      if (other.label !== index || !shot.isNear(other, limits)) continue;
      shot.near.add(other);
      other.near.add(shot);
    }
    this.kernel.add(shot.features, this.classes.map(({ unit }) => unit));
    this.held.push(shot);
    this.changed();
  }

  remove(id) {
    const at = this.held.findIndex((shot) => shot.id === id);
    for (const other of this.held[at].near) other.near.delete(this.held[at]);
    this.kernel.remove(at);
    const last = this.held.pop();
    if (at < this.held.length) this.held[at] = last;
    this.changed();
  }

  /* In place of the class there (replaced 1), or before it. */
  setClass(index, name, text, replaced) {
    const length = lengthOf(text);
    const made = { name, text, unit: Float64Array.from(text, (value) => value / length) };
    this.classes.splice(index, replaced, made);
    this.kernel.setText(index, made.unit, replaced);
    const texts = this.texts([made]);
    for (const shot of this.held) shot.setNames(index, replaced, shot.name(texts, this.model.damping));
    this.changed();
  }

  changed() {
    this.found = null;
    this.asked = null;
  }

  texts(classes = this.classes) {
    const { width, prompts } = this.model;
    const vectors = new Float32Array(classes.length * width);
    classes.forEach(({ text }, k) => vectors.set(text, k * width));
    return new Texts(vectors, classes.length, width, ...prompts.map((count) => new Array(count).fill(0)));
  }

  // What follows -------------------------------------------------------------------------------------------------------

  /* {head: {weights (K, D), bias (K), weight, temperature} or null, temperature, threshold or null, note, photos, heldOut,
     fewest}, as the classifier's calibration_ has them; fewest, the shots of the class that has fewest, of those with any. */
  fit() {
    this.found ??= this.fitted();
    return this.found;
  }

  fitted() {
    const { facts, held, classes, labels } = this;
    const [{ ridge: how, mix: usual }, counts] = [facts, this.counts.filter(Boolean)];
    const fewest = counts.length ? Math.min(...counts) : 0;
    const ridge = counts.length > 1 ? new Ridge(how, this.kernel, labels, classes.map(({ unit }) => unit)) : null;
    const head = ridge && { ...ridge.form(), weight: usual.weight, temperature: usual.temperature };
    const none = { temperature: 1, threshold: null, photos: 0, heldOut: [] };
    const found = { head, ridge, fewest, ...none, note: classes.length === 1 ? ONE_CLASS : NO_HELD_OUT };
    const groups = alikeGroups(held);
    const folds = stratifiedFolds(this.ordered(), groups, facts.folds, facts.random);
    if (folds.length < 2 || classes.length < 2) return found;
    const out = folds.flat();
    const said = held.map((shot) => shot.said(this.model.topk));
    const prompts = out.map((i) => said[i].scores.map((cosine) => cosine * this.model.scale));
    const truth = out.map((i) => labels[i]);
    const apart = head && folds.flatMap((fold) => ridge.without(fold));
    if (apart && fewest >= usual.enough) {
      const { mix, temperature } = chooseMix(prompts, apart, truth, usual);
      Object.assign(head, mix);
      found.temperature = temperature;
    } else {
      found.temperature = fitTemperature(apart ? mixed(prompts, apart, usual) : prompts, truth);
    }
    const outliers = Float64Array.from(out, (i) => said[i].outlier);
    found.threshold = limitAt(outliers, facts.tpr);
    found.heldOut = Array.from(outliers.sort());
    found.photos = new Set(out.map((i) => groups[i])).size;
    const few = `the smallest class has ${fewest} shots, and ${facts.reliable} are needed for a sound threshold`;
    found.note = fewest < facts.reliable ? UNRELIABLE + few : "";
    return found;
  }

  /* Of each class its shots, as Python's draw orders them. */
  ordered() {
    const members = this.classes.map(() => []);
    this.held.forEach(({ label }, i) => members[label].push(i));
    const { held } = this;
    for (const some of members) some.sort((a, b) => (held[a].order < held[b].order ? -1 : 1));
    return members;
  }

  /* What explained() of shown.js takes: {model, names, looks, texts}. Args: look, {global, regions}. */
  answer(look) {
    const { head, temperature, threshold, note } = this.fit();
    const doubt = note.startsWith(UNRELIABLE)
      ? `This threshold is unreliable here: ${note.slice(UNRELIABLE.length)}.` : "";
    const branches = head ? [{ name: this.facts.head, weight: head.weight }] : [];
    const model = { ...this.model, branches, temperature, threshold, doubt };
    this.asked ??= this.texts();
    const looks = [{ ...look, branches: head ? [this.map(head, look.regions)] : [] }];
    return { model, names: this.names, looks, texts: this.asked };
  }

  /* The head's map (R, K) in the unit of cosines, whose mean is its score. */
  map({ weights, bias, temperature }, regions) {
    const [classes, width] = [weights.length, this.model.width];
    const unit = this.model.scale * temperature;
    const length = unit * lengthOf(meanRegion(regions, width));
    const map = new Float32Array((regions.length / width) * classes);
    for (let r = 0, at = 0; r < regions.length; r += width)
      for (let k = 0; k < classes; k++, at++) {
        let product = 0;
        for (let d = 0, row = weights[k]; d < width; d++) product += regions[r + d] * row[d];
        map[at] = product / length + bias[k] / unit;
      }
    return map;
  }

  /* What each shot adds to the head's score of a class, in the unit of cosines: {shots: [{id, label, vote}], the strongest
     first, rest}; null without a head. */
  votes(look, index) {
    const { head, ridge } = this.fit();
    if (!head) return null;
    const unit = this.model.scale * head.temperature;
    const { shots, rest } = votes(ridge, head, feature(look), index);
    const named = shots.map((vote, i) => ({ id: this.held[i].id, label: this.held[i].label, vote: vote / unit }));
    named.sort((a, b) => Math.abs(b.vote) - Math.abs(a.vote));
    return { shots: named, rest: rest / unit };
  }
}
