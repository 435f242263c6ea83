/* What is asked: the camera, a photo, a sample; and the button that asks why. */

import { element, say } from "../explainer/dom.js";
import { words } from "./strings.js";

export class Ways {
  /* Args: samples, names of files; acts, {camera(), flip(), ask(file), sample(name), why()}. */
  constructor(samples, acts) {
    const button = (text, act, name = "") => {
      const made = element("button", name, { type: "button" }, text);
      made.addEventListener("click", act);
      return made;
    };
    this.camera = button(words.cameraOn, acts.camera);
    this.flip = button(words.flip, acts.flip);
    this.file = element("input", "", { type: "file", accept: "image/*", "aria-label": words.file, hidden: "" });
    this.file.addEventListener("change", () => {
      if (this.file.files[0]) acts.ask(this.file.files[0]);
      this.file.value = "";
    });
    this.choose = button(words.choose, () => this.file.click());
    this.samples = element("span", "samples", { role: "group", "aria-label": words.samples });
    samples.forEach((name, i) => {
      const sample = button("", () => acts.sample(name), "sample");
      sample.setAttribute("aria-label", words.sample(i + 1));
      sample.append(element("img", "", { src: name, alt: "" }));
      this.samples.append(sample);
    });
    this.why = button(words.why, acts.why, "ask");
    this.root = element("div", "ways", {}, this.camera, this.flip, this.choose, this.samples, this.file);
    this.show({}, false);
  }

  show({ on = false, several = false }, frozen) {
    say(this.camera, on ? words.cameraOff : words.cameraOn);
    this.flip.hidden = !on || !several;
    this.samples.hidden = on;
    say(this.why, frozen ? words.goOn : on ? words.freeze : words.why);
  }
}
