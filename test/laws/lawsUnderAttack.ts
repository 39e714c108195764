/** What holds whoever attacks: how often a request runs, what nodes send and hold, and that honest callers are answered. */
import { Codec } from "../../src/index.ts"
import { networkOf, senderOf } from "../../src/internal/network.ts"
import { networkShare } from "./bounds.ts"
import type { NodeRecord } from "./nodes.ts"
import type { Reply, Run } from "./observed.ts"
import type { Outcome } from "./scenario.ts"

type Law = (outcome: Outcome) => ReadonlyArray<string>

const eachNode = (
  outcome: Outcome,
  problems: (node: NodeRecord) => ReadonlyArray<string>
): ReadonlyArray<string> =>
  outcome.nodes.flatMap((node) => problems(node).map((problem) => `${node.address}: ${problem}`))

export const lawsUnderAttack: Readonly<Record<string, Law>> = {
  "every run of a handler is explained by a request": (outcome) =>
    eachNode(
      outcome,
      ({ runs }) =>
        runs.filter(({ request }) => request === undefined).map(({ method, number }) => `${method} ${number} ran`)
    ),

  "a request runs once at a time": (outcome) =>
    eachNode(outcome, ({ runs }) =>
      repeated(runs)
        .filter(({ again, before }) => again.startedAt < before.endedAt)
        .map(({ again }) => `${say(again)} while it was running`)),

  "a request runs once, and again only once it is forgotten": (outcome) => {
    const { memory } = outcome
    if (memory === undefined) return []
    return eachNode(outcome, ({ metrics, runs }) => {
      const early = repeated(runs).filter(({ again, before }) => again.startedAt < before.endedAt + memory.windowNanos)
      return early.length <= (metrics["rpcudp_forgotten.request"] ?? 0) ? [] : early.map(({ again }) => say(again))
    })
  },

  "what is sent to those who have proven nothing stays within their budget": (outcome) => {
    const { replyBytesPerSecond, totalReplyBytesPerSecond } = outcome.limits
    const groups: ReadonlyArray<readonly [string, (host: string) => string, number]> = [
      ["sender", senderOf, replyBytesPerSecond],
      ["network", networkOf, networkShare * replyBytesPerSecond],
      ["all", () => "all", totalReplyBytesPerSecond]
    ]
    return eachNode(
      outcome,
      ({ replies }) =>
        groups.flatMap(([name, groupOf, perSecond]) =>
          budgets.flatMap(({ kind, seconds, share }) =>
            overBudget(
              replies.filter((reply) => reply.kind === kind && !reply.proven),
              groupOf,
              share * perSecond,
              seconds
            ).map((group) => `too many bytes of ${kind}s to the ${name} ${group}`)
          )
        )
    )
  },

  "handlers and the requests they hold stay within their limits": (outcome) => {
    const { limits } = outcome
    const one = () => 1
    const bytes = (run: Run) => run.bytes
    const bounds: ReadonlyArray<readonly [string, (host: string) => string, (run: Run) => number, number]> = [
      ["handlers of the node", () => "all", one, limits.handlers],
      ["handlers of the sender", senderOf, one, limits.handlersPerSender],
      ["handlers of the network", networkOf, one, networkShare * limits.handlersPerSender],
      // One that finds room may take more than is left.
      ["bytes that wait", () => "all", bytes, limits.waitingBytes + Codec.maxDatagramBytes],
      ["bytes that wait of the sender", senderOf, bytes, limits.waitingBytesPerSender + Codec.maxDatagramBytes]
    ]
    return eachNode(
      outcome,
      ({ runs }) =>
        bounds.flatMap(([name, groupOf, weigh, most]) =>
          mostAtOnce(runs, groupOf, weigh).filter(([, at]) => at > most)
            .map(([group, at]) => `${at} ${name} ${group}, of ${most} at most`)
        )
    )
  },

  "who keeps calling is answered": (outcome) =>
    outcome.honestCalls.filter(({ answeredAt }) => answeredAt === undefined)
      .map(({ callee, caller }) => `${caller} was not answered by ${callee}`)
}

interface Repetition {
  readonly before: Run
  readonly again: Run
}

/** The runs for a request that has run before. */
const repeated = (runs: ReadonlyArray<Run>): ReadonlyArray<Repetition> => {
  const last = new Map<string | undefined, Run>()
  const found: Array<Repetition> = []
  for (const run of runs) {
    const before = last.get(run.request)
    if (before !== undefined) found.push({ before, again: run })
    last.set(run.request, run)
  }
  return found
}

const say = ({ method, number, request = "nobody", startedAt }: Run): string =>
  `${method} ${number} for ${request.slice(0, request.indexOf(" "))} ran again at ${startedAt / 1_000_000} ms`

/** How many times a sender's bytes a second may be sent to it, and how many seconds' worth of them at once. */
const budgets = [
  { kind: "answer", share: 1, seconds: 4 },
  { kind: "challenge", share: 4, seconds: 1 }
] as const

/** The groups that were sent more than their budget has, in any interval: what a leaky bucket finds. */
const overBudget = (
  replies: ReadonlyArray<Reply>,
  groupOf: (host: string) => string,
  perSecond: number,
  seconds: number
): ReadonlyArray<string> => {
  const buckets = new Map<string, { at: number; bytes: number }>()
  const over = new Set<string>()
  for (const { at, bytes, host } of replies) {
    const group = groupOf(host)
    const bucket = buckets.get(group) ?? { at, bytes: 0 }
    buckets.set(group, bucket)
    bucket.bytes = Math.max(0, bucket.bytes - (at - bucket.at) * perSecond / 1e9) + bytes
    bucket.at = at
    if (bucket.bytes > seconds * perSecond + rounding) over.add(group)
  }
  return [...over]
}

// Of a byte: sums of fractions.
const rounding = 1e-3

/** What handlers that ran at once weighed, at most, by the group of their senders. */
const mostAtOnce = (
  runs: ReadonlyArray<Run>,
  groupOf: (host: string) => string,
  weigh: (run: Run) => number
): ReadonlyArray<readonly [string, number]> => {
  const running = new Map<string, { at: number; most: number }>()
  const changes = runs.flatMap((run) => [
    { at: run.startedAt, run, by: weigh(run) },
    { at: run.endedAt, run, by: -weigh(run) }
  ])
  // What ends makes room for what begins in the same moment, and nothing ends before it has begun.
  const isEnd = ({ at, by, run }: typeof changes[number]) => by < 0 && run.startedAt < at
  changes.sort((a, b) => a.at - b.at || Number(isEnd(b)) - Number(isEnd(a)))
  for (const { by, run } of changes) {
    const group = groupOf(run.host)
    const sum = running.get(group) ?? { at: 0, most: 0 }
    running.set(group, sum)
    sum.at += by
    sum.most = Math.max(sum.most, sum.at)
  }
  return [...running].map(([group, { most }]) => [group, most])
}
