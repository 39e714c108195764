/** The networks that `table.ts` has run: what each was, and what it found, a line each. */
import { existsSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import type { Figures } from "./figures.ts"

export interface Network extends Figures {
  readonly churn: string
  readonly nat: number
  readonly seed: number
}

export const file = fileURLToPath(new URL("../docs/networks.jsonl", import.meta.url))

/** None where the file has been taken away. The smallest come first, and of those the ones with the fewest nodes behind NATs. */
export const read = (): ReadonlyArray<Network> => {
  const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n").filter((line) => line !== "") : []
  return lines.map((line): Network => JSON.parse(line)).toSorted((a, b) => a.nodes - b.nodes || a.nat - b.nat)
}
