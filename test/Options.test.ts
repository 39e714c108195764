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

describe("a setting that makes no sense", () => {
  it("is refused with its name, and what is next to it is taken", () => {
    for (const name of ["requests", "bytes"] as const) {
      for (const size of [0, 0.5, 2 ** 30 + 1, Number.NaN, Infinity]) {
        expect(() => memoryOf({ [name]: size })).toThrow(`the memory of ${name} is a number from 1 to 2^30`)
      }
    }
    expect(memoryOf({ requests: 1, bytes: 2 ** 30 })).toMatchObject({ maxEntries: 1, maxBytes: 2 ** 30 })
    expect(memoryOf({ requests: 3, bytes: 1025 })).toMatchObject({ maxEntries: 4, maxBytes: 2048 })
    expect(memoryOf({ window: 0 }).window).toBe(0)
    expect(memoryOf({ window: "1 second" }).window).toBe(1e9)
    expect(() => memoryOf({ window: -1 })).toThrow("the duration of window is not negative")
    expect(limitsOf({ calls: 0, depth: Infinity })).toMatchObject({ calls: 0, depth: Infinity })
    for (const limit of [-1, Number.NaN]) {
      expect(() => limitsOf({ calls: limit })).toThrow("the limit of calls is a number that is not negative")
    }
  })
})
