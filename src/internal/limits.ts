/** What others may cost a node, once: each limit's meaning, its default and its check. Who keeps to them is handed numbers. */
import * as Duration from "effect/Duration"
import { nanosOf } from "./time/now.ts"
import { maxArgumentDepth } from "./wire/requestBody.ts"

/**
 * How much work others may make. None of the defaults is met by a node of a DHT under its usual load.
 *
 * Senders are told apart by their IPv4 address, or by the first 64 bits of their IPv6 address. Whatever one sender may have,
 * its network (the first 24 bits of an IPv4 address, the first 48 of an IPv6 address) may have four times. What is kept of
 * those that have proven nothing has a fixed size (some 400 KiB), so that inventing senders gains nothing: they share
 * buckets, two each, and are refused only if both are empty.
 *
 * A sender proves its address by answering a call of ours, or a challenge: a frame that is sent to it once it has used
 * half of what it may, and that any peer with this library answers (RFC 9000, section 8.1). Either holds for ten minutes. An
 * answer is good for a MiB of replies, as somebody else may ask in its sender's name, and a proof for 64 MiB; then another
 * challenge is due.
 *
 * What an address has proven can't be used up by requests that are forged in its name: a request that is refused for its
 * sender's sake is itself challenged, and runs once that challenge is answered. Challenges have a budget of their own, four
 * times that of replies.
 *
 * @category models
 * @since 0.1.0
 */
export interface Limits {
  /** How many calls may be in flight; over it, they fail with `TooManyCalls`. 131,072 by default. */
  readonly calls?: number | undefined
  /**
   * How many handlers may run at once; over it, requests are refused as `Overloaded`. 16,384 by default. Of this, and of the
   * next three, the last quarter is for requests that have answered a challenge of their own.
   */
  readonly handlers?: number | undefined
  /** How many of them may be for one sender. 1,024 by default. */
  readonly handlersPerSender?: number | undefined
  /** How many bytes of heap the arguments of waiting handlers may take, about. 64 MiB by default. */
  readonly waitingBytes?: number | undefined
  /**
   * How many of them may be of one sender. 8 MiB by default. One request may hold up to a MiB, so less than some 4 MiB may leave
   * nothing for requests that have answered a challenge.
   */
  readonly waitingBytesPerSender?: number | undefined
  /**
   * How many requests of one sender are taken, per second; a burst may be as long as a second's worth. 20,000 by default.
   * A sender that has proven its address is held to it only while others send, too: alone it can starve nobody.
   */
  readonly requestsPerSecond?: number | undefined
  /**
   * How many bytes are sent in answer to one sender that has proven nothing, per second; a burst may be as long as four
   * seconds' worth. 65,536 by default. It bounds what reaches a victim whose address is forged (RFC 7252, section 11.3);
   * answers that do not fit are sent once their receiver has answered a challenge.
   */
  readonly replyBytesPerSecond?: number | undefined
  /** The same for all senders together that have proven nothing. 32 times as much as for one by default: 2 MiB. */
  readonly totalReplyBytesPerSecond?: number | undefined
  /**
   * How deep an argument may nest: a scalar has depth 0. 30 by default, which is also the most. Each level of a recursive
   * union whose members are not tagged may double the work of decoding.
   */
  readonly depth?: number | undefined
}

/**
 * How much is remembered of requests that were answered. A request that comes again within the window is not run again:
 * while its handler runs it is ignored, and then it is answered as it was the first time.
 *
 * When either bound is met, the oldest makes room, or the oldest of the sender that needs it if that holds more than the
 * sender of the oldest does. Of a request whose answer is forgotten nothing is run, and nothing is sent; a request that is
 * itself forgotten is run again. `rpcudp_forgotten_total` counts both. Handlers that run are never forgotten. Of groups that are
 * declared `idempotent`, only requests that nobody waited for any more are remembered.
 *
 * @category models
 * @since 0.1.0
 */
export interface Memory {
  /** How long a request is remembered. A minute by default. */
  readonly window?: Duration.Input | undefined
  /** How many requests are remembered, rounded up to a power of two. 65,536 by default, which take up to 5.3 MB. */
  readonly requests?: number | undefined
  /** How many bytes of answers are remembered, rounded up to a power of two. 4 MiB by default. */
  readonly bytes?: number | undefined
}

/** What a node keeps to. */
type Numbers = { readonly [Name in keyof Limits]-?: number }

const defaultLimits = {
  calls: 131_072,
  handlers: 16_384,
  handlersPerSender: 1024,
  waitingBytes: 64 * 1024 * 1024,
  waitingBytesPerSender: 8 * 1024 * 1024,
  requestsPerSecond: 20_000,
  replyBytesPerSecond: 65_536,
  depth: maxArgumentDepth
}

// All senders together may be sent as much as so many of them.
const totalShare = 32

export const defaultMemory = { window: Duration.minutes(1), requests: 65_536, bytes: 4 * 1024 * 1024 }

export const durationOf = (name: string, input: Duration.Input): Duration.Duration => {
  const duration = Duration.fromInputUnsafe(input)
  if (Duration.toMillis(duration) < 0) throw new RangeError(`the duration of ${name} is not negative`)
  return duration
}

export const limitsOf = (options: Limits): Numbers => {
  const replyBytesPerSecond = options.replyBytesPerSecond ?? defaultLimits.replyBytesPerSecond
  const limits = {
    calls: options.calls ?? defaultLimits.calls,
    handlers: options.handlers ?? defaultLimits.handlers,
    handlersPerSender: options.handlersPerSender ?? defaultLimits.handlersPerSender,
    waitingBytes: options.waitingBytes ?? defaultLimits.waitingBytes,
    waitingBytesPerSender: options.waitingBytesPerSender ?? defaultLimits.waitingBytesPerSender,
    requestsPerSecond: options.requestsPerSecond ?? defaultLimits.requestsPerSecond,
    replyBytesPerSecond,
    totalReplyBytesPerSecond: options.totalReplyBytesPerSecond ?? totalShare * replyBytesPerSecond,
    depth: options.depth ?? defaultLimits.depth
  }
  for (const [name, limit] of Object.entries(limits)) {
    if (!(limit >= 0)) throw new RangeError(`the limit of ${name} is a number that is not negative`)
  }
  return limits
}

export const memoryOf = (options: Memory) => ({
  window: nanosOf(durationOf("window", options.window ?? defaultMemory.window)),
  maxEntries: powerOfTwo("requests", options.requests ?? defaultMemory.requests),
  maxBytes: powerOfTwo("bytes", options.bytes ?? defaultMemory.bytes)
})

/** The next one. What it is good for is finding the place of an entry in a ring. */
const powerOfTwo = (name: string, size: number): number => {
  if (!(size >= 1 && size <= 2 ** 30)) throw new RangeError(`the memory of ${name} is a number from 1 to 2^30`)
  return 2 ** Math.ceil(Math.log2(size))
}
