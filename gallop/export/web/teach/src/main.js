/* The page that teaches: classes and their photos on one side, the live answer on the other. */

import { element, say } from "../explainer/dom.js";
import { Around, bare } from "./around.js";
import { Camera } from "./camera.js";
import { Cards } from "./cards.js";
import { Encoders } from "./encoders.js";
import { facts, large, progress, worksOffline } from "./files.js";
import { Keeper } from "./keep.js";
import { Live } from "./live.js";
import { added } from "./names.js";
import { opened, pictured, pixelsOf } from "./photo.js";
import { differing, digested, photoFrom, photoOf, shrunk } from "./shots.js";
import { LIMITS } from "./project.js";
import { freshName, Store } from "./store.js";
import { words } from "./strings.js";
import { Teaching } from "./teaching.js";
import { Tools } from "./tools.js";
import { Ways } from "./ways.js";
import { Why } from "./why.js";

const by = (id) => document.getElementById(id);
const APART = 100; // ms between two frames that are recorded
const FILM = { photo: "", ratio: 1, crop: [0, 0, 1, 1] };

class Page {
  constructor(model) {
    this.model = model;
    this.encoders = new Encoders();
    this.teaching = new Teaching(model, this.encoders);
    this.keeper = new Keeper();
    this.version = [model.backbone, ...Object.values(model.large)].join(); // of encoders: what was kept is theirs
    this.live = new Live();
    this.camera = new Camera(this.live.video);
    this.camera.lost = () => this.act(() => this.cameraOff());
    this.store = new Store(model.names, LIMITS, () => this.changed());
    const act = (deed) => this.act(deed);
    this.cards = new Cards(by("classes"), {
      rename: (id, text) => this.rename(id, text),
      remove: (id) => this.removeClass(id),
      removePhoto: (id, photo) => this.store.removePhoto(id, photo),
      upload: (id, files) => act(() => this.upload(id, files)),
      add: () => act(() => this.addClass()),
      begin: (id) => act(() => this.record(id)),
      end: () => this.release(),
    });
    this.ways = new Ways(model.samples, {
      camera: () => act(() => (this.camera.on ? this.cameraOff() : this.cameraOn())),
      flip: () => act(() => this.flip()),
      ask: (file) => act(() => this.ask(file)),
      sample: (name) => act(() => this.sample(name)),
      why: () => act(() => this.explain()),
    });
    const { stage, answer } = this.live;
    answer.append(this.ways.why);
    by("live").classList.add("explainer");
    by("live").setAttribute("aria-label", words.live);
    by("live").append(element("div", "picture", {}, stage, this.ways.root), answer);
    this.around = new Around(model.embed);
    stage.addEventListener("painted", () => this.tell());
    this.why = new Why(by("why"), () => act(() => this.goOn()));
    this.tools = new Tools(by("tools"), this);
    this.cards.show(this.store.classes, false);
  }

  async act(deed) {
    this.tools.tell("");
    try {
      await deed();
    } catch (error) {
      this.tools.problem(error.message);
    }
  }

  /* The answer to the first sample, which came with the page, until the model is loaded. */
  async beginWith(name) {
    this.first = await (await fetch(name)).json();
    this.live.show(this.first, { film: false, order: this.model.names });
  }

  /* What is asked before the model is loaded waits for it. */
  begin() {
    this.begun = this.start();
    return this.begun;
  }

  async start() {
    const kept = await this.keeper.recalled(this.version).catch(() => undefined);
    const files = await large(this.model, progress);
    say(by("loading"), words.starting);
    await this.encoders.start(this.model, files);
    this.started = true;
    if (kept) await this.recall(kept);
    else await this.learn();
  }

  async recall({ classes, current, carried }) {
    if (!current) for (const one of classes) one.photos = await this.again(one.photos);
    Object.assign(this.store, { classes, carried });
    this.tools.keeps(true);
    this.changed();
    await this.learned;
    this.tools.tell(words.recalled(this.store.photos));
  }

  /* Looks once more at photos that other encoders looked at. */
  again(photos) {
    return Promise.all(
      photos.map(async ({ id, name, blob }) => {
        const bytes = new Uint8Array(await blob.arrayBuffer());
        return photoFrom({ name, sha256: id, bytes }, this.encoders);
      }),
    );
  }

  // What changes ------------------------------------------------------------------------------------------------------

  changed() {
    const { classes } = this.store;
    this.cards.show(classes, this.tools.byTap);
    this.tools.show();
    this.learned = this.learn().catch((error) => this.tools.problem(error.message));
    if (this.keeper.on) this.keeper.keep(this.store, this.version).catch(() => this.tools.problem(words.cannotKeep));
  }

  async learn() {
    if (!this.started) return; // it learns all of it as soon as the model is loaded
    if (await this.teaching.follow(this.store.classes)) this.draw();
  }

  /* A sentence where the name cannot be taken. It is read first: a long one does not fit into the model. */
  async rename(id, text) {
    const checked = () => {
      const others = this.store.classes.filter((one) => one.id !== id).map(({ name }) => name);
      const { names, problem } = added(others, [text]);
      return { name: names.at(-1), problem: problem || (names.length === others.length ? words.empty : "") };
    };
    const { name, problem } = checked();
    if (problem) return problem;
    try {
      await this.begun;
      await this.teaching.read([name]);
    } catch (error) {
      return error.message;
    }
    if (!checked().problem && this.store.of(id)) this.store.rename(id, name);
    return checked().problem;
  }

  addClass() {
    this.store.add(freshName(this.store.classes, words.fresh));
    this.cards.focus(this.store.classes.at(-1).id);
  }

  removeClass(id) {
    if (this.recording?.id === id) this.release();
    this.store.remove(id);
    this.cards.add.focus();
  }

  /* Args: files, which are read one after another, and undone together. */
  async upload(id, files) {
    const card = () => this.cards.get(id);
    const token = Symbol("upload");
    const problems = [];
    let [count, there] = [0, 0];
    for (const [i, file] of files.entries()) {
      card()?.tell(words.reading(i + 1, files.length), { quiet: true });
      await this.begun;
      try {
        const bitmap = await opened(file);
        const frame = digested(pixelsOf(shrunk(bitmap)));
        bitmap.close();
        if (this.store.has(frame.id)) there += 1;
        else {
          this.store.room(id);
          const { looks } = await this.encoders.look(frame);
          this.store.addPhotos(id, [await photoOf(frame, looks[0], file.name)], token);
          count += 1;
        }
      } catch (error) {
        problems.push(error.message);
      }
      if (!this.store.of(id)) return; // it was removed meanwhile
    }
    card()?.tell(words.added(count) + (there ? words.same(there) : ""));
    if (problems.length) card()?.problem([words.added(count), ...new Set(problems)].join(". ").slice(0, 400));
  }

  // The camera --------------------------------------------------------------------------------------------------------

  async cameraOn() {
    await this.camera.start();
    this.asked = true;
    this.thaw();
    if (this.filming) return;
    this.live.preview();
    this.filming = this.film()
      .catch((error) => this.tools.problem(error.message))
      .finally(() => (this.filming = undefined));
  }

  cameraOff() {
    this.release();
    this.camera.stop();
    this.ways.show(this.camera, this.frozen);
    if (this.current?.film) this.still(this.current);
  }

  async flip() {
    await this.camera.flip();
    await this.cameraOn();
  }

  /* The newest frame after each answer; the next one is asked before this one is drawn. */
  async film() {
    await this.begun;
    const { camera } = this;
    let asked = this.frame();
    while (camera.on) {
      const got = await asked;
      if (!camera.on || this.frozen) break;
      await visible();
      asked = this.frame();
      asked.catch(() => undefined);
      if (got.recording) this.take(got);
      this.current = { ...got, film: true };
      this.draw();
    }
  }

  async frame() {
    const recording = this.recording?.due() ? this.recording : undefined;
    const frame = this.camera.frame(Boolean(recording));
    const at = performance.now();
    if (recording) digested(frame);
    const { looks, box } = await this.encoders.look(frame);
    return { ...frame, looks, box, recording, at };
  }

  thaw() {
    this.frozen = false;
    if (this.why.open) this.why.root.hidden = true;
    this.ways.show(this.camera, false);
  }

  /* Begins to record, and turns the camera on where it is off. */
  async record(id) {
    if (this.recording) return;
    const recording = (this.recording = new Recording(id, this.store.of(id)));
    this.pressed(recording);
    try {
      this.store.room(id);
      const was = this.camera.on;
      await this.cameraOn();
      if (!was && !recording.held) {
        this.cards.get(id)?.tell(words.cameraReady);
        this.recording = undefined;
      }
    } catch (error) {
      this.release();
      this.recording = undefined;
      this.cards.get(id)?.problem(error.message);
    }
  }

  /* A press that was short gives one photo. */
  release() {
    const { recording } = this;
    if (!recording) return;
    recording.held = false;
    if (recording.seen || !this.camera.on) this.recording = undefined;
    this.pressed(recording);
  }

  pressed({ id, held }) {
    const card = this.cards.get(id);
    if (!card) return;
    card.recording = held;
    card.press();
    by("live").classList.toggle("recording", held);
  }

  /* A frame that was recorded, where it differs from those that are there. */
  take({ recording, ...frame }) {
    const { id, token } = recording;
    if (!recording.held) this.recording = undefined;
    recording.seen += 1;
    if (!this.store.has(frame.id) && recording.differs(frame.canvas)) {
      try {
        this.store.room(id);
      } catch (error) {
        this.release();
        return this.cards.get(id)?.problem(error.message);
      }
      recording.kept += 1;
      photoOf(frame, frame.looks[0], "").then((photo) => this.store.addPhotos(id, [photo], token));
    }
    const quiet = recording.held;
    return this.cards.get(id)?.tell(words.kept(recording.kept, recording.seen), { more: words.keptHint, quiet });
  }

  // What is asked -----------------------------------------------------------------------------------------------------

  async ask(file, asked = true) {
    this.asked ||= asked;
    await this.begun;
    const bitmap = await opened(file);
    const frame = pixelsOf(bitmap);
    bitmap.close();
    if (this.camera.on) this.cameraOff();
    this.thaw();
    const { looks, box } = await this.encoders.look(frame);
    this.still({ ...frame, looks, box });
  }

  async sample(name, asked) {
    await this.ask(await (await fetch(name)).blob(), asked);
  }

  /* A picture that stands still, with what the explainer needs of it. */
  still({ canvas, looks, box }) {
    this.current = { canvas, looks, box, place: pictured(canvas, box), film: false };
    this.draw();
  }

  /* Shows what follows from the picture that is asked and from what was taught. */
  draw() {
    if (!this.current || !this.teaching.ready) return;
    const { looks, place, film, at } = this.current;
    const data = this.teaching.explained(looks, film ? FILM : place);
    const order = this.store.classes.map(({ name }) => name);
    this.live.show(data, { film, order, at, needed: this.store.photos ? this.model.teach.reliable : undefined });
    if (this.why.open && !film) this.why.show(data, (c) => this.votes(looks, c));
  }

  /* The answer to what a visitor asked, not the one that the page begins with. */
  tell() {
    const { data, probabilities, odd } = this.live;
    if (this.asked && this.current) this.around.tell(data.names, probabilities.probabilities, odd);
  }

  votes(looks, c) {
    const photos = new Map(this.store.classes.flatMap(({ photos }) => photos.map((photo) => [photo.id, photo])));
    const found = this.teaching.votes(looks, c);
    return found && { ...found, shots: found.shots.map((one) => ({ ...one, photo: photos.get(one.id) })) };
  }

  /* A frame of the camera stands still first. */
  explain() {
    if (this.why.open) return this.goOn();
    if (!this.current && !this.first) return undefined;
    this.frozen = this.camera.on;
    this.why.root.hidden = false;
    if (!this.current) this.why.show(this.first, () => undefined);
    else if (this.current.film) this.still(this.current);
    else this.draw();
    this.ways.show(this.camera, this.frozen);
    this.why.title.focus({ preventScroll: true });
    this.why.root.scrollIntoView({ behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth", block: "start" });
    return undefined;
  }

  async goOn() {
    this.why.root.hidden = true;
    this.ways.why.focus({ preventScroll: true });
    if (this.frozen) await this.cameraOn();
  }
}

/* While a button is held. */
class Recording {
  constructor(id, { photos }) {
    this.id = id;
    this.held = true;
    this.token = Symbol("recording");
    [this.asked, this.seen, this.kept, this.at] = [0, 0, 0, -Infinity];
    this.differs = differing(photos);
  }

  /* Whether the next frame is one to record: at most ten a second, and one of a button that was only pressed. */
  due() {
    const now = performance.now();
    if (this.held ? now - this.at < APART : this.asked) return false;
    this.at = now;
    this.asked += 1;
    return true;
  }
}

function visible() {
  if (!document.hidden) return undefined;
  return new Promise((seen) => document.addEventListener("visibilitychange", seen, { once: true }));
}

/* Files that are dropped or pasted: into the class whose card they meet, otherwise to be asked about. */
function listen(page) {
  const take = (files, node) => {
    const photos = [...files].filter(({ type }) => type.startsWith("image/"));
    const id = page.cards.around(node);
    if (!files.length) return;
    if (id) page.act(() => page.upload(id, photos.length ? photos : [...files]));
    else page.act(() => page.ask(photos[0] ?? files[0]));
  };
  addEventListener("paste", ({ clipboardData, target }) => take(clipboardData?.files ?? [], target));
  const over = (target) => {
    const id = page.cards.around(target);
    for (const [other, { root }] of page.cards.cards) root.classList.toggle("over", other === id);
    by("live").classList.toggle("over", Boolean(target) && !id);
  };
  addEventListener("dragover", (event) => (event.preventDefault(), over(event.target)));
  addEventListener("dragleave", ({ relatedTarget }) => relatedTarget ?? over(null));
  addEventListener("drop", (event) => (event.preventDefault(), over(null), take(event.dataTransfer.files, event.target)));
}

function foot({ model, around }) {
  const licences = element("a", "", { href: "licences.txt" }, words.licences);
  const offline = element("span", "", { id: "offline" });
  by("foot").append(element("p", "", {}, `${around.privacy} ${words.about(model.backbone, model.gallop)} `, licences, " ", offline));
  return offline;
}

async function begin() {
  const model = await facts();
  const page = new Page(model);
  const offline = foot(page);
  listen(page);
  say(by("loading"), words.loading);
  const begins = model.samples.length && !bare;
  if (begins) await page.act(() => page.beginWith("first.json"));
  await page.begin();
  by("wait").remove();
  if (!page.current && !page.camera.on && begins) await page.act(() => page.sample(model.samples[0], false));
  document.body.dataset.ready = "yes";
  if (await worksOffline()) {
    say(offline, words.offline);
    document.body.dataset.offline = "yes";
  }
}

begin().catch((error) => {
  by("progress").hidden = true;
  say(by("loading"), error.message);
});
