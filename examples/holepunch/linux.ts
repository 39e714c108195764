/**
 * Two hosts, each behind a NAT of Linux's, and the third between them, all network namespaces (root):
 *
 *     a (10.0.1.2) ── NAT (198.51.100.2) ──┬── NAT (198.51.100.3) ── b (10.0.2.2)
 *                               third (198.51.100.1)
 */
import { Data, Effect, Option, Stream } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { fileURLToPath } from "node:url"
import type { Kind } from "./kinds.ts"

export const thirdAddress = "198.51.100.1"

/** The kinds of NAT that nftables can be, for one host inside. */
export const kinds: ReadonlyArray<Kind> = [
  { mapping: "endpoint-independent", filtering: "endpoint-independent" },
  { mapping: "endpoint-independent", filtering: "address-dependent" },
  { mapping: "endpoint-independent", filtering: "address-and-port-dependent" },
  { mapping: "address-and-port-dependent", filtering: "address-and-port-dependent" }
]

class Failed extends Data.TaggedError("Failed")<{ readonly command: string; readonly code: number }> {}

const hosts = { a: { net: 1, outside: "198.51.100.2" }, b: { net: 2, outside: "198.51.100.3" } } as const

type Host = keyof typeof hosts

const run = Effect.fnUntraced(function*(program: string, ...args: ReadonlyArray<string>) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const code = yield* Effect.orElseSucceed(
    spawner.exitCode(ChildProcess.make(program, args, { ...quiet, stdout: "ignore" })),
    () => -1
  )
  if (code !== 0) return yield* new Failed({ command: [program, ...args].join(" "), code })
})

/**
 * Runs a program in namespaces of mounts and processes of its own, which end with it. Its stdin ends with this process. Returns its
 * exit code, or none where that is not possible.
 */
export const contain = Effect.fnUntraced(function*(...command: ReadonlyArray<string>) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const unshare = (output: "inherit" | "ignore", ...command: ReadonlyArray<string>) => {
    const args = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", ...command]
    return spawner.exitCode(
      ChildProcess.make("unshare", args, { ...quiet, stdin: "pipe", stdout: output, stderr: output })
    )
  }
  const possible = yield* Effect.orElseSucceed(unshare("ignore", "true"), () => -1)
  if (possible !== 0) return Option.none()
  // Network namespaces have files for names, which nobody else is to see.
  const hide = `mkdir -p /run/netns && mount -t tmpfs none /run/netns && exec "$0" "$@"`
  return Option.some(yield* unshare("inherit", "sh", "-c", hide, ...command))
})

/** Comes back once the process is gone that contains this one. */
export const orphaned = Effect.callback<void>((resume) => {
  process.stdin.resume().once("close", () => resume(Effect.void))
  // What is read keeps a process.
  return Effect.sync(() => process.stdin.destroy())
})

/** Hosts, NATs and the cables between them. */
export const make = Effect.gen(function*() {
  yield* run("nft", "--version")
  yield* run("ip", "netns", "add", "internet")
  yield* run("ip", "-n", "internet", "link", "add", "bridge", "type", "bridge")
  yield* run("ip", "-n", "internet", "link", "set", "bridge", "up")
  yield* run("ip", "-n", "internet", "address", "add", `${thirdAddress}/24`, "dev", "bridge")
  yield* Effect.forEach(["a", "b"] as const, addHost)
})

const addHost = Effect.fnUntraced(function*(host: Host) {
  const { net, outside } = hosts[host]
  const nat = natOf(host)
  yield* run("ip", "netns", "add", nat)
  yield* run("ip", "netns", "add", host)
  yield* run("ip", "link", "add", "outside", "netns", nat, "type", "veth", "peer", "name", host, "netns", "internet")
  yield* run("ip", "-n", "internet", "link", "set", "dev", host, "master", "bridge", "up")
  yield* run("ip", "link", "add", "inside", "netns", nat, "type", "veth", "peer", "name", "eth0", "netns", host)
  yield* run("ip", "-n", nat, "address", "add", `${outside}/24`, "dev", "outside")
  yield* run("ip", "-n", nat, "address", "add", `10.0.${net}.1/24`, "dev", "inside")
  yield* run("ip", "-n", host, "address", "add", `10.0.${net}.2/24`, "dev", "eth0")
  yield* run("ip", "-n", nat, "link", "set", "outside", "up")
  yield* run("ip", "-n", nat, "link", "set", "inside", "up")
  yield* run("ip", "-n", host, "link", "set", "eth0", "up")
  yield* run("ip", "-n", host, "route", "add", "default", "via", `10.0.${net}.1`)
  yield* run("ip", "netns", "exec", nat, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
})

const natOf = (host: Host) => `nat-${host}`

/** Makes the NAT of a host be of this kind. */
export const behave = (host: Host, { filtering, mapping }: Kind) => {
  const inside = `10.0.${hosts[host].net}.2`
  // Linux has a mapping for each peer, but each with the port that it has inside, so peers see one.
  const masquerade = mapping === "endpoint-independent" ? "masquerade" : "masquerade fully-random"
  // What belongs to no mapping is let in nonetheless, to the one host that is there.
  const unasked = {
    "endpoint-independent": `iifname "outside" meta l4proto udp dnat to ${inside}`,
    "address-dependent": `iifname "outside" meta l4proto udp ip saddr @sent dnat to ${inside}`,
    "address-and-port-dependent": ""
  }[filtering]
  const rules = `
flush ruleset
table ip nat {
  set sent { type ipv4_addr; flags dynamic, timeout; timeout 2m; }
  chain prerouting {
    type nat hook prerouting priority dstnat;
    ${unasked}
  }
  chain postrouting {
    type nat hook postrouting priority srcnat;
    oifname "outside" meta l4proto udp ${masquerade}
  }
  # What is not let in must not be answered by the NAT itself: Linux would then keep its port from the host inside.
  chain input {
    type filter hook input priority filter; policy drop;
  }
  chain forward {
    type filter hook forward priority filter; policy drop;
    iifname "inside" update @sent { ip daddr } accept
    ct state established accept
    ct status dnat accept
  }
}`
  return run("ip", "netns", "exec", natOf(host), "nft", rules)
}

/** Starts a program of this folder on a host. The scope stops it. */
export const start = Effect.fnUntraced(
  function*(host: Host | "internet", file: string, ...args: ReadonlyArray<string>) {
    const path = fileURLToPath(new URL(file, import.meta.url))
    const child = yield* ChildProcess.make("ip", ["netns", "exec", host, process.execPath, path, ...args], quiet)
    return {
      firstLine: child.stdout.pipe(Stream.decodeText(), Stream.splitLines, Stream.runHead)
    }
  }
)

const quiet = { stdin: "ignore", stderr: "inherit", detached: false, forceKillAfter: "1 second" } as const
