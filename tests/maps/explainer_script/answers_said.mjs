/* What the explainer's numerics answer for many models, each with its data and k. */

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const { Take } = await import(new URL("numerics.js", pathToFileURL(`${process.argv[2]}/`)));
const { asked } = JSON.parse(readFileSync(0, "utf8"));
const found = asked.map(({ data, topk, number = 0 }) => {
  const take = new Take(data, data.takes[number]);
  const { scores, probabilities } = take.answer(topk);
  return { scores: Array.from(scores), probabilities: Array.from(probabilities), outlier: take.outlierScores()["GL-MCM"] };
});
process.stdout.write(JSON.stringify({ found }));
