/** Draws the charts of RESULTS.md anew from its tables: `node benchmark/charts.ts`. */
import { readFileSync, writeFileSync } from "node:fs"
import { charts } from "./harness/charts.ts"

const page = readFileSync(new URL("RESULTS.md", import.meta.url), "utf8")
for (const [file, svg] of charts(page)) writeFileSync(new URL(file, import.meta.url), svg)
