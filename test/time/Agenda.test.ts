import { describe, expect, it } from "@effect/vitest"
import { Agenda } from "../../src/internal/time/agenda.ts"

describe("an agenda", () => {
  it("takes what is due tick by tick, in the order in which it came, and has room for a tick again", () => {
    const agenda = new Agenda<string>()
    for (const [tick, action] of [[5, "a"], [3, "b"], [5, "c"], [9, "d"], [1, "e"]] as const) agenda.add(tick, action)
    expect(agenda.take(0)).toBe(undefined)
    expect([agenda.take(5), agenda.take(5), agenda.take(5), agenda.take(5)]).toStrictEqual([
      ["e"],
      ["b"],
      ["a", "c"],
      undefined
    ])
    agenda.add(5, "f")
    expect(agenda.earliest).toBe(5)
    expect(agenda.take(5)).toStrictEqual(["f"])
    expect([agenda.take(9), agenda.take(9)]).toStrictEqual([["d"], undefined])
  })
})
