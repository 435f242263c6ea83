/* How the browser paints scores, smooths them and draws borders of regions, for Python to compare with its own. */

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const source = pathToFileURL(`${process.argv[2]}/`);
const { painted } = await import(new URL("colours.js", source));
const { borders, smoothed } = await import(new URL("map.js", source));
const { scores, scale, colours, style, kept, rows, columns, fine } = JSON.parse(readFileSync(0, "utf8"));

console.log(
  JSON.stringify({
    painted: Array.from(painted(scores, scale, Uint8Array.from(colours), style)),
    smoothed: Array.from(smoothed(scores, rows, columns, fine)),
    borders: borders(kept, { rows, columns }),
  }),
);
