/** The limits and the sizes of tables of a scenario's nodes, drawn from the seed: small more often than not. */
import { Redacted } from "effect"
import type { Protocol } from "../../src/index.ts"
import { Sizes } from "../../src/internal/sizes.ts"
import type { Choices } from "./choices.ts"

export type Limits = { readonly [K in Exclude<keyof Protocol.Limits, "calls" | "depth">]-?: number }

/** What nodes may be asked for, and send. */
export const drawLimits = (choose: Choices): Limits => ({
  handlers: choose.pick([2, 30, 16_384]),
  handlersPerSender: choose.pick([3, 1024]),
  waitingBytes: choose.pick([5000, 128 * 1_048_576]),
  waitingBytesPerSender: choose.pick([2000, 8 * 1_048_576]),
  requestsPerSecond: choose.pick([5, 20_000]),
  replyBytesPerSecond: choose.pick([1000, 1500, 65_536]),
  totalReplyBytesPerSecond: choose.pick([12_000, 4_194_304])
})

export const drawMemory = (choose: Choices) =>
  choose.pick(
    [
      false,
      {},
      {},
      { requests: 16, bytes: 1000 },
      { requests: choose.scaled(1, 1024), bytes: choose.scaled(1, 65_536), window: choose.scaled(1000, 60_000) }
    ] as const
  )

/** Some networks are closed to all who hold no key. */
export const drawKeys = (choose: Choices): Protocol.Keys | undefined =>
  choose.chance(0.15) ? { ring: [{ id: 1, secret: Redacted.make(choose.bytes(32)) }] } : undefined

/** Whether a node knows the sessions of all others, with those that were before their nodes opened again. */
export const knowsAll = ({ sessions, sessionsPerNetwork, sessionsPerSender }: Sizes): boolean =>
  Math.min(sessions, sessionsPerNetwork, sessionsPerSender) >= 64

/**
 * Whether attackers leave anything for others: two whole networks that prove all they are may be theirs, and what waits
 * for a proof waits for longer than they take to send so much.
 */
export const leavesRoom = (limits: Limits, { heldBytes, heldRequests }: Sizes): boolean =>
  limits.handlers > 2 * networkShare * limits.handlersPerSender &&
  limits.waitingBytes > 2 * networkShare * limits.waitingBytesPerSender &&
  heldRequests >= 1024 && heldBytes >= 65_536

/** A network may have as much as so many of its senders. */
export const networkShare = 4

/**
 * How many requests a second attackers may forge so that a caller in whose name they are has an even chance with each of its
 * own: each takes a challenge, of which so many are sent.
 */
export const evenChance = ({ replyBytesPerSecond, totalReplyBytesPerSecond }: Limits): number =>
  2 * challengeShare * Math.min(replyBytesPerSecond, totalReplyBytesPerSecond) / challengeBytes

/** A sender may be sent so many times as many bytes of challenges as of replies. */
export const challengeShare = 4

const challengeBytes = 43

/** Half of the seeds have the usual sizes; in the others, each is drawn: the usual, or down to one. */
export const drawSizes = (choose: Choices): Sizes => {
  const usual = Sizes.defaultValue()
  if (choose.chance(0.5)) return usual
  const drawn = Object.entries(usual).map(([name, size]) => {
    if (choose.chance(0.3)) return [name, size]
    const least = name === "replayWindow" ? 32 : 1
    return [name, least * 2 ** choose.below(Math.log2(size / least) / 2)]
  })
  return Object.fromEntries(drawn)
}

/** What is remembered of requests, as a node rounds it. Undefined: nothing. */
export const memoryOf = (memory: Protocol.Memory | false) =>
  memory === false ? undefined : {
    windowNanos: Number(memory.window ?? 60_000) * 1_000_000,
    requests: 2 ** Math.ceil(Math.log2(memory.requests ?? 65_536))
  }
