/* The page's own files: fetched once, with how far that is, and kept for when there is no network. */

const home = () => new URL("./", location.href).href;

export async function facts() {
  const answer = await fetch("model.json", { cache: "no-cache" });
  if (!answer.ok) throw new Error(`model.json is not where the page is (${answer.status}): serve the whole folder.`);
  return answer.json();
}

/* The cache that the service worker of this version has, too; nothing where a browser keeps none (plain http). */
async function kept(version) {
  return globalThis.caches ? caches.open(`gallop ${home()} ${version}`).catch(() => undefined) : undefined;
}

/* All that is large, unpacked, by name. Args: told(bytes that are here, bytes of all). */
export async function large(model, told) {
  const cache = await kept(model.version);
  const sizes = Object.entries(model.large);
  const all = sizes.reduce((sum, [, size]) => sum + size, 0);
  let here = 0;
  let failed = false;
  const count = (bytes) => failed || told((here += bytes), all);
  const one = async ([name]) => [name.replace(/\.packed$/, ""), await unpacked(await fetched(name, cache, count))];
  try {
    return Object.fromEntries(await Promise.all(sizes.map(one)));
  } catch (error) {
    failed = true; // others may still be under way
    throw error;
  }
}

async function fetched(name, cache, count) {
  const held = await cache?.match(name);
  if (held) {
    const bytes = new Uint8Array(await held.arrayBuffer());
    count(bytes.length);
    return bytes;
  }
  const answer = await fetch(name);
  if (!answer.ok) throw new Error(`${name} is not there (${answer.status}): serve the whole folder.`);
  const bytes = await read(answer.body.getReader(), count);
  await cache?.put(name, new Response(bytes)).catch(() => undefined); // there may be no room for it
  return bytes;
}

async function read(reader, count) {
  const parts = [];
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
    parts.push(value);
    count(value.length);
  }
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (bytes.set(part, at), at + part.length), 0);
  return bytes;
}

/* Servers that know ".gz" unpack for the browser, so the bytes say whether it was done. */
async function unpacked(bytes) {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes.buffer;
  if (!globalThis.DecompressionStream) throw new Error("This browser is too old; the page needs one of 2023 or newer.");
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

/* Whether the page opens without a network from now on. */
export async function keepsOffline() {
  if (!navigator.serviceWorker) return false;
  try {
    await navigator.serviceWorker.register("sw.js");
    await navigator.serviceWorker.ready;
    return true;
  } catch {
    return false;
  }
}
