/* The page's files: fetched once, with progress, and cached for use without a network. */

import { say } from "../explainer/dom.js";

const home = () => new URL("./", location.href).href;

export async function facts() {
  const answer = await fetch("model.json", { cache: "no-cache" });
  if (!answer.ok) throw new Error(`model.json is not where the page is (${answer.status}): serve the complete folder.`);
  return answer.json();
}

/* The cache that the service worker of this version uses, too; nothing where a browser has none (plain http). */
async function opened(version) {
  return globalThis.caches ? caches.open(`gallop ${home()} ${version}`).catch(() => undefined) : undefined;
}

/* The large files, unpacked, by name. Args: progress(bytes that are here, bytes of all). */
export async function large(model, progress) {
  const cache = await opened(model.version);
  const sizes = Object.entries(model.large);
  const all = sizes.reduce((sum, [, size]) => sum + size, 0);
  let here = 0;
  let failed = false;
  const count = (bytes) => failed || progress((here += bytes), all);
  const one = async ([name]) => [name.replace(/\.packed$/, ""), await unpacked(await fetched(name, cache, count))];
  try {
    return Object.fromEntries(await Promise.all(sizes.map(one)));
  } catch (error) {
    failed = true; // others may still be under way
    throw error;
  }
}

export function progress(here, all) {
  const [bar, words] = ["progress", "loading"].map((id) => document.getElementById(id));
  Object.assign(bar, { max: all, value: here });
  say(words, `Loading the model: ${[here, all].map((bytes) => (bytes / 1e6).toFixed(1)).join(" of ")} MB, once.`);
}

async function fetched(name, cache, count) {
  const cached = await cache?.match(name);
  if (cached) {
    const bytes = new Uint8Array(await cached.arrayBuffer());
    count(bytes.length);
    return bytes;
  }
  const answer = await fetch(name);
  if (!answer.ok) throw new Error(`${name} is not there (${answer.status}): serve the complete folder.`);
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
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/* Servers that know ".gz" unpack for the browser, so the bytes show whether that was done. */
async function unpacked(bytes) {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes.buffer;
  if (!globalThis.DecompressionStream) throw new Error("This browser is too old; the page needs one of 2023 or newer.");
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

/* Whether the page opens without a network from now on. */
export async function worksOffline() {
  if (!navigator.serviceWorker) return false;
  try {
    await navigator.serviceWorker.register("sw.js");
    await navigator.serviceWorker.ready;
    return true;
  } catch {
    return false;
  }
}
