import * as NodeDatagramSocket from "@effect/platform-node/NodeDatagramSocket"
import { Effect, Layer, Scope } from "effect"
import { NetAddress } from "effect/net"
import { Transport } from "../../src/index.ts"
import { SimulatedNetwork } from "../../src/testing/index.ts"
import { conformance, type Environment } from "../support/conformance.ts"
import * as MemoryNetwork from "../support/MemoryNetwork.ts"
import * as Multicast from "../support/multicast.ts"

conformance("Transport.layerSocket over memory", () => {
  const network = MemoryNetwork.make()
  return { transport: (port) => Transport.layerSocket().pipe(Layer.provide(network.socket("10.0.0.1", port))) }
})

/** Members of a group, on this interface. */
const groupOn = (group: string, address: string | undefined): Environment["groups"] =>
  address === undefined ? "missing" : {
    group: group.includes(":") ? `[${group}]` : group,
    member: (port) =>
      Layer.fresh(
        Transport.layer({
          address,
          multicast: [{ group: NetAddress.inetAddressFromIpStringUnsafe(group, port), interface: address }]
        })
      ),
    caller: () => Layer.fresh(Transport.layer({ address }))
  }

conformance("Transport.layer over loopback UDP", () => ({
  transport: (port) => Transport.layer({ address: "127.0.0.1", port }),
  groups: groupOn(Multicast.groups.ipv4, Multicast.ipv4)
}))

conformance("Transport.layer over loopback UDP, IPv6", () => ({
  transport: (port) => Transport.layer({ address: "::1", port }),
  groups: groupOn(Multicast.groups.ipv6, Multicast.ipv6)
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
  let hosts = 1
  return {
    transport: (port) =>
      Transport.layerSocket().pipe(
        Layer.provide(SimulatedNetwork.socket(`10.0.0.1:${port ?? 0}`)),
        Layer.provide(network)
      ),
    groups: {
      group: "239.1.2.3",
      member: (port) => {
        const host = `10.0.0.${++hosts}`
        const socket = Layer.fresh(SimulatedNetwork.socket(`${host}:${port}`))
        return Transport.layerSocket({ multicast: [{ group: `239.1.2.3:${port}`, socket }] }).pipe(
          Layer.provide(SimulatedNetwork.socket(`${host}:1`)),
          Layer.provide(network)
        )
      },
      caller: () =>
        Transport.layerSocket().pipe(
          Layer.provide(SimulatedNetwork.socket(`10.0.0.${++hosts}:0`)),
          Layer.provide(network)
        )
    }
  }
})
