/** Requests to all members of a group: one datagram out, and answers of any number in until the deadline. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as NetAddress from "effect/net/NetAddress"
import type * as DatagramSocket from "effect/socket/DatagramSocket"
import type { CompiledProcedure } from "../../Handlers.ts"
import type { Peer } from "../../Transport.ts"
import type { Wire } from "../endpoint.ts"
import { TooManyCalls } from "../errors.ts"
import { idOffset } from "../wire/frame.ts"
import type { Ids } from "../wire/ids.ts"
import type { Answer } from "./answer.ts"
import * as Answers from "./answer.ts"
import { Call, CallTable } from "./callTable.ts"

/** How many answers one request may bring. Whoever hears it may answer under any number of addresses. */
export const maxAnswers = 1024

/** What an answer brings. */
export interface Gathered {
  readonly sender: NetAddress.InetAddress
  readonly answer: Answer
}

export interface Listener {
  readonly onAnswer: (gathered: Gathered) => void
  /** No answer counts any more. The error, if it was not the deadline that ended it. */
  readonly onEnd: (error?: DatagramSocket.DatagramSocketError) => void
}

export class Gathering extends Call<Gathering> implements Answers.Called {
  readonly peer: Peer
  readonly method: string
  readonly procedure: CompiledProcedure
  readonly listener: Listener
  /** Who has answered: address and port. */
  readonly senders = new Set<string>()

  constructor(startedAt: number, peer: Peer, procedure: CompiledProcedure, listener: Listener) {
    super(startedAt)
    this.peer = peer
    this.method = procedure.method
    this.procedure = procedure
    this.listener = listener
  }
}

export class Gatherings {
  readonly #wire: Wire
  readonly #max: number
  readonly #table: CallTable<Gathering>
  #closed: DatagramSocket.DatagramSocketError | undefined

  constructor(wire: Wire, { ids, maxCalls }: { readonly ids: Ids; readonly maxCalls: number }) {
    this.#wire = wire
    this.#max = maxCalls
    this.#table = new CallTable<Gathering>({
      clock: Context.get(wire.context, Clock.Clock),
      now: wire.now,
      context: wire.context,
      ids,
      onExpire: (gathering) => {
        this.#count(gathering, gathering.senders.size > 0 ? "success" : "no_response")
        gathering.listener.onEnd()
      }
    })
  }

  /** Why none may begin now, if that is so. */
  refusalOf({ method, peer }: Gathering): DatagramSocket.DatagramSocketError | TooManyCalls | undefined {
    if (this.#closed !== undefined) return this.#closed
    if (this.#table.size < this.#max) return undefined
    return new TooManyCalls({ peer: peer.address, method, limit: this.#max })
  }

  /** Sends a request under an id of its own. It is due `timeout` nanoseconds after its start. */
  start(gathering: Gathering, request: Uint8Array, timeout: number): void {
    this.#wire.metrics.callStarted()
    this.#table.add(gathering, request, idOffset, timeout)
    this.#wire.send(request, gathering.peer, (error) => this.#fail(gathering, error))
  }

  /** Whether a datagram carries the id of one. */
  has(datagram: Uint8Array): boolean {
    return this.#table.find(datagram, idOffset) !== undefined
  }

  /** Takes a response. The first of each sender counts. Returns false if none has its id. */
  onResponse(datagram: Uint8Array, from: Peer): boolean {
    const gathering = this.#table.find(datagram, idOffset)
    if (gathering === undefined) return false
    const { listener, senders } = gathering
    const sender = `${from.host} ${from.address.port}`
    if (senders.has(sender) || senders.size === maxAnswers) return false
    const answer = Answers.read("Response", datagram, gathering)
    // It may be damaged: another copy may come.
    if (typeof answer === "string") this.#wire.drop(answer, from)
    else {
      senders.add(sender)
      listener.onAnswer({ sender: from.address, answer })
    }
    return true
  }

  /** Its caller takes no more answers. Does nothing if it has ended. */
  end(gathering: Gathering): void {
    if (!this.#table.remove(gathering)) return
    this.#count(gathering, "interrupted")
    this.#table.disarmIfIdle()
  }

  /** Ends all with this error, and lets none begin. */
  close(error: DatagramSocket.DatagramSocketError): void {
    this.#closed ??= error
    for (const gathering of this.#table.clear()) {
      this.#count(gathering, "socket_error")
      gathering.listener.onEnd(error)
    }
  }

  #fail(gathering: Gathering, error: DatagramSocket.DatagramSocketError): void {
    if (!this.#table.remove(gathering)) return
    this.#count(gathering, "socket_error")
    gathering.listener.onEnd(error)
    this.#table.disarmIfIdle()
  }

  #count(
    { procedure, startedAt }: Gathering,
    outcome: "success" | "no_response" | "interrupted" | "socket_error"
  ): void {
    this.#wire.metrics.callEnded(procedure, outcome, this.#wire.now() - startedAt, false)
  }
}
