/* SHA-256 without a promise, and where there is no https: crypto.subtle is missing there. */

const fractions = (root) => {
  const primes = [];
  for (let n = 2; primes.length < 64; n++) if (primes.every((prime) => n % prime)) primes.push(n);
  return Uint32Array.from(primes, (prime) => (root(prime) % 1) * 2 ** 32);
};
const ROUNDS = Int32Array.from(fractions(Math.cbrt));
const START = fractions(Math.sqrt).subarray(0, 8);

/* Args: parts, bytes or texts, as if they were one. Returns 64 hexadecimal digits. */
export function sha256(...parts) {
  const state = Uint32Array.from(START);
  const words = new Int32Array(64);
  const block = new Uint8Array(64);
  const view = new DataView(block.buffer);
  let [at, length] = [0, 0];
  for (const part of parts) {
    const bytes = typeof part === "string" ? new TextEncoder().encode(part) : part;
    length += bytes.length;
    for (let from = 0; from < bytes.length; ) {
      const some = bytes.subarray(from, from + 64 - at);
      block.set(some, at);
      [from, at] = [from + some.length, at + some.length];
      if (at === 64) [at] = [0, mixedIn(state, words, view)];
    }
  }
  block.fill(0, at);
  block[at] = 0x80;
  if (at >= 56) {
    mixedIn(state, words, view);
    block.fill(0);
  }
  view.setBigUint64(56, BigInt(length) * 8n);
  mixedIn(state, words, view);
  return Array.from(state, (word) => word.toString(16).padStart(8, "0")).join("");
}

function mixedIn(state, w, view) {
  for (let i = 0; i < 16; i++) w[i] = view.getUint32(4 * i);
  for (let i = 16; i < 64; i++) {
    const x = w[i - 15] | 0;
    const y = w[i - 2] | 0;
    const low = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const high = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    w[i] = w[i - 16] + low + w[i - 7] + high;
  }
  let a = state[0] | 0, b = state[1] | 0, c = state[2] | 0, d = state[3] | 0;
  let e = state[4] | 0, f = state[5] | 0, g = state[6] | 0, h = state[7] | 0;
  for (let i = 0; i < 64; i++) {
    const high = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const one = (h + high + ((e & f) ^ (~e & g)) + ROUNDS[i] + w[i]) | 0;
    const low = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const two = (low + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g; g = f; f = e; e = (d + one) | 0; d = c; c = b; b = a; a = (one + two) | 0;
  }
  state[0] += a; state[1] += b; state[2] += c; state[3] += d;
  state[4] += e; state[5] += f; state[6] += g; state[7] += h;
}
