/* The classes: a card each, with a name to type over, a button to hold, files, and the photos that are there. */

import { button, element, put, say } from "../explainer/dom.js";
import { words } from "./strings.js";

const SHOWN = 60; // photos of a class, until all are asked for

export class Cards {
  /* Args: acts, {rename(id, text) -> problem, remove(id), removePhoto(id, photo), upload(id, files), add(), begin(id),
     end(id)}. */
  constructor(root, acts) {
    this.acts = acts;
    this.cards = new Map();
    this.list = element("ol", "cards");
    this.add = button("add", () => acts.add(), words.add);
    root.append(element("h2", "spoken", { id: "classes-title" }, words.classes), this.list, this.add);
    root.setAttribute("aria-labelledby", "classes-title");
  }

  show(classes, byTap) {
    const ids = new Set(classes.map(({ id }) => id));
    for (const [id, card] of this.cards)
      if (!ids.has(id)) {
        card.root.remove();
        this.cards.delete(id);
      }
    classes.forEach((one, i) => {
      if (!this.cards.has(one.id)) this.cards.set(one.id, new Card(one.id, this.acts));
      const card = this.cards.get(one.id);
      if (this.list.children[i] !== card.root) this.list.insertBefore(card.root, this.list.children[i] ?? null);
      card.show(one, i + 1, classes.length > 1, byTap);
    });
  }

  /* A class by what is inside its card, or undefined. */
  around(node) {
    return [...this.cards.values()].find(({ root }) => root.contains(node))?.id;
  }

  focus(id) {
    const field = this.cards.get(id)?.field ?? this.add;
    field.focus();
    field.select?.();
  }

  get(id) {
    return this.cards.get(id);
  }
}

class Card {
  constructor(id, acts) {
    this.id = id;
    this.acts = acts;
    this.field = element("input", "name", { type: "text", autocomplete: "off", spellcheck: "false", enterkeyhint: "done", dir: "auto" });
    this.count = element("span", "count");
    this.away = button("away", () => acts.remove(id), "×");
    this.record = element("button", "record", { type: "button" });
    this.upload = button("upload", () => this.files.click(), words.upload);
    this.files = element("input", "", { type: "file", accept: "image/*", multiple: "", hidden: "" });
    this.told = element("p", "told", { role: "status" });
    this.thumbs = element("ul", "thumbs");
    this.rest = button("rest", () => {
      this.all = true;
      this.photos();
    });
    const head = element("div", "head", {}, this.field, this.count, this.away);
    const ways = element("div", "ways", {}, this.record, this.upload, this.files, this.told);
    this.root = element("li", "card", {}, head, ways, this.thumbs, this.rest);
    this.shown = new Map();
    this.all = false;
    this.listen();
  }

  listen() {
    const { acts, id, field } = this;
    let turn = 0;
    const named = async () => {
      clearTimeout(this.typing);
      const now = ++turn;
      const problem = await acts.rename(id, field.value);
      if (now === turn) this.problem(problem);
    };
    field.addEventListener("focus", () => field.select());
    field.addEventListener("input", () => {
      clearTimeout(this.typing);
      this.typing = setTimeout(named, 250);
    });
    field.addEventListener("change", async () => {
      await named();
      if (document.activeElement !== field) field.value = this.one.name; // what was refused is not what it is called
    });
    field.addEventListener("keydown", ({ key }) => key === "Enter" && field.blur());
    this.files.addEventListener("change", () => {
      acts.upload(id, [...this.files.files]);
      this.files.value = ""; // the same ones may be chosen again
    });
    this.thumbs.addEventListener("click", ({ target }) => {
      const photo = target.closest("button")?.dataset.photo;
      if (photo) acts.removePhoto(id, photo);
    });
    this.hold();
  }

  /* Held with a pointer or a key; a screen reader's click has neither, and is one moment of holding. */
  hold() {
    const { acts, id, record } = this;
    const begin = (event) => {
      event.preventDefault();
      if (!this.byTap) acts.begin(id);
      else if (this.recording) acts.end(id);
      else acts.begin(id);
    };
    const end = () => !this.byTap && acts.end(id);
    record.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      record.focus();
      record.setPointerCapture(event.pointerId);
      begin(event);
    });
    for (const kind of ["pointerup", "pointercancel", "lostpointercapture", "blur"]) record.addEventListener(kind, end);
    record.addEventListener("contextmenu", (event) => event.preventDefault()); // a long press of a finger
    const held = ({ key }) => key === " " || key === "Enter";
    record.addEventListener("keydown", (event) => {
      if (!held(event)) return;
      if (event.repeat) event.preventDefault();
      else begin(event);
    });
    record.addEventListener("keyup", (event) => {
      if (!held(event)) return;
      event.preventDefault();
      end();
    });
    record.addEventListener("click", (event) => {
      if (event.detail) return; // of a pointer
      begin(event);
      end();
    });
  }

  show(one, n, several, byTap) {
    const named = one.name !== this.one?.name;
    this.one = one;
    this.byTap = byTap;
    if (named && document.activeElement !== this.field) this.field.value = one.name;
    put(this.field, "aria-label", words.name(n));
    say(this.count, words.photos(one.photos.length));
    this.away.hidden = !several;
    put(this.away, "aria-label", words.removeClass(one.name));
    put(this.away, "title", words.removeClass(one.name));
    put(this.upload, "aria-label", words.uploadFor(one.name));
    put(this.files, "aria-label", words.filesFor(one.name));
    put(this.thumbs, "aria-label", words.photosOf(one.name));
    this.press();
    this.photos();
  }

  press() {
    const { one, byTap, recording, record } = this;
    say(record, recording ? (byTap ? words.stop : words.recording) : byTap ? words.recordByTap : words.record);
    put(record, "aria-label", (byTap ? words.tapFor : words.recordFor)(one.name));
    put(record, "aria-pressed", String(Boolean(recording)));
    this.root.classList.toggle("recording", Boolean(recording));
  }

  /* The newest first; what is there already is not drawn again. */
  photos() {
    const { photos, name } = this.one;
    const newest = [...photos].reverse();
    const some = this.all ? newest : newest.slice(0, SHOWN);
    this.rest.hidden = some.length === newest.length;
    say(this.rest, words.allPhotos(newest.length));
    this.thumbs.hidden = !some.length;
    const wanted = new Set(some.map(({ id }) => id));
    for (const [id, item] of this.shown)
      if (!wanted.has(id)) {
        item.remove();
        this.shown.delete(id);
      }
    some.forEach((photo, i) => {
      if (!this.shown.has(photo.id)) this.shown.set(photo.id, thumb(photo));
      const item = this.shown.get(photo.id);
      if (this.thumbs.children[i] !== item) this.thumbs.insertBefore(item, this.thumbs.children[i] ?? null);
      const label = words.removePhoto(photos.length - i, name);
      put(item.firstChild, "aria-label", label);
    });
  }

  problem(sentence) {
    this.told.classList.toggle("problem", Boolean(sentence));
    say(this.told, sentence);
  }

  /* Args: quiet, while more is to follow at once: it is not read out. */
  tell(sentence, { more = "", quiet = false } = {}) {
    put(this.told, "aria-live", quiet ? "off" : "polite");
    if (!quiet) this.told.textContent = ""; // so that what stood there already is read out, too
    this.problem("");
    say(this.told, sentence);
    put(this.told, "title", more);
  }
}

function thumb({ id, thumb }) {
  const button = element("button", "", { type: "button", "data-photo": id }, element("img", "", { src: thumb, alt: "" }));
  return element("li", "", {}, button);
}
