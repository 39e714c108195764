import { describe, expect, it } from "@effect/vitest"
import { networkOf, senderOf } from "../../src/internal/socket/network.ts"

describe("whose an address is", () => {
  it("a network is a /24, a /48, or a link", () => {
    for (
      const [host, network] of [
        ["192.0.2.1", "192.0.2"],
        ["192.0.2.255", "192.0.2"],
        ["192.0.3.1", "192.0.3"],
        ["2001:db8:1:2:3:4:5:6", "2001:db8:1"],
        ["2001:db8:1:ffff::", "2001:db8:1"],
        ["2001:db8::1", "2001:db8:0"],
        ["2001:db8::1%eth0", "2001:db8:0"],
        ["1::2:3:4:5:192.0.2.1", "1:0:2"],
        ["::1", "0:0:0"],
        // All that is on one link, as it says of itself.
        ["fe80::1", "fe80"],
        ["febf:1:2:3::4", "fe80"],
        ["fe80::1%eth0", "fe80%eth0"],
        ["fec0:1:2:3::4", "fec0:1:2"],
        ["2001:fe80::1", "2001:fe80:0"],
        // IPv4 behind a translator.
        ["64:ff9b::c000:201", "64:ff9b::c000:2"],
        ["64:ff9b::c000:2ff", "64:ff9b::c000:2"],
        ["64:ff9b::c000:301", "64:ff9b::c000:3"],
        ["64:ff9b::192.0.2.1", "64:ff9b::c000:2"],
        ["64:ff9b::1", "64:ff9b::0:0"]
      ] as const
    ) expect(networkOf(host), host).toBe(network)
  })

  it("a sender never belongs to two networks", () => {
    for (const host of ["192.0.2.1", "2001:db8:1:2:3:4:5:6", "fe80::1%eth0", "64:ff9b::c000:201"]) {
      expect(networkOf(senderOf(host) === host ? host : `${senderOf(host)}::`)).toBe(networkOf(host))
    }
  })
})
