/**
 * Sees that no room of src imports from one above it, types included, that a package uses nothing of another but what that
 * exports, and of none that stands after it, and that no file imports what comes back to it. Rooms and packages stand below, the
 * lowest first.
 */
import { globSync, readFileSync } from "node:fs"
import { dirname, join, normalize } from "node:path"

/** A room is a folder, or a file of its own. */
const rooms = [
  "internal/builtin",
  "internal/deadline",
  "internal/eager",
  "internal/recentMap",
  "internal/sizes",
  "internal/slots",
  "internal/time",
  "internal/wire",
  "internal/limits",
  "internal/schema",
  "internal/socket",
  "internal/sealing",
  "Codec",
  "Transport",
  "Handlers",
  "internal/reflection",
  "internal/errors",
  "internal/watching",
  "internal/endpoint",
  "internal/calling",
  "internal/serving",
  "Protocol",
  "testing",
  "index"
]

/** Folders of `packages`. None depends on one that stands after it. */
const packages = ["native", "cli", "kademlia"]

const floorOf = (file: string): number =>
  rooms.findIndex((room) => file === `src/${room}.ts` || file.startsWith(`src/${room}/`))

const specifiersOf = (file: string): ReadonlyArray<string> =>
  [...readFileSync(file, "utf8").matchAll(/^(?:import|export)\b[^"';]*?from "([^"]+)"/gms)]
    .map(([, specifier]) => specifier!)

const importsOf = (file: string): ReadonlyArray<string> =>
  specifiersOf(file).filter((specifier) => specifier.startsWith("."))
    .map((specifier) => normalize(join(dirname(file), specifier)))

const problems: Array<string> = []
const own = globSync("src/**/*.ts")
const files = [...own, ...globSync("packages/*/src/**/*.ts")].sort()
const imports = new Map(files.map((file) => [file, importsOf(file)]))

for (const file of own) {
  const targets = imports.get(file)!
  if (floorOf(file) === -1) problems.push(`${file} belongs to no room`)
  for (const target of targets) {
    if (floorOf(target) > floorOf(file)) problems.push(`${file} imports from ${target}, which is above it`)
  }
}

const nameOf = (folder: string): string => JSON.parse(readFileSync(`packages/${folder}/package.json`, "utf8")).name

for (const file of files.filter((file) => file.startsWith("packages/"))) {
  const [, folder] = file.split("/")
  const floor = packages.indexOf(folder!)
  if (floor === -1) problems.push(`${file} is of no package that is known here`)
  for (const target of imports.get(file)!) {
    if (!target.startsWith(`packages/${folder}/src/`)) {
      problems.push(`${file} imports ${target}, which is not of its package`)
    }
  }
  for (const later of packages.slice(floor + 1).map(nameOf)) {
    if (specifiersOf(file).some((specifier) => specifier === later || specifier.startsWith(`${later}/`))) {
      problems.push(`${file} imports from ${later}, which stands after it`)
    }
  }
}

/** The files from `file` back to itself, if there is a way. */
const circleOf = (file: string): ReadonlyArray<string> | undefined => {
  const seen = new Set<string>()
  const walk = (at: string, path: ReadonlyArray<string>): ReadonlyArray<string> | undefined => {
    for (const next of imports.get(at) ?? []) {
      if (next === file) return [...path, next]
      if (seen.has(next)) continue
      seen.add(next)
      const circle = walk(next, [...path, next])
      if (circle !== undefined) return circle
    }
    return undefined
  }
  return walk(file, [file])
}

for (const file of files) {
  const circle = circleOf(file)
  // Told once, by its first file.
  if (circle !== undefined && [...circle].sort()[0] === file) problems.push(`a circle: ${circle.join(" -> ")}`)
}

for (const problem of problems) console.error(problem)
if (problems.length > 0) process.exit(1)
const arrows = [...imports.values()].reduce((sum, targets) => sum + targets.length, 0)
console.log(
  `${files.length} files in ${rooms.length} rooms and ${packages.length} packages, ${arrows} imports, none upwards, no circle`
)
