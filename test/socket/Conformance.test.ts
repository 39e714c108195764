import * as NodeDatagramSocket from "@effect/platform-node/NodeDatagramSocket"
import { Effect, Layer, Scope } from "effect"
import { NetAddress } from "effect/net"
import { Transport } from "../../src/index.ts"
import { SimulatedNetwork } from "../../src/testing/index.ts"
import { conformance } from "../support/conformance.ts"
import * as MemoryNetwork from "../support/MemoryNetwork.ts"

conformance("Transport.layerSocket over memory", () => {
  const network = MemoryNetwork.make()
  return { transport: (port) => Transport.layerSocket().pipe(Layer.provide(network.socket("10.0.0.1", port))) }
})

conformance("Transport.layer over loopback UDP", () => ({
  transport: (port) => Transport.layer({ address: "127.0.0.1", port })
}))

conformance("Transport.layer over loopback UDP, IPv6", () => ({
  transport: (port) => Transport.layer({ address: "::1", port })
}))

conformance("Transport.layerSocket over Node's DatagramSocket", () => ({
  transport: (port) =>
    Transport.layerSocket().pipe(
      Layer.provide(
        NodeDatagramSocket.layer({ bind: { address: NetAddress.ipv4Loopback, port: port ?? 0 } })
      )
    )
}))

conformance("Transport.layerSocket over a simulated network", () => {
  // One network for all nodes of a test. It holds nothing that a scope would have to give back.
  const network = Layer.succeedContext(
    Effect.runSync(
      Layer.buildWithScope(SimulatedNetwork.layer({ delay: "0.1 millis" }), Scope.makeUnsafe())
    )
  )
  return {
    transport: (port) =>
      Transport.layerSocket().pipe(
        Layer.provide(SimulatedNetwork.socket(`10.0.0.1:${port ?? 0}`)),
        Layer.provide(network)
      )
  }
})
