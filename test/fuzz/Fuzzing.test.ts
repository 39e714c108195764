/** The fuzzer finds what is planted, by what it reaches and by what it costs, and survives it. */
import { describe, expect, it } from "@effect/vitest"
import { Result } from "effect"
import { fileURLToPath } from "node:url"
import type { Settings } from "../../fuzz/engine/children.ts"
import { Judge, search } from "../../fuzz/engine/children.ts"
import * as Mutate from "../../fuzz/engine/mutate.ts"
import { shrink } from "../../fuzz/engine/shrink.ts"
import { bytesOf, parse } from "../../fuzz/engine/value.ts"
import { Codec } from "../../src/index.ts"
import { stream } from "../support/stream.ts"
import { vectors } from "../vectors/index.ts"

const datagrams = [...vectors.requests, ...vectors.responses].map(({ hex }) => hex)

const bodyAt = Codec.headerBytes

/** A corpus of one input, which hangs. */
const spinning = fileURLToPath(new URL("../support/planted/spin", import.meta.url))

describe("a tree of tokens", () => {
  it("is written as it was read", () => {
    for (const datagram of datagrams) {
      const { end, value } = parse(datagram, bodyAt)
      expect(end).toBe(datagram.length)
      expect(Buffer.compare(bytesOf(value), datagram.subarray(bodyAt))).toBe(0)
    }
  })

  it("is made of any bytes, and knows its length", () => {
    const { below, bytes } = stream(1)
    for (let n = 0; n < 5000; n++) {
      const noise = bytes(new Uint8Array(below(200)))
      const { end, value } = parse(noise, 0)
      expect(end).toBeLessThanOrEqual(noise.length)
      expect(bytesOf(value)).toHaveLength(value.bytes)
    }
  })
})

describe("changed inputs", () => {
  const changed = (seed: number): ReadonlyArray<Uint8Array> => {
    const chance = stream(seed)
    const { mutate } = Mutate.make(chance, Codec.maxDatagramBytes + 1, bodyAt)
    const any = () => datagrams[chance.below(datagrams.length)]!
    return Array.from({ length: 5000 }, () => mutate(any(), any()))
  }

  it("are the same for the same seed, and others for another", () => {
    const hex = (seed: number) => changed(seed).map((input) => Buffer.from(input).toString("hex"))
    const once = hex(1)
    expect(hex(1)).toStrictEqual(once)
    expect(hex(2)).not.toStrictEqual(once)
  })

  it("are as long and as deep as the wire allows, a little more, and wrong in each way", () => {
    const inputs = changed(1)
    expect(Math.max(...inputs.map(({ length }) => length))).toBe(Codec.maxDatagramBytes + 1)
    const outcomes = new Set<string>(inputs.map((input) => {
      const decoded = Codec.decode(input)
      return Result.isFailure(decoded) ? decoded.failure : decoded.success._tag
    }))
    const expected =
      "Request Response TooShort TooLong UnknownType Shape Truncated TrailingBytes TooDeep Extension InvalidUtf8 " +
      "Reserved DuplicateKey UnhashableKey"
    expect(expected.split(" ").filter((outcome) => !outcomes.has(outcome))).toStrictEqual([])
    const deep = inputs.filter((input) =>
      Result.isSuccess(Codec.decodeRequest(input)) && Result.isFailure(Codec.decodeRequest(input, 24))
    )
    expect(deep.length).toBeGreaterThan(0)
  })
})

describe("a fuzzer", () => {
  const settings = (planted: string, heapPerByte = 1e9): Settings => ({
    target: new URL(`../support/planted/${planted}.ts`, import.meta.url).href,
    sources: new URL("../support/planted/", import.meta.url).href,
    limits: { millis: 30_000, heapPerByte, hungMillis: 8000, heapMiB: 64 }
  })
  const options = { seed: 1, seconds: Infinity, inputs: 300_000, corpus: [] }

  it("finds what lies behind three decisions, as each that is passed is kept", async () => {
    const { finding } = await search(settings("decisions"), options)
    expect(finding?.fault).toMatchObject({ kind: "threw", message: expect.stringContaining("planted") })
    expect(Buffer.from(finding?.input.subarray(0, 3) ?? []).toString("hex")).toBe("d6c793")
  })

  it("finds what takes ever more heap, as each that takes more is kept", async () => {
    const { finding } = await search(settings("heap", 200), options)
    expect(finding?.fault.kind).toBe("hungry")
  })

  it("does not take for an input's what a process keeps for itself while it is new", async () => {
    const judge = new Judge(settings("warming", 200))
    try {
      expect(await judge.fault(Buffer.from("any"))).toBe(undefined)
    } finally {
      judge.end()
    }
  })

  it("says which input hung and which one took all memory, and goes on", async () => {
    const judge = new Judge(settings("deadly"))
    try {
      expect(await judge.fault(Buffer.from("harmless"))).toBe(undefined)
      expect(await judge.fault(Buffer.from("spin"))).toMatchObject({ kind: "hung" })
      expect(await judge.fault(Buffer.from("grow"))).toMatchObject({ kind: "died" })
      expect(await judge.fault(Buffer.from("harmless"))).toBe(undefined)
    } finally {
      judge.end()
    }
  })

  it("knows of a child that is gone which input it ran", async () => {
    const { finding } = await search(settings("deadly"), { ...options, corpus: [spinning] })
    expect(finding?.fault.kind).toBe("hung")
    expect(Buffer.from(finding?.input ?? []).toString()).toBe("spin")
  })

  it("shrinks an input to what it takes", async () => {
    const input = Buffer.concat([new Uint8Array(bodyAt), Buffer.from("92a3666f6f9381a16191919201c0a162c0", "hex")])
    const holds = (smaller: Uint8Array) => Promise.resolve(Buffer.from(smaller).includes(Buffer.from("9201c0", "hex")))
    expect(Buffer.from(await shrink(input, bodyAt, holds, 500)).toString("hex")).toBe("9201c0")
  })
})
