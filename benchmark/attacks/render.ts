/** Writes benchmark/ATTACKS.md without an attack: `npx node benchmark/attacks/render.ts`. */
import { writeFileSync } from "node:fs"
import { pageFile, render } from "./page.ts"

writeFileSync(pageFile, render())
