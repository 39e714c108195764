/** The cipher that keys need: whoever does it, the bytes are the same. */
import { describe, expect, it, vi } from "@effect/vitest"
import { Context, Effect, Layer, Redacted, Schema } from "effect"
import { inspect } from "node:util"
import * as Cipher from "../../src/internal/sealing/cipher.ts"
import { Protocol, Transport } from "../../src/index.ts"
import { Greeter, greeterLive } from "../support/Contract.ts"
import * as Needs from "../support/needs.ts"
import { node } from "../support/nodes.ts"

const crypto = process.getBuiltinModule("node:crypto")
const isNative = crypto.getCiphers().includes("chacha20-poly1305")
const { portable } = Cipher
const here = Cipher.make()

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ""), "hex"))
const bytes = (length: number, seed = length): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => Math.imul(i + 1, seed + 0x9e37) >>> 7)

interface Sealed {
  readonly nonce: Uint8Array
  readonly header: Uint8Array
  readonly datagram: Uint8Array
}

const seal = (sealer: Cipher.Sealer, { datagram, header, nonce }: Sealed): Uint8Array => {
  const sealed = new Uint8Array(header.length + datagram.length + Cipher.tagBytes)
  sealed.set(header)
  sealer.encrypt(sealed, nonce, header, datagram)
  return sealed
}

/** As the test's own runtime has nothing that seals. */
const withoutCipher = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.acquireUseRelease(
    Effect.sync(() =>
      vi.spyOn(crypto, "createCipheriv").mockImplementation(() => {
        throw new Error("Unknown cipher")
      })
    ),
    () => effect,
    (spy) => Effect.sync(() => spy.mockRestore())
  )

describe("the cipher", () => {
  it("is that of RFC 8439, 2.8.2, to the bit", () => {
    const key = hex("808182838485868788898a8b8c8d8e8f 909192939495969798999a9b9c9d9e9f")
    const header = hex("50515253c0c1c2c3c4c5c6c7")
    const nonce = hex("070000004041424344454647")
    const datagram = new TextEncoder().encode(
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."
    )
    const body = hex(
      `d31a8d34648e60db7b86afbc53ef7ec2 a4aded51296e08fea9e2b5a736ee62d6 3dbea45e8ca9671282fafb69da92728b
       1a71de0a9e060b2905d6a5b67ecd3b36 92ddbd7f2d778b8c9803aee328091b58 fab324e4fad675945585808b4831d7bc
       3ff4def08e4b7a9de576d26586cec64b 6116 1ae10b594f09e26a7e902ecbd0600691`
    )
    for (const cipher of [here, portable]) {
      const sealer = cipher(key)
      expect(seal(sealer, { nonce, header, datagram }).subarray(header.length)).toStrictEqual(body)
      expect(Buffer.from(sealer.decrypt(nonce, header, body)!).equals(datagram)).toBe(true)
    }
  })

  it("refuses whatever was changed: body, tag, header or nonce", () => {
    const [nonce, header, datagram] = [bytes(12), bytes(26), bytes(100)]
    for (const cipher of [here, portable]) {
      const sealer = cipher(bytes(32))
      const body = seal(sealer, { nonce, header, datagram }).subarray(26)
      const parts = { nonce, header, body }
      for (const name of ["nonce", "header", "body"] as const) {
        for (let bit = 0; bit < 8 * parts[name].length; bit++) {
          const changed = Uint8Array.from(parts[name])
          changed[bit >> 3]! ^= 1 << (bit & 7)
          const now = { ...parts, [name]: changed }
          expect(sealer.decrypt(now.nonce, now.header, now.body)).toBe(undefined)
        }
      }
      expect(sealer.decrypt(nonce, header, body)).toHaveLength(100)
    }
  })

  it("keeps its key, whatever becomes of the bytes that it was given, and shows it in no log", () => {
    const [nonce, header, datagram] = [bytes(12), bytes(26), bytes(100)]
    for (const cipher of [here, portable]) {
      const key = new Uint8Array(32).fill(0x77)
      const sealer = cipher(key)
      const before = seal(sealer, { nonce, header, datagram })
      key.fill(0)
      expect(seal(sealer, { nonce, header, datagram })).toStrictEqual(before)
      expect(inspect(sealer, { depth: 9, showHidden: true }) + JSON.stringify(sealer)).not.toMatch(/77|119/)
    }
  })
})

Needs.suite("the cipher of node:crypto and that of Effect", isNative, Needs.chacha)(() => {
  it.prop(
    "write the same bytes, and read each other's",
    [
      Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 8214 })),
      Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 64 }))
    ],
    ([length, headerBytes]) => {
      const what = { nonce: bytes(12, length), header: bytes(headerBytes), datagram: bytes(length) }
      const [ours, theirs] = [Cipher.native(bytes(32, length)), portable(bytes(32, length))]
      const [sealed, same] = [seal(ours, what), seal(theirs, what)]
      expect(Buffer.compare(sealed, same)).toBe(0)
      const body = sealed.subarray(headerBytes)
      for (const sealer of [ours, theirs]) {
        expect(Buffer.compare(sealer.decrypt(what.nonce, what.header, body)!, what.datagram)).toBe(0)
      }
    }
  )

  it.effect("is the latter where the runtime has none, and there alone", () =>
    Effect.gen(function*() {
      expect(Cipher.make()).toBe(Cipher.native)
      expect(yield* withoutCipher(Effect.sync(Cipher.make))).toBe(portable)
      const [key, what] = [bytes(32), { nonce: bytes(12), header: bytes(26), datagram: bytes(100) }]
      const sealed = yield* withoutCipher(Effect.sync(() => seal(Cipher.make()(key), what)))
      expect(Buffer.compare(sealed, seal(Cipher.native(key), what))).toBe(0)
    }))

  it.live("a node whose runtime has none calls, and is called by, one whose runtime has it", () =>
    Effect.gen(function*() {
      const keys: Protocol.Keys = { ring: [{ id: 1, secret: Redacted.make(bytes(32)) }] }
      const start = node(
        Protocol.serve(Greeter).pipe(Layer.provide(greeterLive())),
        Transport.layer({ address: "127.0.0.1" }),
        { keys }
      )
      const [has, hasNone] = [yield* start, yield* withoutCipher(start)]
      for (const [from, to] of [[has, hasNone], [hasNone, has]] as const) {
        const greeter = yield* Effect.provideContext(Protocol.client(Greeter), from)
        expect(yield* greeter(Context.get(to, Protocol.Protocol).address).bytes(8000)).toHaveLength(8000)
      }
    }))
})
