/* What the scripts of the page that teaches say of what is asked on standard input, as JSON. The first word is the page's
   folder. Features come in files of little-endian float32, or in base64. */

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const home = pathToFileURL(`${process.argv[2]}/`);
const part = (name) => import(new URL(`src/${name}.js`, home));
const { Learner } = await part("learner");
const { explained } = await part("shown");
const { halves } = await part("shot");
const { sha256 } = await part("sha256");
const { pictureDigest, readProject, writeCheckpoint, writeProject } = await part("project");
const { Unzipped, zip } = await part("zip");
const { Take } = await import(new URL("explainer/numerics.js", home));

const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));
const floats = (text) => new Float32Array(bytes(text).buffer.slice(0));
const packed = (values) => Buffer.from(Float64Array.from(values).buffer).toString("base64");
const look = ({ global, regions }) => ({ global: floats(global), regions: floats(regions) });

const encoded = (data) => Buffer.from(data).toString("base64");

/* With each photo's bytes as base64 (out), or from there. */
const photos = (classes, change) =>
  classes.map(({ name, shots }) => ({ name, shots: shots.map((photo) => ({ ...photo, bytes: change(photo.bytes) })) }));

/* What is said of a zip: nothing where it is taken. An error of another kind than Error is none that was thought of. */
const refusal = async (data) => {
  try {
    await readProject(data, "shop.zip");
    return "";
  } catch (error) {
    return error.constructor === Error ? error.message : `${error.stack}`;
  }
};

/* Every place in a value of JSON. */
function* places(held, at = []) {
  if (at.length) yield at;
  if (typeof held !== "object" || held === null) return;
  for (const key of Object.keys(held)) yield* places(held[key], [...at, key]);
}

const changes = {
  addClass: (learner, { name, text, index }) => learner.addClass(name, floats(text), index),
  renameClass: (learner, { index, name, text }) => learner.renameClass(index, name, floats(text)),
  removeClass: (learner, { index }) => learner.removeClass(index),
  add: (learner, { index, photo, id }) => learner.add(index, look(photo), id),
  remove: (learner, { id }) => learner.remove(id),
  fit: (learner) => learner.fit(),
};

function told(learner, photos) {
  const { head, temperature, threshold, note, photos: count, heldOut } = learner.fit();
  const form = head && { weights: packed(head.weights.flatMap((row) => [...row])), bias: [...head.bias] };
  const answers = photos.map((photo) => {
    const { model, names, looks, texts } = learner.answer(look(photo));
    const data = explained(model, names, looks, texts, {});
    const take = new Take(data, data.takes[0]);
    const votes = names.map((_, k) => learner.votes(look(photo), k));
    const probabilities = [...take.answer(model.topk).probabilities];
    return { probabilities, outlier: take.outlierScores()["GL-MCM"], votes };
  });
  const mix = head && [head.weight, head.temperature];
  return {
    ...{ names: learner.names, counts: learner.counts, shots: learner.shots, form, mix, temperature, threshold },
    ...{ note, photos: count, heldOut, answers },
  };
}

const deeds = {
  taught: ({ model, steps, photos }) => {
    const learner = new Learner(model);
    const problems = [];
    for (const { kind, ...given } of steps) {
      try {
        changes[kind](learner, given);
      } catch (error) {
        problems.push(error.message);
      }
    }
    return { ...told(learner, photos), problems };
  },
  digest: ({ rgba, width, height }) => pictureDigest(bytes(rgba), width, height),
  write: ({ classes, model }) => encoded(writeProject({ classes: photos(classes, bytes) }, model)),
  read: async ({ zipped }) => photos((await readProject(bytes(zipped), "shop.zip")).classes, encoded),
  /* Opened and written, with other classes where some are given. */
  again: async ({ zipped, model, classes }) => {
    const opened = await readProject(bytes(zipped), "shop.zip");
    return encoded(writeProject(classes ? { ...opened, classes: photos(classes, bytes) } : opened, model));
  },
  refusals: ({ zips }) => Promise.all(zips.map((zipped) => refusal(bytes(zipped)))),
  /* What is said of the same zip with each value of its manifest in turn in place of another. */
  lies: async ({ zipped, values }) => {
    const opened = new Unzipped(bytes(zipped), "shop.zip");
    const files = new Map();
    for (const path of opened.members.keys()) files.set(path, await opened.read(path, 2 ** 24));
    const text = new TextDecoder().decode(files.get("project.json"));
    const said = [];
    for (const at of places(JSON.parse(text)))
      for (const value of values) {
        const manifest = JSON.parse(text);
        const last = at.slice(0, -1).reduce((held, key) => held[key], manifest);
        last[at.at(-1)] = value;
        files.set("project.json", new TextEncoder().encode(JSON.stringify(manifest)));
        said.push(await refusal(zip(files)));
      }
    return said;
  },
  checkpoint: ({ model, steps }) => {
    const learner = new Learner(model);
    for (const { kind, ...given } of steps) changes[kind](learner, given);
    return encoded(writeCheckpoint(learner, model));
  },
  halves: ({ values }) => [...halves(floats(values))],
  sha256: ({ texts }) => texts.map((text) => sha256(bytes(text))),
};

const asked = JSON.parse(readFileSync(0, "utf8"));
const said = [];
for (const { kind, ...given } of asked) said.push(await deeds[kind](given));
console.log(JSON.stringify(said));
