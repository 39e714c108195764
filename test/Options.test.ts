/** What docs/options.md says of the limits is what the code does. */
import { describe, expect, it } from "@effect/vitest"
import { Duration } from "effect"
import { readFileSync } from "node:fs"
import { defaultMemory, limitsOf, memoryOf } from "../src/internal/limits.ts"

const page = readFileSync(new URL("../docs/options.md", import.meta.url), "utf8")

/** The defaults of the rows of a group: what stands in the second column, by the option's name. */
const defaultsOf = (group: string): Record<string, string> =>
  Object.fromEntries(
    [...page.matchAll(new RegExp(`^\\| \`${group}\\.(\\w+)\` \\| ([^|]*) \\|`, "gm"))]
      .map(([, name, text]) => [name!, text!])
  )

/** The first number of a cell. */
const numberOf = (text: string): number => Number(/^[\d,]+/.exec(text)?.[0].replaceAll(",", ""))

describe("the page of options", () => {
  it("gives each limit, and its default", () => {
    const { totalReplyBytesPerSecond, ...said } = defaultsOf("limits")
    const { totalReplyBytesPerSecond: total, ...limits } = limitsOf({})
    expect(Object.fromEntries(Object.entries(said).map(([name, text]) => [name, numberOf(text)]))).toStrictEqual(limits)
    expect(totalReplyBytesPerSecond).toBe("32 times `replyBytesPerSecond`: 2 MiB")
    expect(total).toBe(2 * 1024 ** 2)
    expect(limitsOf({ replyBytesPerSecond: 10 }).totalReplyBytesPerSecond).toBe(320)
  })

  it("gives what is remembered", () => {
    const said = defaultsOf("memory")
    expect(Object.keys(said).sort()).toStrictEqual(Object.keys(defaultMemory).sort())
    expect(Duration.fromInputUnsafe("1 minute")).toStrictEqual(defaultMemory.window)
    expect(said["window"]).toBe("1 minute")
    const { maxBytes, maxEntries } = memoryOf({})
    expect([numberOf(said["requests"]!), numberOf(said["bytes"]!)]).toStrictEqual([maxEntries, maxBytes])
  })
})
