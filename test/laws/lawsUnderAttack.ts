/** What holds whoever attacks: how often a request runs, what nodes send and hold, that honest callers are answered. */
import { networkOf, senderOf } from "../../src/internal/socket/network.ts"
import { challengeShare, networkShare } from "./bounds.ts"
import type { NodeRecord } from "./nodes.ts"
import type { Reply, Run } from "./observed.ts"
import type { Outcome } from "./scenario.ts"

type Law = (outcome: Outcome) => ReadonlyArray<string>

const eachNode = (
  outcome: Outcome,
  problems: (node: NodeRecord) => ReadonlyArray<string>
): ReadonlyArray<string> =>
  outcome.nodes.flatMap((node) => problems(node).map((problem) => `${node.address}: ${problem}`))

/** The changes of src that break them stand in `test/mutations.ts`. */
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

  "a handler ends as the cancel of its caller arrives": (outcome) =>
    eachNode(
      outcome,
      ({ runs }) =>
        runs.filter(({ cancelledAt, endedAt }) => cancelledAt !== undefined && endedAt !== cancelledAt)
          .map(({ method, number }) => `${method} ${number} went on`)
    ),

  "no handler goes on when its caller waits no longer, as its request said": (outcome) =>
    eachNode(
      outcome,
      ({ runs }) =>
        runs.filter(({ dueAt, endedAt }) => endedAt > dueAt)
          .map(({ method, number }) => `${method} ${number} went on`)
    ),

  "a handler is interrupted only by its caller's cancel, at its deadline, or as its node closes": (outcome) =>
    outcome.isSealed ? [] : eachNode(outcome, ({ address, runs }) => {
      const closings = outcome.closings.filter(({ node }) => outcome.addresses[node] === address)
      const closedAt = new Set(closings.map(({ at }) => at))
      return runs.filter(({ cancelledAt, dueAt, endedAt, isInterrupted }) =>
        isInterrupted && cancelledAt === undefined && endedAt !== dueAt && !closedAt.has(endedAt)
      ).map(({ method, number }) => `${method} ${number} was interrupted`)
    }),

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

  "a handler begins only where handlers, and what they hold, leave room": (outcome) => {
    const { limits } = outcome
    const one = () => 1
    const bytes = (run: Run) => run.heapBytes
    const bounds: ReadonlyArray<readonly [string, (host: string) => string, (run: Run) => number, number]> = [
      ["handlers of the node", () => "all", one, limits.handlers],
      ["handlers of the sender", senderOf, one, limits.handlersPerSender],
      ["handlers of the network", networkOf, one, networkShare * limits.handlersPerSender],
      ["bytes that wait", () => "all", bytes, limits.waitingBytes],
      ["bytes that wait of the sender", senderOf, bytes, limits.waitingBytesPerSender],
      ["bytes that wait of the network", networkOf, bytes, networkShare * limits.waitingBytesPerSender]
    ]
    return eachNode(
      outcome,
      ({ runs }) =>
        bounds.flatMap(([name, groupOf, weigh, most]) =>
          [...mostFound(runs, groupOf, weigh)].filter(([, found]) => found >= most)
            .map(([group, found]) => `one found ${found} ${name} ${group}, of ${most}`)
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
  { kind: "challenge", share: challengeShare, seconds: 1 }
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

/** What handlers that ran weighed when another began, at most, by the group of their senders. */
const mostFound = (
  runs: ReadonlyArray<Run>,
  groupOf: (host: string) => string,
  weigh: (run: Run) => number
): ReadonlyMap<string, number> => {
  const running = new Map<string, number>()
  const most = new Map<string, number>()
  const changes = runs.flatMap((run) => [
    { at: run.startedAt, run, isStart: true },
    { at: run.endedAt, run, isStart: false }
  ])
  // What ends makes room for what begins in the same moment, and nothing ends before it has begun.
  const isEarlier = ({ at, isStart, run }: typeof changes[number]) => !isStart && run.startedAt < at
  changes.sort((a, b) => a.at - b.at || Number(isEarlier(b)) - Number(isEarlier(a)))
  for (const { isStart, run } of changes) {
    const group = groupOf(run.host)
    const found = running.get(group) ?? 0
    if (isStart) most.set(group, Math.max(most.get(group) ?? 0, found))
    running.set(group, found + (isStart ? weigh(run) : -weigh(run)))
  }
  return most
}
