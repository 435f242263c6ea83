/* The project in this browser's IndexedDB, only where that is asked for. A photo is written once; what is gone from the
   project is removed. One tab at a time. */

const NAME = "gallop teach";
const ON = "kept";

const done = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = request.oncomplete = () => resolve(request.result);
    request.onerror = request.onabort = () => reject(request.error);
  });

function opened() {
  const request = indexedDB.open(NAME, 1);
  request.onupgradeneeded = () => {
    request.result.createObjectStore("photos", { keyPath: "id" });
    request.result.createObjectStore("project");
  };
  return done(request);
}

const known = new WeakMap(); // what is carried -> its id
const idOf = (carried) => known.get(carried) ?? (known.set(carried, `carried ${Date.now()}`), known.get(carried));

export class Keeper {
  constructor() {
    this.written = new Set(); // ids of photos
    this.last = Promise.resolve();
  }

  get on() {
    return Boolean(this.store);
  }

  /* Whether this tab is the one that may keep; it is until it is closed. */
  async alone() {
    if (!navigator.locks) return true;
    this.holds ??= new Promise((tell) => {
      navigator.locks.request(NAME, { ifAvailable: true }, (lock) => {
        tell(Boolean(lock));
        return lock && new Promise(() => {});
      });
    });
    const holds = await this.holds;
    if (!holds) this.holds = undefined;
    return holds;
  }

  /* What was kept: classes with their photos, and what is carried beside them; or undefined. It is kept on from here. */
  async recalled(version) {
    const there = (await indexedDB.databases?.()) ?? [];
    if (!there.some(({ name }) => name === NAME) || !(await this.alone())) return undefined;
    this.store = await opened();
    const parts = this.store.transaction(["photos", "project"]);
    const [project, photos] = await Promise.all([
      done(parts.objectStore("project").get(ON)),
      done(parts.objectStore("photos").getAll()),
    ]);
    if (!project) return undefined;
    const byId = new Map(photos.map((photo) => [photo.id, photo]));
    this.written = new Set(byId.keys());
    const current = project.version === version; // otherwise features are of other encoders
    const classes = project.classes.map((one) => ({
      ...one,
      photos: one.photos.map((id) => byId.get(id)).filter(Boolean),
    }));
    const carried = byId.get(project.carried)?.carried;
    if (carried) known.set(carried, project.carried);
    return { classes, current, carried };
  }

  async start() {
    this.store ??= await opened();
  }

  /* One write after another; what fails is told by the promise. */
  keep({ classes, carried }, version) {
    this.last = this.last.catch(() => undefined).then(() => this.on && this.write(classes, carried, version));
    return this.last;
  }

  write(classes, carried, version) {
    const parts = this.store.transaction(["photos", "project"], "readwrite");
    const photos = parts.objectStore("photos");
    const ids = new Set();
    const beside = carried ? { id: idOf(carried), carried } : undefined; // large, and rarely another one
    for (const one of beside ? [{ photos: [beside] }, ...classes] : classes)
      for (const photo of one.photos) {
        ids.add(photo.id);
        if (!this.written.has(photo.id)) photos.put(photo);
      }
    for (const id of this.written) if (!ids.has(id)) photos.delete(id);
    const slim = classes.map(({ photos: all, ...one }) => ({ ...one, photos: all.map(({ id }) => id) }));
    parts.objectStore("project").put({ classes: slim, carried: beside?.id, version }, ON);
    return done(parts).then(() => (this.written = ids));
  }

  async forget() {
    await this.last.catch(() => undefined);
    this.store?.close();
    this.store = undefined;
    this.written = new Set();
    await done(indexedDB.deleteDatabase(NAME));
  }
}
