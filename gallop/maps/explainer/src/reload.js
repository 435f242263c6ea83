/* The state just before a page was loaded again: the host may not have received or applied it yet. */

const PLACE = "gallop explainer";
const JUST = 3000; // ms before the page was left

export function remember(id, state) {
  try {
    sessionStorage.setItem(PLACE, JSON.stringify({ id, state, at: Date.now() }));
  } catch {
    // The browser stores nothing: then only the host has the state.
  }
}

/* The last state for this photo and these cosines; undefined where the page was not just loaded again. */
export function recalled(id) {
  try {
    const [opened] = performance.getEntriesByType("navigation");
    const left = JSON.parse(sessionStorage.getItem(PLACE));
    sessionStorage.removeItem(PLACE);
    const just = left?.id === id && performance.timeOrigin - left.at < JUST;
    return opened?.type === "reload" && just ? left.state : undefined;
  } catch {
    return undefined;
  }
}
