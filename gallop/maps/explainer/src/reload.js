/* What a hand did just before its page was loaded again: the host may not have heard or heeded it yet. */

const PLACE = "gallop explainer";
const JUST = 3000; // ms before the page was left

export function remember(id, stands) {
  try {
    sessionStorage.setItem(PLACE, JSON.stringify({ id, stands, at: Date.now() }));
  } catch {
    // A browser that keeps nothing: then the host alone knows.
  }
}

/* What was left of this photo and these cosines; nothing where the page was not loaded again, or long after. */
export function recalled(id) {
  try {
    const [opened] = performance.getEntriesByType("navigation");
    const left = JSON.parse(sessionStorage.getItem(PLACE));
    sessionStorage.removeItem(PLACE);
    const just = left?.id === id && performance.timeOrigin - left.at < JUST;
    return opened?.type === "reload" && just ? left.stands : undefined;
  } catch {
    return undefined;
  }
}
