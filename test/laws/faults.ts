/** What goes wrong on the network and at nodes, drawn from the seed. */
import { Effect, Exit } from "effect"
import { SimulatedNetwork } from "../../src/testing/index.ts"
import type { Choices } from "./choices.ts"

const presets = {
  lan: SimulatedNetwork.lan,
  wifi: SimulatedNetwork.wifi,
  mobile: SimulatedNetwork.mobile,
  satellite: SimulatedNetwork.satellite,
  hostile: SimulatedNetwork.hostile
}

/** A network, with its name. */
export const drawSettings = (choose: Choices): readonly [string, SimulatedNetwork.Settings] => {
  const name = choose.pick(["lan", "wifi", "mobile", "satellite", "hostile", "none", "drawn"] as const)
  if (name === "none") return [name, {}]
  if (name !== "drawn") return [name, presets[name]]
  return [name, {
    delay: [choose.below(50), 50 + choose.below(2000)],
    loss: choose.below(50) / 100,
    duplicate: choose.below(30) / 100,
    corrupt: choose.chance(0.5) ? 0 : choose.below(10) / 100,
    mtu: choose.chance(0.5) ? Infinity : choose.between(100, 9000),
    ...(choose.chance(0.3) ? { bandwidth: choose.between(200, 20_000), queue: choose.between(200, 4_000) } : {}),
    ...(choose.chance(0.3) ? { receiveBuffer: choose.between(300, 5_000) } : {})
  }]
}

/** A network that still loses and delays, but nothing that a caller who tries again would not get over. */
export const calm: SimulatedNetwork.Settings = {
  delay: [1, 50],
  loss: 0.05,
  duplicate: 0.05,
  corrupt: 0,
  mtu: Infinity,
  bandwidth: 1e9,
  queue: 1e9,
  receiveBuffer: Infinity,
  refuse: false,
  rule: false
}

/** Where faults strike. */
export interface Site {
  readonly network: SimulatedNetwork.SimulatedNetwork["Service"]
  /** How long they go on beginning, in milliseconds. */
  readonly length: number
  readonly hosts: ReadonlyArray<string>
  readonly addresses: ReadonlyArray<string>
  readonly isOpen: (index: number) => boolean
  readonly close: (index: number) => Effect.Effect<void>
  readonly open: (index: number) => Effect.Effect<void>
  readonly note: (fault: string) => void
}

/** Draws a fault that begins by itself, and heals. */
export const planFault = (choose: Choices, site: Site): Effect.Effect<void> => {
  const { addresses, hosts, network } = site
  const at = choose.below(site.length)
  const lasts = choose.between(1, 5000)
  const index = choose.below(hosts.length)
  const other = choose.below(hosts.length)
  const link = choose.chance(0.5) ? undefined : { from: hosts[index]!, to: hosts[other]! }
  const kind = choose.pick(["partition", "one way", "stop", "close", "settings", "refuse", "rebind", "rule"] as const)
  const [, settings] = drawSettings(choose)
  const port = choose.between(2000, 60_000)
  return Effect.gen(function*() {
    yield* Effect.sleep(at)
    site.note(kind)
    switch (kind) {
      case "partition":
      case "one way": {
        const cut = network.partition(hosts.slice(0, index + 1), hosts.slice(index + 1), {
          oneWay: kind === "one way"
        })
        return yield* Effect.scoped(Effect.andThen(cut, Effect.sleep(lasts)))
      }
      case "stop":
        yield* network.stop(hosts[index]!)
        yield* Effect.sleep(lasts)
        return yield* network.start(hosts[index]!)
      case "close":
        // Another fault has it closed, and opens it again once it is.
        if (!site.isOpen(index)) return
        yield* site.close(index)
        yield* Effect.sleep(lasts)
        return yield* site.open(index)
      case "settings":
        return yield* network.set(settings, link)
      case "refuse":
        yield* network.set({ refuse: "Unreachable" }, { from: hosts[index]!, to: hosts[other]! })
        yield* Effect.sleep(lasts)
        return yield* network.set({ refuse: false }, { from: hosts[index]!, to: hosts[other]! })
      case "rebind": {
        // Its peers know it by its old address until it has that back. It may be closed by then, or rebound already.
        const rebound = `${hosts[index]}:${port}`
        if (Exit.isFailure(yield* Effect.exit(network.rebind(addresses[index]!, rebound)))) return
        yield* Effect.sleep(lasts)
        return yield* Effect.ignoreCause(network.rebind(rebound, addresses[index]!))
      }
      case "rule":
        yield* network.set({ rule: ({ payload }) => payload.length % 3 === 0 ? [] : [payload.length, 5] }, link)
        yield* Effect.sleep(lasts)
        return yield* network.set({ rule: false }, link)
    }
  })
}
