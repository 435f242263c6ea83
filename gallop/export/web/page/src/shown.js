/* What the explainer shows of a photo, as gallop/maps/explainer/payload.py makes it. No page is known here. */

import { mean as average, outlierScores } from "../explainer/numerics.js";
import { cosinesOf } from "./cosines.js";

const LONGEST = 1.5; // the photo is shown no longer than 3:2

/* Args: model, what model.json holds; names (K); looks, {global, regions, branches} each; texts; place of the photo. */
export function explained(model, names, looks, texts, place) {
  const compared = looks.map((look) => ({ ...cosinesOf(look, texts, model.damping), taught: look.branches }));
  const lookWeight = 1 / looks.length;
  const prompts = 1 - model.branches.reduce((sum, { weight }) => sum + weight, 0);
  const half = texts.locals.length ? prompts / 2 : 0;
  const images = compared[0].global.map((_, i) => average(compared.map(({ global }) => global[i])));
  const branches = [
    { name: "whole photo", weight: prompts - half, prompts: texts.globals.length, cosines: packed(images) },
    ...compared.map(({ regions }, grid) => ({
      ...{ name: "regions", grid, prompts: Math.max(texts.locals.length, 1), cosines: packed(regions) },
      ...{ usual: texts.locals.length ? model.topk : [], share: lookWeight, weight: lookWeight * half },
    })),
  ];
  model.branches.forEach(({ name, weight }, i) =>
    compared.forEach(({ taught }, grid) =>
      branches.push({
        ...{ name, grid, linear: true, means: packed(columnMeans(taught[i], names.length)), reach: reach(taught[i]) },
        ...{ cosines: packed(taught[i]), share: lookWeight, weight: lookWeight * weight },
      }),
    ),
  );
  const take = { when: "", branches };
  if (looks.length > 1) take.outlier = outlier(compared, texts);
  const grids = compared.map((look, i) => ({ ...model.grids[i], range: scale(look) }));
  return {
    ...place,
    ...{ names, scale: model.scale, temperature: model.temperature, threshold: model.threshold },
    ...(model.doubt ? { doubt: model.doubt } : {}),
    ...(model.alike ? { alike: model.alike } : {}),
    ...{ grids, takes: [take], range: grids.at(-1).range, ...model.palettes, state: {} },
  };
}

/* Of rows (R, K). */
function columnMeans(values, columns) {
  const sums = new Float64Array(columns);
  values.forEach((value, i) => (sums[i % columns] += value));
  return Float32Array.from(sums, (sum) => (sum * columns) / values.length);
}

/* One scale for every class: from the score that regions have on average to the best of any. */
function scale({ regions }) {
  const low = average(regions);
  const high = regions.reduce((most, cosine) => Math.max(most, cosine), -Infinity);
  return [low, Math.max(high, low + 1e-6)];
}

/* How far from zero a branch's maps of all classes go. */
function reach(map) {
  return map.reduce((most, score) => Math.max(most, Math.abs(score)), 1e-6);
}

/* The mean over the looks. */
function outlier(compared, { classes, globals, locals }) {
  const prompts = Math.max(locals.length, 1);
  const each = compared.map(({ global, regions }) => {
    const rows = Array.from({ length: regions.length / (classes * prompts) }, (_, r) =>
      averaged(regions.subarray(r * classes * prompts, (r + 1) * classes * prompts), classes, prompts),
    );
    return outlierScores(averaged(global, classes, globals.length), rows);
  });
  return Object.fromEntries(Object.keys(each[0]).map((name) => [name, average(each.map((one) => one[name]))]));
}

/* Of (K, P) each class's mean. */
function averaged(cosines, classes, prompts) {
  return Array.from({ length: classes }, (_, k) => average(cosines.subarray(k * prompts, (k + 1) * prompts)));
}

/* Which part of a photo is shown, all of it but no longer than 3:2 around what the model saw: left, top, width,
   height; as gallop/maps/shown_photo.py has it. */
export function shownPart(width, height, box) {
  const longest = LONGEST * Math.min(width, height);
  const [wide, high] = [Math.min(width, longest), Math.min(height, longest)];
  const within = (value, most) => Math.min(Math.max(value, 0), most);
  const left = within((box[0] + box[2] - wide) / 2, width - wide);
  const top = within((box[1] + box[3] - high) / 2, height - high);
  return [left, top, wide, high];
}

/* The ratio of that part, and where what the model saw lies on it, as fractions. */
export function photoPlace([left, top, wide, high], box) {
  const crop = [(box[0] - left) / wide, (box[1] - top) / high, (box[2] - box[0]) / wide, (box[3] - box[1]) / high];
  return { ratio: wide / high, crop };
}

/* Base64 of little-endian float32. */
export function packed(values) {
  const bytes = new Uint8Array(Float32Array.from(values).buffer);
  let text = "";
  for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
  return btoa(text);
}
