/* What the steps' sums say of data that come as JSON, for Python to compare with its own. */

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const source = pathToFileURL(`${process.argv[2]}/`);
const { Take } = await import(new URL("numerics.js", source));
const figures = await import(new URL("steps/figures.js", source));
const { data, topk, c, kept } = JSON.parse(readFileSync(0, "utf8"));

const take = new Take(data, data.takes[0]);
const { together } = figures.scoresOf(take, topk, 0.5);
process.stdout.write(
  JSON.stringify({
    shares: Array.from(figures.probabilitiesOf(together, take.scale)),
    loss: figures.lossOf(take, topk, data.scale, c, kept),
    surest: figures.surest(take),
  }),
);
