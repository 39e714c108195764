/** Every error says to a person what happened, and goes through its own schema. */
import { describe, expect, it } from "@effect/vitest"
import { Duration, Schema } from "effect"
import { NetAddress } from "effect/net"
import { Codec, Protocol, Transport } from "../src/index.ts"

const peer = NetAddress.inetAddressFromStringUnsafe("[2001:db8::1]:4567")

const rejected = (reason: Protocol.Rejected["reason"], detail?: unknown) =>
  new Protocol.Rejected({ peer, method: "m", reason, detail })

describe("errors", () => {
  const messages: ReadonlyArray<readonly [Error, string]> = [
    [
      new Protocol.NoResponse({ peer, method: "m", elapsed: Duration.millis(1500) }),
      "[2001:db8::1]:4567 did not answer \"m\" within 1s 500ms"
    ],
    [
      new Protocol.Oversize({ method: "m", size: 9000, limit: 8192, of: "response" }),
      "The response of \"m\" takes 9000 bytes, over the limit of 8192"
    ],
    [rejected("UnknownMethod"), "[2001:db8::1]:4567 has no method \"m\""],
    [rejected("InvalidArguments", "why"), "[2001:db8::1]:4567 refused the arguments of \"m\": \"why\""],
    [rejected("Overloaded"), "[2001:db8::1]:4567 is too busy for \"m\""],
    [rejected("Defect"), "The handler of \"m\" died at [2001:db8::1]:4567"],
    [rejected("Failed", { a: 1 }), "\"m\" failed at [2001:db8::1]:4567: {\"a\":1}"],
    [
      new Protocol.InvalidResponse({ peer, method: "m", issue: "Expected string" }),
      "[2001:db8::1]:4567 answered \"m\" with what does not fit: Expected string"
    ],
    [
      new Protocol.DuplicateMethod({ method: "m", groups: ["a", "b"] }),
      "Both \"a\" and \"b\" declare the method \"m\": one socket can serve only one of them"
    ],
    [Transport.openErrorOf(new Error("no memory")), "The socket can't be opened: no memory (Unknown)"],
    [
      Transport.openErrorOf(Object.assign(new Error(""), { code: "EACCES" })),
      "The socket can't be opened: PermissionDenied"
    ],
    [Transport.openErrorOf("no error"), "The socket can't be opened: Unknown"],
    [Transport.writeErrorOf({ code: "EMSGSIZE" }, peer), "The socket refused to send to [2001:db8::1]:4567: Unknown"],
    [
      Transport.writeErrorOf(Object.assign(new Error("sendto"), { code: "EAFNOSUPPORT" }), peer),
      "The socket refused to send to [2001:db8::1]:4567: a socket that is bound to an IPv4 address reaches no IPv6 " +
      "address; one bound to \"::\" reaches both (Unreachable)"
    ],
    [Transport.closedError(), "The socket is closed"],
    [new Codec.TooLarge({ size: 8193 }), "A body of 8193 bytes is over the limit of 8192"],
    [new Codec.Unencodable({ path: [], problem: "no" }), "no"]
  ]
  for (const [error, message] of messages) {
    it(message, () => {
      expect(error.message).toBe(message)
    })
  }

  it("show a peer's text with nothing that a terminal obeys, in one line, and not all of it", () => {
    const text = `\u001b[2J\n\u009b31m\u2028\u2029\u202e${"x".repeat(10_000)}`
    // What a value was made by is printed, too, and any map may have such a key.
    const maker = { constructor: { name: text } }
    for (const detail of [text, [text], { [text]: 1n }, new Map([[text, text]]), new Date(Number.NaN), maker]) {
      for (const reason of ["InvalidArguments", "Failed"] as const) {
        const { message } = rejected(reason, detail)
        expect(message).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
        expect(message.length).toBeLessThan(300)
      }
    }
    const unfit = new Protocol.InvalidResponse({ peer, method: "m", issue: "Expected \u001b[2J\n  at [\"a\"]" })
    expect(unfit.message).toMatch(/ fit: Expected \\u\{1b\}\[2J at \["a"\]$/u)
  })

  it("of all that a call may fail with, `isNoResponse` knows its own", () => {
    const all = messages.map(([error]) => error)
    expect(all.filter(Protocol.isNoResponse)).toStrictEqual(all.slice(0, 1))
    expect([undefined, null, "NoResponse", { _tag: "NoResponse" }].some(Protocol.isNoResponse)).toBe(false)
  })

  it("survive their own schemas", () => {
    for (
      const [schema, error] of [
        [Protocol.NoResponse, new Protocol.NoResponse({ peer, method: "m", elapsed: Duration.seconds(5) })],
        [Protocol.Oversize, new Protocol.Oversize({ method: "m", size: 9000, limit: 8192, of: "request" })],
        [Protocol.Rejected, rejected("Failed", "detail")],
        [Protocol.InvalidResponse, new Protocol.InvalidResponse({ peer, method: "m", issue: "i" })],
        [Protocol.DuplicateMethod, new Protocol.DuplicateMethod({ method: "m", groups: ["a", "b"] })]
      ] as const
    ) {
      // @effect-diagnostics-next-line preferTypedSchemaDecoder:off
      const again = Schema.decodeUnknownSync(schema)(Schema.encodeUnknownSync(schema)(error))
      expect(again).toBeInstanceOf(schema)
      expect(again.message).toBe(error.message)
    }
  })
})
