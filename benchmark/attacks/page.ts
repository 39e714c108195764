/** Makes benchmark/ATTACKS.md of what was found and of what the last run printed. No attack, no socket. */
import { existsSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import type { Name } from "./findings.ts"
import { findings } from "./findings.ts"

/** What a run printed. */
export interface Measured {
  readonly date: string
  /** By peer. */
  readonly versions: Partial<Record<Name, string>>
  /** By the title of the attack, and by peer. */
  readonly lines: Readonly<Record<string, Partial<Record<Name, string>>>>
}

/** Where `--write` keeps it. */
export const measuredFile = fileURLToPath(new URL("measured.json", import.meta.url))

export const pageFile = fileURLToPath(new URL("../ATTACKS.md", import.meta.url))

const names: Readonly<Record<Name, string>> = {
  "rpcudp": "Python's rpcudp",
  "dht-rpc": "dht-rpc",
  "k-rpc-socket": "k-rpc-socket",
  "ours": "effect-rpcudp"
}

const order: ReadonlyArray<Name> = ["rpcudp", "dht-rpc", "k-rpc-socket", "ours"]

const intro = `# Attacks

Written by \`benchmark/attacks.ts\` from \`benchmark/attacks/findings.ts\`. Do not edit.

What four peers do under attack. Each is a node in a process of its own, with its defaults, on loopback; Linux, two cores. The findings are of November
2026:

- Python's rpcudp 5.0.1 with u-msgpack 2.8.0 on Python 3.11.7
- dht-rpc 6.27.0 with udx-native 1.21.3
- k-rpc-socket 1.11.1 with bencode 2.0.3
- effect-rpcudp on Node 24.21.0, with a heap of at most 512 MB

Other senders are sockets on other addresses of 127.0.0.0/8. Addresses that nobody has are forged by raw packets
(\`benchmark/attacks/forge.py\`, within 127.0.0.0/8 as well). Figures of floods differ by some percent from run to run.

To attack them again, and to write this page with what that prints (it takes root, Linux, Python, and some minutes of a machine that does nothing else):

\`\`\`sh
npm ci --prefix benchmark
RPCUDP_PATH=DIR npx node benchmark/attacks.ts --write   # DIR holds the Python packages rpcudp and umsgpack
\`\`\`

[SECURITY.md](../SECURITY.md) says in short what is defended and what is not.
`

export const render = (): string => {
  const measured = lastRun()
  const known = new Set<string>()
  const sections = findings.map(({ found, run, sent, tests, title }) => {
    // Several findings may be of one attack: the first of them has its output.
    const lines = known.has(run) ? [] : printed(measured, run)
    known.add(run)
    return [
      `## ${title}`,
      `Sent: ${sent} (\`--attacks "${run}"\`)`,
      order.map((name) => `- **${names[name]}**: ${found[name]}`).join("\n"),
      ...lines,
      tests.length === 0
        ? "Shown by: no test, as its wire has nothing of the kind."
        : `Shown by: ${
          tests.map(({ file, names }) => `\`${file}\` ${names.map((name) => `"${name}"`).join(", ")}`).join("; ")
        }`
    ].join("\n\n")
  })
  return `${[intro.trimEnd(), ...sections].join("\n\n")}\n`
}

const lastRun = (): Measured | undefined =>
  existsSync(measuredFile) ? JSON.parse(readFileSync(measuredFile, "utf8")) as Measured : undefined

const printed = (measured: Measured | undefined, run: string): ReadonlyArray<string> => {
  const title = Object.keys(measured?.lines ?? {}).find((title) => title.startsWith(run))
  if (measured === undefined || title === undefined) return []
  const lines = order.flatMap((name) => {
    const line = measured.lines[title]?.[name]
    return line === undefined ? [] : [`- ${names[name]}${versionOf(measured, name)}: ${line}`]
  })
  return [`The run of ${measured.date} printed of "${title}":`, lines.join("\n")]
}

const versionOf = (measured: Measured, name: Name): string => {
  const version = measured.versions[name]
  return version === undefined ? "" : ` (${version})`
}
