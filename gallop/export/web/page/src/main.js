/* The page: a photo and names come in, the explainer shows what follows from them. */

import { button, element, say } from "../explainer/dom.js";
import { Explainer } from "../explainer/view.js";
import { Around, bare } from "./around.js";
import { Chips } from "./chips.js";
import { Texts } from "./cosines.js";
import { facts, large, progress, worksOffline } from "./files.js";
import { opened, pictured, pixelsOf, Webcam } from "./photo.js";
import { explained } from "./shown.js";
import { Encoders } from "./encoders.js";

const by = (id) => document.getElementById(id);
const PLACE = "{}";

class Page {
  constructor(model) {
    this.model = model;
    this.names = model.names;
    this.encoders = new Encoders();
    this.explainer = new Explainer();
    this.around = new Around(model.embed);
    this.explainer.root.addEventListener("painted", () => this.tell());
    say(by("privacy"), this.around.privacy);
    this.known = new Map(); // sentence -> its feature
    this.turn = 0;
    this.chips = new Chips(by("names"), model.fixed, (names) => this.rename(names));
    this.chips.show(this.names);
    this.webcam = new Webcam((photo) => this.answer(photo));
  }

  /* The answer to the first sample, which came with the page, until the model is loaded. */
  async beginWith(name) {
    const data = await (await fetch(name)).json();
    this.explainer.show(data, () => {});
    by("answer").prepend(this.explainer.root);
    say(by("loading"), "Loading the model …");
  }

  /* What is asked before the model is loaded waits for it. */
  begin() {
    this.begun = this.start();
    return this.begun;
  }

  async start() {
    const files = await large(this.model, progress);
    const classes = files["encoders/classes.bin"];
    delete files["encoders/classes.bin"];
    by("progress").hidden = true;
    say(by("loading"), "Starting …");
    await this.encoders.start(this.model, files);
    await (this.model.fixed ? this.fix(new Float32Array(classes)) : this.rename(this.names));
  }

  fix(vectors) {
    const [globals, locals] = this.model.prompts;
    const count = (first, length) => Array.from({ length }, (_, i) => first + i);
    const prompts = [count(0, globals), count(globals, locals)];
    this.texts = new Texts(vectors, this.names.length, this.model.width, ...prompts);
  }

  /* Encodes what is new of the names. A later list that overtakes this one is the one that counts. */
  async rename(names) {
    const { templates, prompts, width } = this.model;
    const sentences = names.flatMap((name) => templates.map((template) => template.replace(PLACE, () => name)));
    const fresh = [...new Set(sentences.filter((sentence) => !this.known.has(sentence)))];
    const begun = performance.now();
    if (fresh.length) {
      const { features } = await this.encoders.texts(fresh);
      fresh.forEach((sentence, i) => this.known.set(sentence, features.slice(i * width, (i + 1) * width)));
    }
    if (this.chips.names !== names) return;
    const vectors = new Float32Array(sentences.length * width);
    sentences.forEach((sentence, i) => vectors.set(this.known.get(sentence), i * width));
    const places = prompts.map((count) => Array.from({ length: count }, (_, i) => i % templates.length));
    this.texts = new Texts(vectors, names.length, width, ...places);
    this.names = names;
    this.draw();
    if (fresh.length && this.seen) notify(`Read ${fresh.length === 1 ? "the name" : "the names"} in ${ms(begun)}.`);
  }

  /* Args: photo, as pixelsOf gives it. Its pixels are handed to the worker. */
  async answer(photo) {
    const turn = ++this.turn;
    const begun = performance.now();
    const { looks, box } = await this.encoders.look(photo);
    if (turn !== this.turn) return;
    this.seen = { looks, place: pictured(photo.canvas, box) };
    this.draw();
    notify(`Answered in ${ms(begun)} on this machine.`);
  }

  draw() {
    if (!this.seen || !this.texts) return;
    const { looks, place } = this.seen;
    this.explainer.show(explained(this.model, this.names, looks, this.texts, place), () => {});
    if (by("loading")) by("answer").replaceChildren(this.explainer.root);
  }

  /* The answer to what a visitor asked, not the one that the page begins with. */
  tell() {
    const { data, answer, odd } = this.explainer;
    if (this.asked && this.seen) this.around.tell(data.names, answer.probabilities, odd && !data.doubt);
  }

  async open(file, asked = true) {
    this.asked ||= asked;
    await this.begun;
    this.still();
    const bitmap = await opened(file);
    await this.answer(pixelsOf(bitmap));
    bitmap.close();
  }

  async sample(name, asked) {
    await this.open(await (await fetch(name)).blob(), asked);
  }

  async film() {
    if (this.webcam.on) return this.still();
    this.asked = true;
    await this.webcam.start();
    say(by("webcam"), "Stop the webcam");
  }

  still() {
    this.webcam.stop();
    say(by("webcam"), "Use the webcam");
  }
}

const ms = (begun) => `${Math.max(Math.round(performance.now() - begun), 1)} ms`;
const notify = (sentence) => say(by("status"), sentence);

/* What a hand does, and what it gives. */
function listen(page) {
  const act = async (deed) => {
    say(by("problem"), "");
    try {
      await deed();
    } catch (error) {
      say(by("problem"), error.message);
    }
  };
  const take = (files) => {
    const file = [...files].find(({ type }) => type.startsWith("image/")) ?? files[0];
    if (file) act(() => page.open(file));
  };
  by("choose").addEventListener("click", () => by("file").click());
  by("file").addEventListener("change", ({ target }) => {
    take(target.files);
    target.value = ""; // the same one may be chosen again
  });
  by("webcam").hidden = !Webcam.there;
  by("webcam").addEventListener("click", () => act(() => page.film()));
  addEventListener("paste", ({ clipboardData }) => take(clipboardData?.files ?? []));
  const over = (is) => document.body.classList.toggle("over", is);
  addEventListener("dragover", (event) => (event.preventDefault(), over(true)));
  addEventListener("dragleave", ({ relatedTarget }) => over(Boolean(relatedTarget)));
  addEventListener("drop", (event) => (event.preventDefault(), over(false), take(event.dataTransfer.files)));
  for (const name of page.model.samples) {
    const sample = button("", () => act(() => page.sample(name)), element("img", "", { src: name, alt: "" }));
    sample.setAttribute("aria-label", `Sample photo ${by("samples").childElementCount + 1}`);
    by("samples").append(sample);
  }
  return act;
}

function introduce(model) {
  const { fixed, samples, names } = model;
  say(by("lead"), by(fixed ? "lead-taught" : "lead-names").content.textContent);
  by("samples").hidden = !samples.length;
  const what = fixed ? `${names.length} classes taught to ${model.backbone}` : `The model is ${model.backbone}`;
  say(by("about"), `${what}, written by gallop ${model.gallop}.`);
}

async function begin() {
  const model = await facts();
  introduce(model);
  const page = new Page(model);
  const act = listen(page);
  const begins = model.samples.length && !bare;
  if (begins) await act(() => page.beginWith("first.json"));
  await page.begin();
  by("ask").disabled = false;
  if (page.asked) say(by("loading"), "Looking at the photo …");
  else if (begins) await act(() => page.sample(model.samples[0], false));
  else say(by("loading"), "Choose a photo, or drop one anywhere on this page.");
  document.body.dataset.ready = "yes";
  if (await worksOffline()) {
    say(by("offline"), "This page works without a network from now on.");
    document.body.dataset.offline = "yes";
  }
}

begin().catch((error) => {
  by("progress").hidden = true;
  say(by("loading"), error.message);
});
