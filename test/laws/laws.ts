/** What holds on any network, over what a scenario says happened. */
import { Cause, Exit, Option, Predicate } from "effect"
import type { CallRecord } from "./calls.ts"
import { lawsUnderAttack } from "./lawsUnderAttack.ts"
import type { Outcome } from "./scenario.ts"

/** Says what broke the law, or nothing. */
export type Law = (outcome: Outcome) => ReadonlyArray<string>

const errorOf = (call: CallRecord): unknown =>
  call.exit === undefined || Exit.isSuccess(call.exit)
    ? undefined
    : Option.getOrUndefined(Cause.findErrorOption(call.exit.cause))

const isError = (call: CallRecord, tag: string): boolean => Predicate.isTagged(errorOf(call), tag)

const isClosed = (call: CallRecord): boolean => {
  const error = errorOf(call)
  return Predicate.isTagged(error, "DatagramSocketError") && Predicate.hasProperty(error, "reason") &&
    Predicate.isTagged(error.reason, "DatagramSocketClosedError")
}

const say = (call: CallRecord, problem: string): string =>
  `call ${call.number} (${call.method}, began at ${ms(call.startedAt)} for ${ms(call.timeout)}, ended at ${
    ms(call.endedAt)
  }): ${problem}`

const ms = (nanos: number): string => `${nanos / 1_000_000} ms`

const each = (outcome: Outcome, problemOf: (call: CallRecord) => string | undefined): ReadonlyArray<string> =>
  outcome.calls.flatMap((call) => {
    const problem = problemOf(call)
    return problem === undefined ? [] : [say(call, problem)]
  })

const sum = (outcome: Outcome, prefix: string): number =>
  Object.entries(outcome.metrics).reduce((total, [name, value]) => name.startsWith(prefix) ? total + value : total, 0)

const value = (outcome: Outcome, name: string): number => outcome.metrics[name] ?? 0

const equal = (what: string, left: number, right: number): ReadonlyArray<string> =>
  left === right ? [] : [`${what}: ${left} and ${right}`]

/** The changes of src that break them stand in `test/mutations.ts`. */
export const laws: Readonly<Record<string, Law>> = {
  "every call ends once, at the latest at its deadline": (outcome) =>
    each(outcome, (call) =>
      call.ends !== 1
        ? `it ended ${call.ends} times`
        : call.endedAt > call.startedAt + call.timeout
        ? "it ended after its deadline"
        : undefined),

  "NoResponse comes at the deadline, not before": (outcome) =>
    each(outcome, (call) =>
      isError(call, "NoResponse") && call.endedAt !== call.startedAt + call.timeout
        ? "it gave up before its deadline"
        : undefined),

  "an answer belongs to its call, and what arrives is what was sent": (outcome) =>
    each(
      outcome,
      (call) => call.right === false && outcome.stats.corrupted === 0 ? "it was given another's answer" : undefined
    ),

  "a call ends only as its procedure can, or as the network made it": (outcome) =>
    each(outcome, (call) => {
      if (call.exit === undefined || Exit.isSuccess(call.exit)) return undefined
      if (Cause.hasDies(call.exit.cause)) return `it died: ${Cause.pretty(call.exit.cause)}`
      if (Cause.hasInterruptsOnly(call.exit.cause)) return call.interrupted ? undefined : "nobody interrupted it"
      if (outcome.stats.corrupted > 0) return undefined
      const error = errorOf(call)
      if (!Predicate.hasProperty(error, "_tag")) return "it failed with what is no error"
      switch (error._tag) {
        case "NoResponse":
        case "DatagramSocketError":
          return undefined
        case "Rejected":
          // Only these die; a node refuses others only while it has enough to do, or no group to serve.
          return Predicate.hasProperty(error, "reason") && error.reason === "Defect" &&
              call.method !== "die" && call.method !== "relay"
            ? "its handler did not die"
            : Predicate.hasProperty(error, "reason") && error.reason === "InvalidArguments"
            ? "its arguments fitted"
            : undefined
        case "Refused":
          return call.method === "refuse" ? undefined : "its procedure does not refuse"
        case "Oversize":
          return call.method === "bytes" ? undefined : "its answer is short"
        default:
          return `it failed with ${String(error._tag)}`
      }
    }),

  "closing a node ends its calls then, and says so": (outcome) =>
    outcome.closings.flatMap(({ at, node }) =>
      each(outcome, (call) => {
        if (call.caller !== node || call.startedAt > at || call.endedAt < at) return undefined
        if (call.endedAt > at && call.startedAt < at) return `it outlived its node, which closed at ${at}`
        return undefined
      })
    ).concat(
      each(
        outcome,
        (call) =>
          isClosed(call) && !outcome.closings.some(({ at, node }) => node === call.caller && at === call.endedAt)
            ? "its node had not closed"
            : undefined
      )
    ),

  "once all has ended, nothing is left": (outcome) => [
    ...equal("calls in flight and none", value(outcome, "rpcudp_calls_in_flight"), 0),
    ...equal("requests in flight and none", value(outcome, "rpcudp_requests_in_flight"), 0),
    ...equal("fibers that sleep and none", outcome.left.sleepers, 0),
    ...equal("datagrams in flight and none", outcome.left.inFlight, 0)
  ],

  "a call that is interrupted is cancelled, once, and no other is": (outcome) =>
    outcome.isSealed ?
      [] :
      outcome.nodes.flatMap(({ address, cancels, metrics }) =>
        equal(`interrupted calls of ${address}, and cancels`, metrics["rpcudp_calls.interrupted"] ?? 0, cancels)
      ),

  "metrics add up": (outcome) => {
    const { stats } = outcome
    const received = value(outcome, "rpcudp_datagrams_received")
    const answers = value(outcome, "rpcudp_round_trip_seconds")
    const answered = sum(outcome, "rpcudp_calls.success") + sum(outcome, "rpcudp_calls.error") +
      sum(outcome, "rpcudp_calls.rejected") + sum(outcome, "rpcudp_calls.invalid_response") +
      // All that is too long here is a response: arguments stay under the limit.
      sum(outcome, "rpcudp_calls.oversize")
    const requests = sum(outcome, "rpcudp_requests.")
    // One that was heard has ended a request, which came in a datagram of its own.
    const cancels = value(outcome, "rpcudp_requests.cancelled")
    const challenges = value(outcome, "rpcudp_challenges.answered") + value(outcome, "rpcudp_challenges.proven")
    // What is taken up again with a proof is a request a second time.
    const resumed = value(outcome, "rpcudp_challenges.resumed")
    return [
      ...equal("calls that were answered and answers that were used", answered, answers),
      ...equal(
        "datagrams received, and used or dropped",
        received + resumed,
        requests + cancels + answers + challenges + sum(outcome, "rpcudp_datagrams_dropped.")
      ),
      ...equal(
        "datagrams the network delivered and datagrams received",
        stats.delivered,
        received + outcome.attacked.heard
      ),
      ...equal(
        "datagrams handed to the network and datagrams sent",
        stats.sent + stats.refused,
        value(outcome, "rpcudp_datagrams_sent") + outcome.attacked.forged
      ),
      ...equal(
        "datagrams sent, and each with its fate",
        stats.sent + stats.duplicated,
        stats.delivered + stats.lost + stats["too long"] + stats["queue full"] + stats["buffer full"] +
          stats.partitioned + stats.stopped + stats.nobody
      )
    ]
  },

  "what is dropped has a reason that the network explains, or an attacker": (outcome) =>
    outcome.stats.corrupted > 0
      ? []
      : Object.entries(outcome.metrics).flatMap(([name, dropped]) => {
        if (!name.startsWith(drops)) return []
        const reason = name.slice(drops.length)
        if (reason === "UnknownId" || reason === "ForeignSender") return []
        if (outcome.isSealed && notRead.has(reason)) return []
        const sent = outcome.isSealed ? 0 : outcome.attacked.malformed[reason] ?? 0
        return dropped <= mostCopies * sent ? [] : [`${sent} datagrams were ${reason}, and ${dropped} were dropped`]
      }),

  ...lawsUnderAttack
}

const drops = "rpcudp_datagrams_dropped."

/** What happens to datagrams of a closed network that come twice, late, from strangers, or of too many sessions. */
const notRead = new Set(["NotSealed", "Stale", "Reflected", "Replayed", "TooManySessions"])

/** How often one datagram arrives, at most. */
const mostCopies = 2

/** Every law that this outcome breaks. */
export const broken = (outcome: Outcome): ReadonlyArray<string> =>
  Object.entries(laws).flatMap(([name, law]) => law(outcome).map((problem) => `${name}: ${problem}`))
