/* What the page's scripts say of what is asked on standard input, as JSON. The first word is the page's folder. */

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const home = pathToFileURL(`${process.argv[2]}/`);
const part = (name) => import(new URL(`${name}.js`, home));
const { numbers, seen } = await part("src/pixels");
const { ClipTokens } = await part("src/tokens");
const { added, cleanName, parsed } = await part("src/names");
const { Texts } = await part("src/cosines");
const { explained, photoPlace, shownPart } = await part("src/shown");
const { Take } = await part("explainer/numerics");

const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));
const floats = (text) => new Float32Array(bytes(text).buffer.slice(0));
const packed = (values) => Buffer.from(values.buffer).toString("base64");

const deeds = {
  tokens: ({ merges, texts }) => {
    const tokens = new ClipTokens(merges);
    return texts.map((text) => tokens.encode(text));
  },
  names: ({ texts }) => texts.map(cleanName),
  parsed: ({ text }) => parsed(text).map(cleanName),
  added: ({ names, more }) => added(names, more),
  seen: ({ rgba, width, height, preprocess, times }) => {
    const { rgb, side, box } = seen(bytes(rgba), width, height, preprocess, times);
    const part = shownPart(width, height, box);
    return { rgb: packed(rgb), numbers: packed(numbers(rgb, preprocess)), side, box, place: photoPlace(part, box) };
  },
  explained: ({ model, names, looks, texts }) => {
    const each = looks.map((look) => ({
      ...{ global: floats(look.global), regions: floats(look.regions) },
      branches: look.branches.map(floats),
    }));
    const made = new Texts(floats(texts.vectors), names.length, model.width, texts.globals, texts.locals);
    const data = explained(model, names, each, made, { photo: "", ratio: 1, crop: [0, 0, 1, 1] });
    const take = new Take(data, data.takes[0]);
    const shares = Array.from(take.answer(model.topk).probabilities);
    return { data, shares, outlier: take.outlierScores() };
  },
};

const asked = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(asked.map(({ kind, ...said }) => deeds[kind](said))));
