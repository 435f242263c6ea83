/* Undo, and what is done with the whole project. What is said about it stands beside. */

import { button, element, put, say } from "../explainer/dom.js";
import { readProject, writeCheckpoint, writeProject } from "./project.js";
import { photoFrom } from "./shots.js";
import { newClass } from "./store.js";
import { words } from "./strings.js";

const TOLD_FOR = 8000; // ms

export class Tools {
  constructor(root, page) {
    this.page = page;
    const choice = (text, act, hint) => {
      const box = element("input", "", { type: "checkbox", role: "switch" });
      box.addEventListener("change", () => act(box.checked));
      return [box, element("label", "", {}, element("span", "", {}, text, element("small", "", {}, hint)), box)];
    };
    const then = (act) => () => {
      this.menu.open = false;
      page.act(act);
    };
    this.undo = button("", () => this.undoLast(), words.undo);
    this.file = element("input", "", { type: "file", accept: ".zip", "aria-label": words.openFile, hidden: "" });
    this.file.addEventListener("change", () => {
      const [file] = this.file.files;
      this.file.value = "";
      if (file) page.act(() => this.open(file));
    });
    this.save = button("", then(() => this.write()), words.save, element("small", "", {}, words.saveHint));
    this.model = button("", then(() => this.writeModel()), words.saveModel, element("small", "", {}, words.saveModelHint));
    const open = button("", then(() => this.file.click()), words.open);
    const fresh = () => page.store.change(page.model.names.map(newClass), "clear", undefined, null);
    const clear = button("", then(fresh), words.clear);
    const [keep, kept] = choice(words.keep, (on) => page.act(() => this.keep(on)), words.keepHint);
    const [, tapped] = choice(words.byTap, (on) => this.tap(on), words.byTapHint);
    this.keepBox = keep;
    const list = element("div", "menu", {}, this.save, open, this.model, kept, tapped, clear);
    this.menu = element("details", "", {}, element("summary", "", {}, words.project), list);
    this.told = element("p", "told", { role: "status" });
    root.append(this.told, this.undo, this.menu, this.file);
    this.leave();
    this.show();
  }

  /* The menu closes by Escape, and by what is clicked or focused elsewhere. */
  leave() {
    const { menu } = this;
    menu.addEventListener("keydown", ({ key }) => {
      if (key !== "Escape") return;
      menu.open = false;
      menu.firstChild.focus();
    });
    for (const kind of ["pointerdown", "focusin"])
      addEventListener(kind, ({ target }) => {
        if (!menu.contains(target)) menu.open = false;
      });
  }

  show() {
    const { store } = this.page;
    const last = store.past.at(-1);
    this.undo.hidden = !last;
    put(this.undo, "title", last ? words.undoOf(words.deeds[last.what]) : "");
    this.save.disabled = this.model.disabled = !store.photos;
  }

  /* For a moment. */
  tell(sentence) {
    this.problem(sentence);
    this.told.classList.remove("problem");
    this.telling = setTimeout(() => say(this.told, ""), TOLD_FOR);
  }

  problem(sentence) {
    clearTimeout(this.telling);
    this.told.classList.add("problem");
    say(this.told, sentence);
  }

  undoLast() {
    this.tell(words.undone(words.deeds[this.page.store.undo()]));
  }

  tap(on) {
    this.byTap = on;
    this.page.release();
    this.page.cards.show(this.page.store.classes, on);
  }

  /* Only shows that it is kept. */
  keeps(on) {
    this.keepBox.checked = on;
  }

  async keep(on) {
    const { keeper, store, version } = this.page;
    if (!on) {
      await keeper.forget();
      return this.tell(words.forgotten);
    }
    try {
      if (!(await keeper.alone())) throw new Error(words.keptElsewhere);
      await keeper.start().catch(() => {
        throw new Error(words.cannotKeep);
      });
      await keeper.keep(store, version);
    } catch (error) {
      this.keeps(false);
      throw error;
    }
    return this.tell(words.keptNow);
  }

  async write() {
    const { store, model } = this.page;
    const classes = [];
    for (const { name, photos } of store.classes) {
      const shots = [];
      for (const [i, photo] of photos.entries()) {
        const bytes = new Uint8Array(await photo.blob.arrayBuffer());
        shots.push({ name: photo.name || words.frame(i + 1), sha256: photo.id, bytes });
      }
      classes.push({ name, shots });
    }
    const zip = writeProject({ classes, rest: store.carried ?? undefined }, model);
    this.hand(zip, "project.zip");
  }

  writeModel() {
    this.hand(writeCheckpoint(this.page.teaching.learner, this.page.model), "model.zip");
  }

  hand(bytes, name) {
    const link = element("a", "", { href: URL.createObjectURL(new Blob([bytes], { type: "application/zip" })), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    this.tell(words.saved(name));
  }

  async open(file) {
    const { store, encoders, begun } = this.page;
    const { classes, rest } = await readProject(new Uint8Array(await file.arrayBuffer()), file.name);
    await begun;
    const all = classes.reduce((sum, { shots }) => sum + shots.length, 0);
    const [made, there] = [[], new Set()]; // a picture is learned from once
    let done = 0;
    for (const { name, shots } of classes) {
      const one = newClass(name);
      for (const shot of shots) {
        if (done++ % 10 === 0) this.tell(words.reading(done, all));
        if (there.has(shot.sha256)) continue;
        there.add(shot.sha256);
        const photo = await photoFrom(shot, encoders).catch(() => {
          throw new Error(words.otherPicture(file.name, shot.name));
        });
        one.photos.push(photo);
      }
      made.push(one);
    }
    store.change(made, "open", undefined, rest);
    this.tell(words.openedProject(made.length, all));
  }
}
