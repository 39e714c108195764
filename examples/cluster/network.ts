/**
 * Where the processes of the cluster run: all on this machine, or each on a host of its own, as network namespaces make them
 * (Linux, and root).
 *
 *     clients ── outer network ── fronts ── inner network ── database
 */
import { Data, Effect, type Scope } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import * as Dgram from "node:dgram"
import * as Net from "node:net"

export interface Host {
  /** What to start a program of this host's with. */
  readonly command: (program: string, ...args: ReadonlyArray<string>) => ChildProcess.Command
}

export interface FrontHost extends Host {
  readonly udp: string
  readonly runner: string
  /** Takes the cable out that leads to the database and to the other fronts. Clients still reach this front. */
  readonly cut: Effect.Effect<void, Failed>
}

export interface Network {
  readonly clients: Host
  readonly fronts: ReadonlyArray<FrontHost>
  readonly database: Host & { readonly address: string; readonly port: number }
}

export class Failed extends Data.TaggedError("Failed")<{ readonly message: string }> {}

/** Everything at loopback, on ports that are free. */
export const loopback = Effect.fnUntraced(function*(count: number) {
  const here: Host = { command: (program, ...args) => ChildProcess.make(program, args, quiet) }
  const fronts: Array<FrontHost> = []
  for (let i = 0; i < count; i++) {
    fronts.push({
      ...here,
      udp: `127.0.0.1:${yield* freeUdpPort}`,
      runner: `127.0.0.1:${yield* freeTcpPort}`,
      cut: new Failed({ message: "only a front with a host of its own can be cut off" })
    })
  }
  const network: Network = {
    clients: here,
    fronts,
    database: { ...here, address: "127.0.0.1", port: yield* freeTcpPort }
  }
  return network
})

/** Hosts and cables, which go with the scope. */
export const namespaces = Effect.fnUntraced(function*(count: number): Effect.fn.Return<
  Network,
  Failed,
  Scope.Scope | ChildProcessSpawner.ChildProcessSpawner
> {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const ip = Effect.fnUntraced(function*(...args: ReadonlyArray<string>) {
    const code = yield* Effect.orElseSucceed(spawner.exitCode(ChildProcess.make("ip", args, quiet)), () => -1)
    if (code !== 0) return yield* new Failed({ message: `ip ${args.join(" ")} ended with ${code}` })
  })
  // Other processes may have hosts of their own.
  const nameOf = (host: string) => `cluster${process.pid}${host}`
  const switches = nameOf("switches")
  const addHost = (name: string) =>
    Effect.acquireRelease(ip("netns", "add", name), () => Effect.ignore(ip("netns", "del", name)))

  yield* addHost(switches)
  for (const network of ["outer", "inner"]) {
    yield* ip("-n", switches, "link", "add", network, "type", "bridge")
    yield* ip("-n", switches, "link", "set", network, "up")
  }
  /** A cable from a host to a network, by its name at the switch. */
  const plug = Effect.fnUntraced(function*(host: string, network: "outer" | "inner", address: string) {
    const cable = `${network}${host}`
    yield* ip("link", "add", network, "netns", nameOf(host), "type", "veth", "peer", "name", cable, "netns", switches)
    yield* ip("-n", switches, "link", "set", cable, "master", network, "up")
    yield* ip("-n", nameOf(host), "address", "add", `${address}/24`, "dev", network)
    yield* ip("-n", nameOf(host), "link", "set", network, "up")
    yield* ip("-n", nameOf(host), "link", "set", "lo", "up")
    return cable
  })
  const hostOf = (name: string): Host => ({
    command: (program, ...args) => ChildProcess.make("ip", ["netns", "exec", nameOf(name), program, ...args], quiet)
  })

  yield* addHost(nameOf("clients"))
  yield* plug("clients", "outer", "10.0.1.1")
  yield* addHost(nameOf("sql"))
  yield* plug("sql", "inner", "10.0.2.1")
  const fronts: Array<FrontHost> = []
  for (let i = 0; i < count; i++) {
    const name = `front${i}`
    yield* addHost(nameOf(name))
    yield* plug(name, "outer", `10.0.1.${10 + i}`)
    const cable = yield* plug(name, "inner", `10.0.2.${10 + i}`)
    fronts.push({
      ...hostOf(name),
      udp: `10.0.1.${10 + i}:8468`,
      runner: `10.0.2.${10 + i}:34431`,
      cut: Effect.provideService(
        ip("-n", switches, "link", "set", cable, "down"),
        ChildProcessSpawner.ChildProcessSpawner,
        spawner
      )
    })
  }
  return {
    clients: hostOf("clients"),
    fronts,
    database: { ...hostOf("sql"), address: "10.0.2.1", port: 5432 }
  }
})

const quiet = { stdin: "ignore", stderr: "inherit", detached: false, forceKillAfter: "10 seconds" } as const

const freeTcpPort = Effect.callback<number>((resume) => {
  const server = Net.createServer().listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
  })
})

const freeUdpPort = Effect.callback<number>((resume) => {
  const socket = Dgram.createSocket("udp4").bind(0, "127.0.0.1", () => {
    const { port } = socket.address()
    socket.close(() => resume(Effect.succeed(port)))
  })
})
