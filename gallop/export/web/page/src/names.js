/* Class names as gallop/names/class_names.py cleans them: one line, composed letters, nothing that does not show. */

const LONGEST = 200;

export function cleanName(name) {
  const visible = name.replace(/[\p{Cc}\p{Zs}\p{Zl}\p{Zp}]/gu, " ").replace(/[\p{Cf}\p{Cs}]/gu, "");
  return visible.split(/\s+/u).filter(Boolean).join(" ").normalize("NFC");
}

/* Those of a text with commas or lines between them. */
export function parsed(text) {
  return text.split(/[\n,]/).filter((piece) => cleanName(piece));
}

/* Names that come to others: {names, problem}, the problem a sentence or nothing. */
export function added(names, more) {
  const all = [...names];
  const known = new Set(names.map((name) => name.toLowerCase()));
  for (const given of more) {
    const name = cleanName(given);
    if (!name) continue;
    if ([...name].length > LONGEST) {
      const start = [...name].slice(0, 40).join("");
      return { names, problem: `“${start} …” is too long; ${LONGEST} characters are the most.` };
    }
    if (known.has(name.toLowerCase())) return { names: all, problem: `“${name}” is there already.` };
    known.add(name.toLowerCase());
    all.push(name);
  }
  return { names: all, problem: "" };
}
