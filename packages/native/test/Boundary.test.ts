/** The boundary between JavaScript and C: nothing that crosses it is trusted. */
import { expect, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { addon, suite } from "../../../test/support/needs.ts"
import type { Addon, Handle } from "../src/internal/addon.ts"
import * as AddonModule from "../src/internal/addon.ts"
import { available } from "./support.ts"

suite("the boundary of the addon", available, addon)(() => {
  // As a caller without types has it.
  const untyped = (): { readonly [name in keyof Addon]: (...args: ReadonlyArray<unknown>) => unknown } =>
    Object.fromEntries(Object.entries(AddonModule.load())) as never

  const callback = () => {}

  const record = () => Int32Array.of(0, 0, 0, 0, 0, 0, 0xffff, 0x7f000001)

  const invalid = { name: "TypeError", code: "ERR_INVALID_ARG_VALUE" }

  const thrown = (name: keyof Addon, ...args: ReadonlyArray<unknown>): unknown => {
    try {
      return untyped()[name](...args)
    } catch (error) {
      return error
    }
  }

  // Broken by: in C, no look at the type or at the length of the record; `unsigned_of` that takes any number.
  it("opens nothing for what is no record, no flags, no function", () => {
    const shrunk = new Int32Array(new ArrayBuffer(32, { maxByteLength: 64 }))
    const { buffer } = shrunk
    if (buffer instanceof ArrayBuffer) buffer.resize(8)
    const detached = record()
    structuredClone(detached.buffer, { transfer: [detached.buffer] })
    const wrong: ReadonlyArray<unknown> = [
      undefined,
      null,
      {},
      [0, 0, 0, 0, 0, 0, 0xffff, 0x7f000001],
      record().subarray(1),
      new Int32Array(9),
      new Uint8Array(8),
      new Float32Array(8),
      new DataView(new ArrayBuffer(32)),
      shrunk,
      detached,
      record().with(2, -1),
      record().with(2, 65_536),
      // an IPv6 address for a socket on IPv4
      record().with(4, 1)
    ]
    for (const local of wrong) expect(thrown("open", local, 0, callback, callback)).toMatchObject(invalid)
    for (const flags of [undefined, "1", -1, 0.5, NaN, 16, 2 ** 32, 1n, {}]) {
      expect(thrown("open", record(), flags, callback, callback), String(flags)).toMatchObject(invalid)
    }
    for (const callbacks of [[], [callback], [callback, {}], [null, callback]]) {
      expect(thrown("open", record(), 0, ...callbacks)).toMatchObject(invalid)
    }
  })

  // Broken by: in C, no `napi_check_object_type_tag`; no look at `closing` in `flush_to_tell`.
  it("takes for a socket only what it has opened", () => {
    const handle = AddonModule.load().open(record(), 0, callback, callback)
    const foreign: ReadonlyArray<unknown> = [
      undefined,
      null,
      0,
      "socket",
      {},
      [],
      { ...handle },
      Object.create(handle),
      new Proxy(handle, {}),
      callback
    ]
    for (const socket of foreign) {
      for (const name of ["flush", "bufferSize", "close"] as const) {
        expect(thrown(name, socket, 0, 0), name).toMatchObject(invalid)
      }
    }
    for (const [which, bytes] of [[2, 0], [-1, 0], [0, -1], [0, 2 ** 31], [0, 0.5], [0, "1"], [0], []]) {
      expect(thrown("bufferSize", handle, which, bytes)).toMatchObject(invalid)
    }
    AddonModule.load().close(handle)
    // What waits would be refused.
    handle.outbound[0] = 1
    expect(AddonModule.load().flush(handle)).toBe(0)
    expect(AddonModule.load().close(handle)).toBe(undefined)
    expect(thrown("bufferSize", handle, 0, 0)).toMatchObject({ name: "Error", code: "EBADF" })
  })

  // Broken by: in C, no look at `r_offset` or `r_length` in `is_inside`, no `is_inside` in `join`, no look at the port in
  // `to_native`, no `count_of`.
  it("sends nothing from outside of its bytes, to no port and no address that there is not", () => {
    const { flush, open } = AddonModule.load()
    const handle: Handle = open(record(), 0, callback, callback)
    const { outbound } = handle
    const good = record().with(2, handle.port).with(1, 1)
    const records = [
      good.with(0, -1),
      good.with(1, -1),
      good.with(1, 131_073),
      good.with(0, 131_072),
      good.with(0, 131_072).with(1, -(2 ** 31)),
      good.with(0, 2 ** 31 - 1).with(1, 2 ** 31 - 1),
      good.with(2, -1),
      good.with(2, 65_536)
    ]
    records.forEach((words, i) => outbound.set(words, 8 * (i + 1)))
    outbound[0] = records.length
    expect(flush(handle)).toBe(records.length)
    expect([...handle.refused.subarray(0, 2 * records.length)]).toStrictEqual(
      records.flatMap((_, i) => [i, -22]) // EINVAL
    )
    // What would go as one message ends with the bytes.
    outbound.set([...good.with(0, 131_070).with(1, 2), ...good.with(0, 131_072).with(1, 2)], 8)
    outbound[0] = 2
    expect(flush(handle)).toBe(1)
    expect([...handle.refused.subarray(0, 2)]).toStrictEqual([1, -22])
    for (const count of [-1, 257, 2 ** 31 - 1, -(2 ** 31)]) {
      outbound[0] = count
      expect(flush(handle)).toBe(0)
      expect(outbound[0]).toBe(0)
    }
    AddonModule.load().close(handle)
  })

  // Broken by: in C, `length >= least` left out of `memory_of`.
  it("does nothing with arrays that are detached", () => {
    const { close, flush, open } = AddonModule.load()
    for (const name of ["outbound", "bytes", "refused"] as const) {
      const handle = open(record(), 0, callback, callback)
      handle.outbound.set(record().with(1, 1), 8)
      handle.outbound[0] = 1
      const { buffer } = handle[name]
      structuredClone(buffer, { transfer: [buffer as ArrayBuffer] })
      expect(flush(handle), name).toBe(0)
      close(handle)
    }
  })

  it("survives whatever is done to it", () => {
    const file = fileURLToPath(new URL("fuzz.ts", import.meta.url))
    for (const seed of ["101", "102", "103"]) {
      const printed = execFileSync(
        process.execPath,
        ["--expose-gc", file, "--seed", seed, "--rounds", "60"],
        { encoding: "utf8", timeout: 50_000 }
      )
      expect(JSON.parse(printed), seed).toMatchObject({ calls: expect.any(Number), errors: expect.any(Number) })
    }
  })
})
