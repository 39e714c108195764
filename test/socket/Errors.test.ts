/** What the system's errors are to who opens a socket, or sends. */
import { describe, expect, it } from "@effect/vitest"
import { NetAddress } from "effect/net"
import { Transport } from "../../src/index.ts"

const to = NetAddress.inetAddressFromStringUnsafe("[2001:db8::1]:9")

const systems = (code: string) => Object.assign(new Error("the system's"), { code })

describe("an error of the system", () => {
  it("that says that the family is wrong is told with what to do about it", () => {
    const error = Transport.writeErrorOf(systems("EAFNOSUPPORT"), to)
    expect(error).toMatchObject({ reason: { _tag: "DatagramSocketWriteError", kind: "Unreachable", address: to } })
    expect(error.message).toContain("one bound to \"::\" reaches both")
    expect(Transport.writeErrorOf(systems("ENETUNREACH"), to).message).not.toContain("reaches both")
  })

  it("is known by the code of an Error, and whatever else is thrown is of no kind", () => {
    expect(Transport.openErrorOf(systems("EADDRINUSE"))).toMatchObject({ reason: { kind: "AddressInUse" } })
    for (const cause of [undefined, null, "EADDRINUSE", { code: "EADDRINUSE" }, new Error("EADDRINUSE")]) {
      expect(Transport.openErrorOf(cause)).toMatchObject({ reason: { kind: "Unknown", cause } })
    }
  })
})
