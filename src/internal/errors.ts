/** How a call, and how serving, can fail. Protocol exports them all. */
import * as Duration from "effect/Duration"
import * as Formatter from "effect/Formatter"
import * as NetAddress from "effect/net/NetAddress"
import * as Schema from "effect/Schema"
import type * as DatagramSocket from "effect/socket/DatagramSocket"

/**
 * No answer came in time. The request was sent. It or the answer may be lost, so the handler may have run, or may still
 * run. `elapsed` is the time-out of the call.
 *
 * @category errors
 * @since 0.1.0
 */
export class NoResponse extends Schema.TaggedError<NoResponse>()("NoResponse", {
  peer: Schema.InetAddress,
  method: Schema.String,
  elapsed: Schema.Duration
}) {
  override get message(): string {
    return `${NetAddress.formatInet(this.peer)} did not answer "${this.method}" within ${Duration.format(this.elapsed)}`
  }
}

/**
 * Whether an error is `NoResponse`, whatever else a call may fail with: one policy of retries fits all procedures.
 *
 * ```ts
 * import { Effect, Schedule } from "effect"
 * import { Protocol } from "effect-rpcudp"
 *
 * const policy = { schedule: Schedule.exponential("50 millis"), times: 3, while: Protocol.isNoResponse }
 *
 * const call = Effect.gen(function*() {
 *   const protocol = yield* Protocol.Protocol
 *   return yield* protocol.call("127.0.0.1:8468", "stun", []).pipe(Effect.retry(policy))
 * })
 * ```
 *
 * @category guards
 * @since 0.1.0
 */
export const isNoResponse = (error: unknown): error is NoResponse => error instanceof NoResponse

/**
 * The body of the request, or of the response, is over `limit` bytes; `size` is its length in bytes. A request that is too
 * long was not sent, so nothing was executed. Where the response is too long, the handler has run.
 *
 * @category errors
 * @since 0.1.0
 */
export class Oversize extends Schema.TaggedError<Oversize>()("Oversize", {
  method: Schema.String,
  size: Schema.Int,
  limit: Schema.Int,
  of: Schema.Literals(["request", "response"])
}) {
  override get message(): string {
    return `The ${this.of} of "${this.method}" takes ${this.size} bytes, over the limit of ${this.limit}`
  }
}

/**
 * The peer said that it has no result. By `reason`:
 *
 * - `UnknownMethod`, `InvalidArguments`: nothing was executed.
 * - `Overloaded`: this datagram was not executed. A copy of it that the network made, or that was sent before, may still be.
 * - `Defect`: the handler has run, and died. Why stands in the log of the peer alone.
 * - `Failed`: the handler has run, and failed with the error in `detail`. Only a call without a contract sees that.
 *
 * @category errors
 * @since 0.1.0
 */
export class Rejected extends Schema.TaggedError<Rejected>()("Rejected", {
  peer: Schema.InetAddress,
  method: Schema.String,
  reason: Schema.Literals(["UnknownMethod", "InvalidArguments", "Overloaded", "Defect", "Failed"]),
  /** What did not fit for `InvalidArguments`, the error for `Failed`, else undefined. Written by the peer. */
  detail: Schema.Unknown
}) {
  override get message(): string {
    const peer = NetAddress.formatInet(this.peer)
    switch (this.reason) {
      case "UnknownMethod":
        return `${peer} has no method "${this.method}"`
      case "InvalidArguments":
        return `${peer} refused the arguments of "${this.method}": ${quote(this.detail)}`
      case "Overloaded":
        return `${peer} is too busy for "${this.method}"`
      case "Defect":
        return `The handler of "${this.method}" died at ${peer}`
      case "Failed":
        return `"${this.method}" failed at ${peer}: ${visible(Formatter.format(this.detail).slice(0, 200))}`
    }
  }
}

/**
 * The peer answered with what does not fit the contract. The handler has run; `issue` says what does not fit.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidResponse extends Schema.TaggedError<InvalidResponse>()("InvalidResponse", {
  peer: Schema.InetAddress,
  method: Schema.String,
  issue: Schema.String
}) {
  override get message(): string {
    return `${NetAddress.formatInet(this.peer)} answered "${this.method}" with what does not fit: ${
      visible(this.issue.replaceAll(/\n */gu, " "))
    }`
  }
}

/**
 * As many calls of this socket wait for their answers as may: `limit`. Nothing was sent, so nothing was executed.
 *
 * @category errors
 * @since 0.1.0
 */
export class TooManyCalls extends Schema.TaggedError<TooManyCalls>()("TooManyCalls", {
  peer: Schema.InetAddress,
  method: Schema.String,
  limit: Schema.Int
}) {
  override get message(): string {
    return `${this.limit} calls wait for their answers already: "${this.method}" was not sent to ${
      NetAddress.formatInet(this.peer)
    }`
  }
}

/**
 * Two procedures of one name would be served on one socket. No call ends with it: the layer is not built, and none of its
 * groups is served.
 *
 * @category errors
 * @since 0.1.0
 */
export class DuplicateMethod extends Schema.TaggedError<DuplicateMethod>()("DuplicateMethod", {
  method: Schema.String,
  /** The ids of both groups. */
  groups: Schema.Tuple([Schema.String, Schema.String])
}) {
  override get message(): string {
    const [first, second] = this.groups
    return `Both "${first}" and "${second}" declare the method "${this.method}": one socket can serve only one of them`
  }
}

/**
 * How a call can fail, the error that its procedure declares aside.
 *
 * A `DatagramSocketError` says that the socket refused the request (nothing was executed), or closed under the call
 * (unknown).
 *
 * @category errors
 * @since 0.1.0
 */
export type CallError =
  | NoResponse
  | Oversize
  | Rejected
  | InvalidResponse
  | TooManyCalls
  | DatagramSocket.DatagramSocketError

/**
 * How a gather can fail: the request is too long, this socket has too many calls in flight, or it refuses to send or closes. That
 * nobody answers is no failure.
 *
 * @category errors
 * @since 0.1.0
 */
export type GatherError = Oversize | TooManyCalls | DatagramSocket.DatagramSocketError

/** A peer's text as a log can bear it: nothing that a terminal obeys, and not all of it. */
const quote = (detail: unknown): string => visible(JSON.stringify(String(detail).slice(0, 200)))

/** Neither control characters, nor what ends a line or turns the direction of writing. */
const visible = (text: string): string =>
  text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`)
