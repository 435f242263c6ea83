/* CLIP's tokens, as gallop/backbones/text/tokenizers.py has them: byte pair encoding by a table of merges. No page is known
   here. Of what ftfy repairs there, this does what users may type or paste: quotes, ligatures, wide letters, and
   entities of HTML; text that was decoded wrongly stays as it is. */

const END = "</w>";
const START_OF_TEXT = "<start_of_text>";
const END_OF_TEXT = "<end_of_text>";
const WORD = /<start_of_text>|<end_of_text>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+/giu;
const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0" };
const LIGATURES = /[\u0132\u0133\u0149\u01c4-\u01cc\u01f1-\u01f3\ufb00-\ufb06]/gu;

/* A visible letter for each byte: its Latin-1 letter where that is visible, otherwise one beyond Latin-1, last. */
function letters() {
  const shows = (byte) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255);
  const bytes = Array.from({ length: 256 }, (_, byte) => byte);
  const hidden = bytes.filter((byte) => !shows(byte));
  const ordered = bytes.filter(shows).map((byte) => [byte, String.fromCodePoint(byte)]);
  return new Map([...ordered, ...hidden.map((byte, n) => [byte, String.fromCodePoint(256 + n)])]);
}

function unescaped(text) {
  return text.replace(/&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|([a-zA-Z]+));/g, (entity, decimal, hex, name) => {
    if (name) return ENTITIES[name] ?? entity;
    const point = decimal ? Number(decimal) : parseInt(hex, 16);
    const letter = point > 0 && point <= 0x10ffff && !(point >= 0xd800 && point <= 0xdfff);
    return letter ? String.fromCodePoint(point) : entity;
  });
}

export function repaired(text) {
  const plain = unescaped(text)
    .replace(LIGATURES, (letter) => (letter === "\u0149" ? "'n" : letter.normalize("NFKC")))
    .replace(/\u3000/g, " ")
    .replace(/[\uff01-\uffef]/g, (letter) => letter.normalize("NFKC"))
    .replace(/[\u02bc\u2018-\u201b]/g, "'")
    .replace(/[\u201c-\u201f]/g, '"')
    .normalize("NFC");
  return unescaped(unescaped(plain)).trim().split(/\s+/u).join(" ").toLowerCase();
}

export class ClipTokens {
  /* Args: merges, a pair a line, the first ones first. */
  constructor(merges) {
    const pairs = merges.split("\n").filter(Boolean);
    this.letters = letters();
    const single = [...this.letters.values()];
    const joined = pairs.map((pair) => pair.replace(" ", ""));
    const tokens = [...single, ...single.map((letter) => letter + END), ...joined, START_OF_TEXT, END_OF_TEXT];
    this.ids = new Map(tokens.map((token, id) => [token, id]));
    this.ranks = new Map(pairs.map((pair, rank) => [pair, rank]));
    this.start = tokens.length - 2;
    this.end = tokens.length - 1;
    this.known = new Map();
  }

  /* The ids of a text, without those that surround it. */
  encode(text) {
    return (repaired(text).match(WORD) ?? []).flatMap((word) => this.ofWord(word));
  }

  /* With those that surround it. */
  surrounded(text) {
    return [this.start, ...this.encode(text), this.end];
  }

  ofWord(word) {
    if (word === START_OF_TEXT || word === END_OF_TEXT) return [this.ids.get(word)];
    if (!this.known.has(word)) {
      const bytes = Array.from(new TextEncoder().encode(word), (byte) => this.letters.get(byte));
      bytes.push(bytes.pop() + END);
      this.known.set(
        word,
        this.merged(bytes).map((token) => this.ids.get(token)),
      );
    }
    return this.known.get(word);
  }

  /* The parts of a word, joined as long as a pair of neighbours is in the table. */
  merged(parts) {
    while (parts.length > 1) {
      let [best, first] = [Infinity, -1];
      for (let i = 0; i + 1 < parts.length; i++) {
        const rank = this.ranks.get(`${parts[i]} ${parts[i + 1]}`) ?? Infinity;
        if (rank < best) [best, first] = [rank, i];
      }
      if (first < 0) break;
      const [left, right] = [parts[first], parts[first + 1]];
      const joined = [];
      for (let i = 0; i < parts.length; i++) {
        if (parts[i] === left && parts[i + 1] === right) joined.push(left + parts[++i]);
        else joined.push(parts[i]);
      }
      parts = joined;
    }
    return parts;
  }
}
