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
const { Take } = await import(new URL("explainer/numerics.js", home));

const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));
const floats = (text) => new Float32Array(bytes(text).buffer.slice(0));
const packed = (values) => Buffer.from(Float64Array.from(values).buffer).toString("base64");
const look = ({ global, regions }) => ({ global: floats(global), regions: floats(regions) });

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
    const { probabilities, outlier, none, model, names, looks, texts } = learner.answer(look(photo));
    const data = explained(model, names, looks, texts, {});
    const take = new Take(data, data.takes[0]);
    const shown = { shares: [...take.answer(model.topk).probabilities], outlier: take.outlierScores()["GL-MCM"] };
    const votes = names.map((_, k) => learner.votes(look(photo), k));
    return { probabilities: [...probabilities], outlier, none, shown, votes };
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
  halves: ({ values }) => [...halves(floats(values))],
  sha256: ({ texts }) => texts.map((text) => sha256(bytes(text))),
};

const asked = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(asked.map(({ kind, ...said }) => deeds[kind](said))));
