import { conformance } from "../../../test/support/conformance.ts"
import { addon, suite } from "../../../test/support/needs.ts"
import { NativeTransport } from "../src/index.ts"
import { available, orDie } from "./support.ts"

suite("NativeTransport conforms", available, addon)(() => {
  conformance("NativeTransport.layer over loopback UDP", () => ({
    transport: (port) => orDie(NativeTransport.layer({ address: "127.0.0.1", port }))
  }))

  conformance("NativeTransport.layer over loopback UDP, IPv6", () => ({
    transport: (port) => orDie(NativeTransport.layer({ address: "::1", port }))
  }))

  conformance("NativeTransport.layer over loopback UDP, IPv4 over an IPv6 socket", () => ({
    transport: (port) => orDie(NativeTransport.layer({ address: "::ffff:127.0.0.1", port }))
  }))
})
