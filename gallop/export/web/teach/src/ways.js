/* What is asked: the camera, a photo, a sample; and the button that asks why. */

import { button, element, say } from "../explainer/dom.js";
import { words } from "./strings.js";

export class Ways {
  /* Args: samples, names of files; acts, {camera(), flip(), ask(file), sample(name), why()}. */
  constructor(samples, acts) {
    this.camera = button("", acts.camera, words.cameraOn);
    this.flip = button("", acts.flip, words.flip);
    this.file = element("input", "", { type: "file", accept: "image/*", "aria-label": words.file, hidden: "" });
    this.file.addEventListener("change", () => {
      if (this.file.files[0]) acts.ask(this.file.files[0]);
      this.file.value = "";
    });
    this.choose = button("", () => this.file.click(), words.choose);
    this.samples = element("span", "samples", { role: "group", "aria-label": words.samples });
    samples.forEach((name, i) => {
      const sample = button("sample", () => acts.sample(name), element("img", "", { src: name, alt: "" }));
      sample.setAttribute("aria-label", words.sample(i + 1));
      this.samples.append(sample);
    });
    this.why = button("ask", acts.why, words.why);
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
