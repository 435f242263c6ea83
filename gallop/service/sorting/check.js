// Checks of a sample, one photo at a time. The figures that earn the promise are worked out by `gallop sort`.
const facts = JSON.parse(document.getElementById("facts").textContent);
const at = (id) => document.getElementById(id);
const NONE = "None of these";
const kept = `gallop-checks-${facts.pile}-${facts.right + facts.errors}`;
let said = remembered(); // of the page's photos, one after the other: the class that it is, or ""
let choosing = false;

function remembered() {
  try {
    const stored = JSON.parse(localStorage.getItem(kept) ?? "[]");
    const names = new Set(["", ...facts.classes]);
    return Array.isArray(stored) && stored.every((name) => names.has(name)) ? stored.slice(0, facts.photos.length) : [];
  } catch {
    return []; // storage is forbidden, or holds something else
  }
}

function remember() {
  try {
    localStorage.setItem(kept, JSON.stringify(said));
  } catch {
    // the checks last as long as the page is open
  }
}

/** How many checks there are, how many are wrong, and how many more without an error earn the promise (null: none do). */
function standing() {
  const errors = facts.errors + said.filter((name, i) => name !== facts.photos[i].label).length;
  const checked = facts.right + facts.errors + said.length;
  if (checked === facts.size) return { checked, errors, more: errors <= facts.allowed ? 0 : null };
  const needed = facts.needed[errors] ?? facts.size;
  if (errors > facts.allowed || errors >= Math.max(facts.needed.length, 1)) return { checked, errors, more: null };
  return { checked, errors, more: Math.max(needed - checked, 0) };
}

function show() {
  const { checked, errors, more } = standing();
  const plural = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;
  const photo = facts.photos[said.length];
  at("told").textContent =
    more === null
      ? `Too many are wrong to promise that at most ${facts.percent} are`
      : more === 0
        ? `At most ${facts.percent} of these ${plural(facts.size, "photo")} are wrong (95 % sure)`
        : `${plural(more, checked ? "more check" : "check")} ${checked ? "without an error" : "at best"} to promise that at most ${facts.percent} of these ${plural(facts.size, "photo")} are wrong`;
  at("found").textContent = `${checked} of ${plural(facts.size, "photo")} checked, ${errors === 0 ? "none" : errors} wrong`;
  at("bar").max = checked + (more ?? 0) || 1;
  at("bar").value = checked;
  const open = more !== 0 && more !== null && photo !== undefined;
  at("ask").hidden = !open;
  at("next").hidden = open;
  at("next").textContent =
    more === 0
      ? "Save checks.json, and run the same command again: it accepts the photos."
      : more === null
        ? "Save checks.json, and run the same command again with a higher --line."
        : "Save checks.json, and run the same command again for the next photos to check.";
  at("undo").disabled = said.length === 0 && !choosing;
  at("which").hidden = !choosing;
  at("wrong").setAttribute("aria-expanded", String(choosing));
  if (!open) return;
  at("photo").hidden = photo.url === "";
  at("none").hidden = photo.url !== "";
  at("photo").src = photo.url;
  at("photo").alt = `The photo ${photo.key}`;
  at("key").textContent = photo.key;
  at("score").textContent = photo.score;
  at("question").textContent = `Is this “${photo.label}”?`;
  if (choosing) offer(photo.label);
}

/** The other classes as buttons; the first nine have keys. */
function offer(label) {
  const others = facts.classes.filter((name) => name !== label);
  const buttons = [["", NONE, "0"], ...others.map((name, i) => [name, name, i < 9 ? String(i + 1) : ""])].map(([name, words, key]) => {
    const button = document.createElement("button");
    button.append(words);
    button.dataset.key = key;
    if (key !== "") {
      const hint = document.createElement("kbd");
      hint.textContent = key;
      button.append(" ", hint);
    }
    button.addEventListener("click", () => say(name));
    return button;
  });
  at("classes").replaceChildren(...buttons);
}

function say(name) {
  said = [...said, name];
  choosing = false;
  remember();
  show();
  if (at("ask").hidden) at("save").focus();
}

function undo() {
  [choosing, said] = [false, choosing ? said : said.slice(0, -1)];
  remember();
  show();
}

function choose() {
  choosing = !choosing;
  show();
}

function save() {
  const checks = { ...facts.earlier, ...Object.fromEntries(said.map((name, i) => [facts.photos[i].key, name])) };
  const link = document.createElement("a");
  const text = JSON.stringify({ pile: facts.pile, checks }, null, 1);
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = "checks.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

at("right").addEventListener("click", () => say(facts.photos[said.length].label));
at("wrong").addEventListener("click", choose);
at("undo").addEventListener("click", undo);
at("save").addEventListener("click", save);
addEventListener("keydown", (event) => {
  if (event.altKey || event.metaKey || event.repeat || (event.ctrlKey && event.key !== "z")) return;
  const key = event.key.toLowerCase();
  const open = !at("ask").hidden;
  if (key === "u" || key === "backspace" || key === "z") undo();
  else if (key === "s") save();
  else if (open && (key === "arrowright" || key === "j")) at("right").click();
  else if (open && (key === "arrowleft" || key === "f")) choose();
  else if (open && choosing && key === "escape") choose();
  else if (open && choosing && /^[0-9]$/.test(key)) at("classes").querySelector(`[data-key="${key}"]`)?.click();
  else return;
  event.preventDefault();
});
show();
