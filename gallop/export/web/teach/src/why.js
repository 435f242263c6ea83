/* Why an answer is what it is: the explainer, and the photos that voted on it. */

import { button, element, say } from "../explainer/dom.js";
import { difference } from "../explainer/words.js";
import { Explainer } from "../explainer/view.js";
import { words } from "./strings.js";

const VOTES = 12; // the strongest

export class Why {
  /* Args: closed(), called by the button. */
  constructor(root, closed) {
    this.root = root;
    this.explainer = new Explainer();
    this.title = element("h2", "", { id: "why-title", tabindex: "-1" }, words.whyTitle);
    root.setAttribute("aria-labelledby", "why-title");
    const close = button("", closed, words.close);
    this.voted = element("h3");
    this.votes = element("ul", "votes");
    this.note = element("p", "hint");
    this.shots = element("section", "shots", {}, this.voted, this.votes, this.note);
    const head = element("div", "head", {}, this.title, close);
    root.append(head, this.explainer.root, this.shots);
    this.explainer.root.addEventListener("painted", () => this.vote());
  }

  get open() {
    return !this.root.hidden;
  }

  /* Args: data, as explained() gives it; votes(class) -> {shots: [{photo, name, vote}], rest} or nothing. */
  show(data, votes) {
    this.votesOf = votes;
    this.voting = undefined;
    this.explainer.show(data, () => {});
    this.vote();
  }

  /* On the class that is explained just now. */
  vote() {
    const { explained, name } = this.explainer;
    if (!this.votesOf || explained === undefined || this.voting === explained) return;
    this.voting = explained;
    const found = this.votesOf(explained);
    this.shots.hidden = !found;
    if (!found) return;
    say(this.voted, words.voted(name));
    say(this.note, words.votesNote(difference(found.rest)));
    const strongest = found.shots.slice(0, VOTES);
    const most = Math.max(...strongest.map(({ vote }) => Math.abs(vote)), 1e-9);
    this.votes.replaceChildren(...strongest.map((one) => shot(one, most)));
  }
}

function shot({ photo, name, vote }, most) {
  const value = difference(vote);
  const fill = element("i", vote < 0 ? "against" : "");
  fill.style.width = `${(100 * Math.abs(vote)) / most}%`;
  const words_ = element("span", "", {}, element("bdi", "", {}, name), ` ${value}`);
  return element("li", "", {}, element("img", "", { src: photo.thumb, alt: words.vote(name, value) }), words_, element("span", "track", {}, fill));
}
