/** How figures are put. */
import type { Stats } from "./servers/steer.ts"
import { type Name, Target } from "./Target.ts"

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
