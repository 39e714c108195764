/** The answers of a group as a stream: the first one of each sender, until there are enough or the call ends. No socket, no clock. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import type * as SchemaIssue from "effect/SchemaIssue"
import * as Stream from "effect/Stream"
import * as Codec from "../../Codec.ts"
import type { CompiledProcedure } from "../../Handlers.ts"
import { isDone } from "../eager.ts"
import type { GatherError, NoResponse } from "../errors.ts"
import type { Hear } from "./pendingCall.ts"

interface Answer {
  readonly sender: NetAddress.InetAddress
  readonly value: unknown
}

/** An Exit, unless a schema takes its time. */
type Decoding = Effect.Effect<Answer, SchemaIssue.Issue>

/** `call` sends the request, has the answers heard, and ends with the gather. */
export const gathered = (
  procedure: CompiledProcedure,
  answers: number,
  call: (hear: Hear) => Effect.Effect<unknown, GatherError | NoResponse>
): Stream.Stream<Answer, GatherError> =>
  Stream.callback<Decoding, GatherError>((queue) =>
    call(hearing(procedure, answers, (answer) => Queue.offerUnsafe(queue, answer))).pipe(
      // That nobody answers is an end like any other.
      Effect.catchTag("NoResponse", () => Effect.void),
      Effect.andThen(Queue.end(queue))
    )
  ).pipe(
    Stream.mapEffect(Effect.option),
    Stream.filter(Option.isSome),
    Stream.map(({ value }) => value)
  )

const hearing = (procedure: CompiledProcedure, answers: number, offer: (answer: Decoding) => void): Hear => {
  const heard = new Set<string>()
  return (datagram, from) => {
    const sender = `${from.host} ${from.address.port}`
    if (heard.has(sender)) return "UnknownId"
    const response = Codec.decodeResponse(datagram)
    if (Result.isFailure(response)) return response.failure
    const decoded = procedure.success.decode(response.success)
    // The true one may still come.
    if (isDone(decoded) && Exit.isFailure(decoded)) return "Shape"
    heard.add(sender)
    offer(Effect.mapEager(decoded, (value) => ({ sender: from.address, value })))
    return heard.size === answers
  }
}
