/** How a socket joins a group, on a machine whose interfaces the test says: no socket is opened. */
import { afterEach, beforeEach, describe, expect, it, vi } from "@effect/vitest"
import { Result } from "effect"
import type * as Os from "node:os"
import type { Group } from "../../src/internal/socket/contract.ts"
import { joining } from "../../src/internal/socket/group.ts"

const os = process.getBuiltinModule("node:os")

const info = (address: string, scopeid = 0): Os.NetworkInterfaceInfo => {
  const common = { address, netmask: "", mac: "00:00:00:00:00:00", internal: false, cidr: null }
  return address.includes(":") ? { ...common, family: "IPv6", scopeid } : { ...common, family: "IPv4" }
}

beforeEach(() => {
  vi.spyOn(os, "networkInterfaces").mockReturnValue({
    none: undefined,
    lo: [info("127.0.0.1"), info("::1")],
    eth0: [info("192.0.2.1"), info("2001:db8::1"), info("fe80::1", 2)]
  })
})

afterEach(() => {
  vi.restoreAllMocks()
})

const joined = (group: Group) => Result.getOrThrow(joining(group, true))

describe("a group", () => {
  it("of IPv4 is joined on the interface of that address, or on one of the system's choice", () => {
    const common = { host: "239.1.2.3", port: 9, ipv6: false, isMulticast: true }
    expect(joined({ group: "239.1.2.3:9", interface: "192.0.2.1" }))
      .toStrictEqual({ ...common, networkInterface: "192.0.2.1" })
    expect(joined({ group: "239.1.2.3:9" })).toStrictEqual({ ...common, networkInterface: undefined })
  })

  it("of IPv6 is joined on the interface that has an address, by its name, or on one of the system's choice", () => {
    const common = { port: 9, ipv6: true, isMulticast: true }
    for (const own of ["2001:db8::1", "fe80::1"]) {
      expect(joined({ group: "[ff12::1]:9", interface: own }))
        .toStrictEqual({ ...common, host: "ff12::1%eth0", networkInterface: "::%eth0" })
    }
    expect(joined({ group: "[ff12::1]:9", interface: "::1" })).toMatchObject({ networkInterface: "::%lo" })
    expect(joined({ group: "[ff12::1]:9" })).toStrictEqual({ ...common, host: "ff12::1", networkInterface: undefined })
    const nowhere = joining({ group: "[ff12::1]:9", interface: "2001:db8::2" }, true)
    expect(Result.merge(Result.mapError(nowhere, ({ message }) => message)))
      .toContain("no interface of this machine has the address 2001:db8::2")
  })

  it("that is a broadcast address is joined by nobody", () => {
    expect(joined({ group: "192.0.2.255:9" })).toMatchObject({ host: "192.0.2.255", isMulticast: false })
  })
})
