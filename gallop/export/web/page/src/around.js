/* The page around this one, in whose frame it is. It is sent the answers where its origin was written at export. */

import { element } from "../explainer/dom.js";
import { largest } from "../explainer/numerics.js";

/* Whether the address asks for the answer, the camera and the map alone. */
export const bare = new URLSearchParams(location.search).get("embed") === "1";

export class Around {
  /* Args: origins, of the pages that may be sent answers: none where nothing was written at export. */
  constructor(origins = []) {
    document.body.classList.toggle("embed", bare);
    const from = URL.canParse(document.referrer) && new URL(document.referrer).origin; // where ancestors are not known
    const around = parent !== window && (location.ancestorOrigins?.[0] ?? from);
    this.origin = origins.find((origin) => origin === around);
    if (!this.origin) return;
    const told = `Each answer, with the names of the classes, is sent to the page around this one: ${this.origin}`;
    document.body.prepend(element("aside", "around", { "aria-label": "Where answers go" }, told));
  }

  get privacy() {
    return this.origin ? "No photo is sent anywhere." : "No photo and no name is sent anywhere.";
  }

  /* Args: names and probabilities (K); none, whether it is none of these. */
  tell(names, probabilities, none) {
    if (!this.origin) return;
    const answer = { type: "gallop.answer", label: names[largest(probabilities, 1)[0]] };
    const shares = Object.fromEntries(names.map((name, k) => [name, probabilities[k]]));
    parent.postMessage({ ...answer, probabilities: shares, none_of_these: none }, this.origin);
  }
}
