/* Zip files without a library, as gallop's app writes and reads them (app/photos/archives.py): a stranger's file may lie about
   everything, so counts, sizes and ratios are checked as they are declared, and again as they come out. */

export const LIMITS = {
  ...{ archiveBytes: 200 * 2 ** 20, members: 2000, totalBytes: 400 * 2 ** 20, ratio: 100, directoryBytes: 2 ** 20 },
  ...{ classes: 100, shots: 64, altogether: 1600, shelf: 60, runs: 200, shotSide: 512, shownSide: 1024 },
};

const PIECE = 2 ** 16;
const [LOCAL, CENTRAL, END, END64] = [0x04034b50, 0x02014b50, 0x06054b50, 0x07064b50];
const [ENCRYPTED, NAMED_IN_UTF8] = [1, 1 << 11];
const [STORED, DEFLATED] = [0, 8];
const DAY = 33; // 1 January 1980: the same files give the same zip

/* A zip of files, stored as they are. Args: files, a Map of path and bytes. */
export function zip(files) {
  const [parts, list] = [[], []];
  let at = 0;
  for (const [path, data] of files) {
    const name = new TextEncoder().encode(path);
    const facts = [20, NAMED_IN_UTF8, STORED, 0, DAY]; // version needed, flags, method, time, date
    const [check, size] = [crc32(data), data.length];
    const local = record(LOCAL, facts, [check, size, size], [name.length, 0]);
    const central = record(CENTRAL, [20, ...facts], [check, size, size], [name.length, 0, 0, 0, 0], [0, at]);
    parts.push(local, name, data);
    list.push(central, name);
    at += local.length + name.length + size;
  }
  const length = list.reduce((sum, part) => sum + part.length, 0);
  return joined([...parts, ...list, record(END, [0, 0, files.size, files.size], [length, at], [0])]);
}

/* A signature and numbers, of 16 and of 32 bits by turns. */
function record(signature, ...groups) {
  const bytes = [signature & 255, (signature >> 8) & 255, (signature >> 16) & 255, signature >> 24];
  groups.forEach((numbers, i) => {
    for (const number of numbers)
      for (let shift = 0; shift < (i % 2 ? 32 : 16); shift += 8) bytes.push((number >>> shift) & 255);
  });
  return Uint8Array.from(bytes);
}

export function joined(parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/* A zip that is opened: what is in it is unpacked when it is asked for. */
export class Unzipped {
  /* Args: bytes; shown, what the file is called in a sentence. */
  constructor(bytes, shown) {
    Object.assign(this, { bytes, shown, left: LIMITS.totalBytes });
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    if (bytes.length > LIMITS.archiveBytes) throw new Error(`${shown} is larger than ${mega(LIMITS.archiveBytes)}, the limit.`);
    const end = this.end();
    const [count, size, start] = [this.u16(end + 10), this.u32(end + 12), this.u32(end + 16)];
    if ((end >= 20 && this.u32(end - 20) === END64) || size > LIMITS.directoryBytes || count === 0xffff)
      throw new Error(`${shown} lists too many files, or it is in the Zip64 format. Create it again.`);
    if (start + size > end) throw this.damaged();
    this.members = this.listed(start, start + size);
    if (this.members.size !== count) throw this.damaged();
  }

  u16(at) {
    return this.view.getUint16(at, true);
  }

  u32(at) {
    return this.view.getUint32(at, true);
  }

  damaged() {
    return new Error(`${this.shown} cannot be read as a zip file: it is damaged or incomplete.`);
  }

  end() {
    for (let at = this.bytes.length - 22; at >= Math.max(0, this.bytes.length - 22 - 0xffff); at--)
      if (this.u32(at) === END) return at;
    throw new Error(`${this.shown} is not a zip file, or it is incomplete.`);
  }

  /* Of each file its path and facts, in order. */
  listed(at, end) {
    const members = new Map();
    let total = 0;
    while (at + 46 <= end && this.u32(at) === CENTRAL) {
      const [flags, method] = [this.u16(at + 8), this.u16(at + 10)];
      const [check, packed, size] = [this.u32(at + 16), this.u32(at + 20), this.u32(at + 24)];
      const [name, attributes, start] = [this.u16(at + 28), this.u32(at + 38), this.u32(at + 42)];
      const next = at + 46 + name + this.u16(at + 30) + this.u16(at + 32);
      if (next > end) throw this.damaged();
      const path = this.path(this.bytes.subarray(at + 46, at + 46 + name), flags);
      if (flags & ENCRYPTED) throw new Error(`${path} in ${this.shown} is encrypted. Create the file without a password.`);
      if (attributes >>> 28 === 0xa) throw new Error(`${this.shown} contains a link (${path}), so it was not opened.`);
      if (members.has(path)) throw new Error(`${this.shown} contains two files with the same name (${path}).`);
      members.set(path, { path, method, check, packed, size, start });
      total += size;
      at = next;
    }
    if (at !== end) throw this.damaged();
    if (members.size > LIMITS.members)
      throw new Error(`${this.shown} contains ${members.size} files, and ${LIMITS.members} are the most.`);
    if (total > LIMITS.totalBytes) throw this.tooMuch();
    return members;
  }

  tooMuch() {
    return new Error(`${this.shown} unpacks to more than ${mega(LIMITS.totalBytes)}, the limit.`);
  }

  path(bytes, flags) {
    let path;
    try {
      path = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    } catch {
      throw new Error(`${this.shown} contains a file whose name is not text, so it was not opened.`);
    }
    const parts = path.replace(/\/$/, "").replaceAll("\\", "/").split("/");
    const unsafe = parts[0].endsWith(":") || parts.some((part) => ["", ".", ".."].includes(part));
    const odd = /\p{Cc}/u.test(path) || (!(flags & NAMED_IN_UTF8) && bytes.some((byte) => byte > 127));
    if (unsafe || odd)
      throw new Error(`${this.shown} contains a file with an unsafe path (${plain(path)}), so it was not opened.`);
    return path;
  }

  /* The bytes of a file. Args: most, how many it may be. */
  async read(path, most) {
    const member = this.members.get(path);
    const shown = `${plain(path)} in ${this.shown}`;
    if (!member) throw new Error(`${shown} is missing. Use another copy of the file.`);
    const tooLarge = new Error(`${shown} is too large when unpacked.`);
    const { method, packed, size, start } = member;
    if (size > Math.min(most, LIMITS.ratio * Math.max(packed, PIECE))) throw tooLarge;
    if (start + 30 > this.bytes.length || this.u32(start) !== LOCAL) throw this.damaged();
    const begin = start + 30 + this.u16(start + 26) + this.u16(start + 28);
    if (begin + packed > this.bytes.length) throw this.damaged();
    const raw = this.bytes.subarray(begin, begin + packed);
    if (method !== STORED && method !== DEFLATED) throw new Error(`${shown} is packed in a way that is not supported.`);
    const data = method === STORED ? raw.slice() : await inflated(raw, size).catch(() => null);
    if (!data || data.length !== size || crc32(data) !== member.check)
      throw new Error(`${shown} cannot be unpacked: it is damaged.`);
    this.left -= size;
    if (this.left < 0) throw this.tooMuch();
    return data;
  }
}

/* Stops one piece beyond the size that was declared. */
async function inflated(raw, size) {
  const stream = new Blob([raw]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  const reader = stream.getReader();
  const parts = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return joined(parts);
    parts.push(value);
    length += value.length;
    if (length > size) {
      reader.cancel().catch(() => {});
      return null;
    }
  }
}

const mega = (bytes) => `${bytes / 2 ** 20} MB`;

/* A path in a sentence: not endless, and without what does not show. */
export function plain(text) {
  const shown = text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, "?");
  return [...shown].length > 80 ? `${[...shown].slice(0, 80).join("")}…` : shown;
}

const CHECKS = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

export function crc32(bytes) {
  let value = -1;
  for (let i = 0; i < bytes.length; i++) value = CHECKS[(value ^ bytes[i]) & 255] ^ (value >>> 8);
  return (value ^ -1) >>> 0;
}
