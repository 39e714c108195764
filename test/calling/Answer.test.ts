import { describe, expect, it } from "@effect/vitest"
import { Cause, Duration, Exit } from "effect"
import { NetAddress } from "effect/net"
import { outcomeOf } from "../../src/internal/calling/answer.ts"
import { InvalidResponse, NoResponse, Oversize, Rejected, TooManyCalls } from "../../src/internal/errors.ts"
import { closedError } from "../../src/internal/socket/errors.ts"

const peer = NetAddress.inetAddressFromStringUnsafe("10.0.0.1:1")
const method = "m"

describe("the outcome of a call", () => {
  it("is told by how it ended", () => {
    const cases: ReadonlyArray<readonly [Exit.Exit<unknown, unknown>, string]> = [
      [Exit.succeed(1), "success"],
      [Exit.fail(new NoResponse({ peer, method, elapsed: Duration.seconds(1) })), "no_response"],
      [Exit.fail(new Rejected({ peer, method, reason: "Defect", detail: undefined })), "rejected"],
      [Exit.fail(new Oversize({ method, size: 9000, limit: 8192, of: "request" })), "oversize"],
      [Exit.fail(new InvalidResponse({ peer, method, issue: "x" })), "invalid_response"],
      [Exit.fail(new TooManyCalls({ peer, method, limit: 1 })), "too_many_calls"],
      [Exit.fail(closedError()), "socket_error"],
      [Exit.fail("declared"), "error"],
      [Exit.die("x"), "defect"],
      [Exit.interrupt(1), "interrupted"],
      [Exit.failCause(Cause.combine(Cause.interrupt(1), Cause.die("x"))), "defect"]
    ]
    for (const [exit, outcome] of cases) expect(outcomeOf(exit)).toBe(outcome)
  })
})
