/**
 * What a node is asked, runs and sends, as seen at its transport: which request each run of a handler was for, what was sent
 * to whom, and who had proven an address by then. It changes nothing.
 */
import { Effect, Layer, Result } from "effect"
import { Codec, Transport } from "../../src/index.ts"
import { senderOf } from "../../src/internal/socket/network.ts"
import { readRequest } from "../../src/internal/wire/requestBody.ts"
import type { Method, OnRun } from "./peer.ts"

/** A handler that ran. Times are in nanoseconds. */
export interface Run {
  readonly method: Method
  readonly number: number
  /** The address, port and id of the request: what it may run once for. Undefined: no request explains it. */
  readonly request: string | undefined
  readonly host: string
  /** What its request is estimated to hold. 0 where it is sealed. */
  readonly heapBytes: number
  readonly startedAt: number
  endedAt: number
  isInterrupted: boolean
  /** When its caller's cancel came while it ran. Undefined: none did. */
  cancelledAt: number | undefined
  /** When its caller waits no longer, as its request said. */
  readonly dueAt: number
}

/** A datagram that was sent to somebody who had not asked to be called. */
export interface Reply {
  readonly at: number
  readonly kind: "answer" | "challenge"
  readonly host: string
  readonly bytes: number
  /** Whether its receiver had sent back by then what only it can have received. */
  readonly proven: boolean
}

interface Received {
  readonly at: number
  readonly datagram: Uint8Array
  readonly from: Transport.Peer
}

export interface Options {
  /** In nanoseconds. */
  readonly now: () => number
  /** Told of each datagram and where it goes. */
  readonly onSent: (datagram: Uint8Array, to: string) => void
  /** Whether datagrams are sealed: then it is not known what they say. */
  readonly isSealed: boolean
}

export class Observed {
  readonly runs: Array<Run> = []
  readonly replies: Array<Reply> = []
  /** How many cancels it has sent. */
  cancels = 0
  readonly #options: Options
  /** What is being dealt with just now. */
  #received: Received | undefined
  /** What each sender was sent a token for: the request that may be held for it. A proof may come from another port than that. */
  readonly #challenged = new Map<string, Map<string, Received | undefined>>()
  /** Where the calls of this node went, by id. */
  readonly #called = new Map<string, string>()
  readonly #proven = new Set<string>()

  constructor(options: Options) {
    this.#options = options
  }

  /** The transport, seen. */
  readonly layer: Layer.Layer<Transport.Transport, never, Transport.Transport> = Layer.effect(
    Transport.Transport,
    Effect.map(Transport.Transport, (transport) => ({
      ...transport,
      send: (datagram, to, onFailure) => {
        this.#sent(datagram, to)
        transport.send(datagram, to, onFailure)
      },
      run: (onDatagram) =>
        transport.run((datagram, from, toGroup) => {
          this.#received = { at: this.#options.now(), datagram, from }
          this.#learn(this.#received)
          onDatagram(datagram, from, toGroup)
          this.#received = undefined
        })
    }))
  )

  readonly onRun: OnRun = (method, number) => {
    const request = this.#requestOf()
    const run: Run = {
      method,
      number,
      request: request === undefined
        ? undefined
        // Nobody without a key makes a request, so a call of this number has had one id.
        : `${nameOf(request.from)} ${this.#options.isSealed ? `${method} ${number}` : idOf(request.datagram)}`,
      host: request?.from.host ?? "",
      heapBytes: this.#options.isSealed || request === undefined ? 0 : heapBytesOf(request.datagram),
      startedAt: this.#options.now(),
      endedAt: Infinity,
      isInterrupted: false,
      cancelledAt: undefined,
      dueAt: this.#options.isSealed || request === undefined ? Infinity : this.#dueAt(request)
    }
    this.runs.push(run)
    return (isInterrupted) => {
      run.endedAt = this.#options.now()
      run.isInterrupted = isInterrupted
    }
  }

  /** A request runs when it arrives, or when a proof does that it has waited for. */
  #requestOf(): Received | undefined {
    const received = this.#received
    if (received === undefined || this.#options.isSealed || Codec.typeOf(received.datagram) === "Request") {
      return received
    }
    return this.#challenged.get(senderOf(received.from.host))?.get(idOf(received.datagram))
  }

  /** A request that was held for too long is due at once. */
  #dueAt({ at, datagram }: Received): number {
    return Math.max(at + millisLeftOf(datagram) * 1e6, this.#options.now())
  }

  #learn(received: Received): void {
    if (this.#options.isSealed) return
    const { datagram, from } = received
    switch (Codec.typeOf(datagram)) {
      case "Cancel": {
        if (Result.isFailure(Codec.decodeCancel(datagram))) return
        const request = `${nameOf(from)} ${idOf(datagram)}`
        for (const run of this.runs) {
          if (run.request === request && run.endedAt === Infinity) run.cancelledAt ??= this.#options.now()
        }
        return
      }
      case "Proof": {
        const sender = senderOf(from.host)
        if (this.#challenged.get(sender)?.has(idOf(datagram)) === true) this.#proven.add(sender)
        return
      }
      case "Response":
      case "Failure":
        if (this.#called.get(idOf(datagram)) === nameOf(from)) this.#proven.add(senderOf(from.host))
        return
    }
  }

  #sent(datagram: Uint8Array, to: Transport.Peer): void {
    this.#options.onSent(datagram, nameOf(to))
    if (this.#options.isSealed) return
    const type = Codec.typeOf(datagram)
    if (type === "Cancel") this.cancels++
    if (type === "Request") this.#called.set(idOf(datagram), nameOf(to))
    if (type !== "Response" && type !== "Failure" && type !== "Challenge") return
    const sender = senderOf(to.host)
    this.replies.push({
      at: this.#options.now(),
      kind: type === "Challenge" ? "challenge" : "answer",
      host: to.host,
      bytes: datagram.length,
      proven: this.#proven.has(sender)
    })
    if (type !== "Challenge") return
    const challenged = this.#challenged.get(sender) ?? new Map<string, Received | undefined>()
    this.#challenged.set(sender, challenged)
    Result.map(
      Codec.decodeChallenge(datagram),
      (token) => challenged.set(Buffer.from(token).toString("latin1"), this.#received)
    )
  }
}

const heapBytesOf = (datagram: Uint8Array): number => {
  const request = readRequest(datagram, Codec.maxArgumentDepth)
  return typeof request === "string" ? 0 : request.heapBytes
}

const millisLeftOf = (datagram: Uint8Array): number => {
  const request = readRequest(datagram, Codec.maxArgumentDepth)
  return typeof request === "string" ? Infinity : request.trailer?.millisLeft ?? Infinity
}

const idOf = (datagram: Uint8Array): string => Buffer.from(Codec.idOf(datagram)).toString("latin1")

const nameOf = ({ address: { port }, host }: Transport.Peer): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`
