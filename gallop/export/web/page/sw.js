/* Caches the page for use without a network. The page itself puts its large files into the same cache, since it shows
   their progress. Each version has a separate cache, and those of older ones are deleted. */

const VERSION = "";
const FILES = [];

const SCOPE = `gallop ${self.registration.scope} `;
const CACHE = SCOPE + VERSION;

self.addEventListener("install", (event) => {
  event.waitUntil(filled());
});

async function filled() {
  const cache = await caches.open(CACHE);
  const small = FILES.filter((name) => !name.endsWith(".packed"));
  await cache.addAll(small.map((name) => new Request(name, { cache: "no-cache" })));
  await self.skipWaiting();
}

self.addEventListener("activate", (event) => {
  event.waitUntil(cleared());
});

async function cleared() {
  const names = await caches.keys();
  await Promise.all(
    names.filter((name) => name.startsWith(SCOPE) && name !== CACHE).map((name) => caches.delete(name)),
  );
  await self.clients.claim();
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method === "GET" && request.url.startsWith(self.registration.scope)) event.respondWith(answered(request));
});

async function answered(request) {
  const cache = await caches.open(CACHE);
  const url = request.url === self.registration.scope ? new URL("index.html", request.url).href : request.url;
  return (await cache.match(url, { ignoreSearch: true })) ?? fetch(request);
}
