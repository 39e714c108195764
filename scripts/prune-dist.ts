/** Removes from each dist what no source stands behind any more: it would be packed. */
import { existsSync, globSync, rmSync } from "node:fs"
import { fileURLToPath } from "node:url"

process.chdir(fileURLToPath(new URL("..", import.meta.url)))

for (const file of globSync(["dist/**/*.{js,ts,map}", "packages/*/dist/**/*.{js,ts,map}"])) {
  const source = file.replaceAll("\\", "/").replace(/(^|\/)dist\/(.+?)(\.d)?\.(ts|js)(\.map)?$/, "$1src/$2.ts")
  if (!existsSync(source)) rmSync(file)
}
