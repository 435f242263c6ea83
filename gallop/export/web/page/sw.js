/* Keeps the page for when there is no network. What is large the page itself puts into the same cache, as it shows how
   far it is; a new version has a cache of its own, and the old one goes. */

const VERSION = "";
const FILES = [];

const OWN = `gallop ${self.registration.scope} `;
const CACHE = OWN + VERSION;

self.addEventListener("install", (event) => {
  event.waitUntil(kept());
});

async function kept() {
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
  await Promise.all(names.filter((name) => name.startsWith(OWN) && name !== CACHE).map((name) => caches.delete(name)));
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
