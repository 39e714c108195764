/** How figures are put. */
import type { Stats } from "./servers/steer.ts"
import { type Name, Target, type Usage } from "./Target.ts"

export const withTarget = async (name: Name, attack: (target: Target) => Promise<string>): Promise<string> => {
  const target = await Target.start(name)
  try {
    const told = await attack(target)
    return target.died === undefined ? told : `${told}. **The process died: ${target.died}** (${lastWords(target)})`
  } finally {
    await target.stop()
  }
}

export const number = (n: number): string => Number.isFinite(n) ? n.toFixed(n < 10 ? 1 : 0) : "?"

export const logged = (target: Target): string =>
  target.logBytes === 0 ? "nothing logged" : `${target.logBytes.toLocaleString("en")} bytes logged`

/** The line of a log that says what was wrong. */
export const lastWords = (target: Target): string =>
  target.log.split("\n").find((line) => /^(\w*Error|FATAL|RangeError|\w+Exception)\b.*/.test(line))?.slice(0, 160) ??
    "no error logged"

/** What it has counted since, if it counts: bytes and datagrams apart, which say no more than the rest. */
export const counted = (before: Stats, after: Stats | undefined): string => {
  const more = Object.entries(after?.counted ?? {})
    .map(([name, count]) => [name, count - (before.counted?.[name] ?? 0)] as const)
    .filter(([name, more]) => more > 0 && /requests|dropped|calls/.test(name))
  return more.length === 0
    ? ""
    : ` (counted: ${more.map(([name, more]) => `${more.toLocaleString("en")} ${name}`).join(", ")})`
}

export const memory = (before: Stats & Usage, after: (Stats & Usage) | undefined): string => {
  if (after === undefined) return "memory unknown"
  const heap = before.heapMiB === undefined || after.heapMiB === undefined
    ? ""
    : `heap ${number(before.heapMiB)} -> ${number(after.heapMiB)}, `
  return `${heap}RSS ${number(before.rssMiB)} -> ${number(after.rssMiB)} MiB`
}

/** What is kept more than before. */
export const growth = (before: Stats, after: Stats | undefined): string => {
  if (after === undefined) return "no answer from the process"
  const grown = Object.entries({ ...after.kept, "running handlers": after.running })
    .map(([name, count]) =>
      [name, count - (name === "running handlers" ? before.running : before.kept[name] ?? 0)] as const
    )
    .filter(([, more]) => more > 5)
  return grown.length === 0 ? "nothing" : grown.map(([name, more]) => `${more.toLocaleString("en")} ${name}`).join(", ")
}
