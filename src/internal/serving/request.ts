/** A request in the hands of its handler, and the group that it was made to. */
import * as Context from "effect/Context"
import type * as Fiber from "effect/Fiber"
import type { Handler, Implementation } from "../../Handlers.ts"
import type { Asked } from "./replies.ts"
import type { Suspendable } from "./suspended.ts"
import { Deadline } from "../time/deadlines.ts"
import type { RequestSpan, StartRequestSpan } from "../watching/spans.ts"

/** A group while it is served. */
export interface Served {
  readonly group: string
  readonly idempotent: boolean
  readonly handlers: Implementation["handlers"]
  /** The fibers of requests that take their time. */
  readonly fibers: Map<Admitted, Fiber.Fiber<unknown, unknown>>
  /** How many admitted requests have not ended. */
  inFlight: number
  /** Whether new requests are taken. */
  accepting: boolean
  /** Whether handlers may go on. */
  open: boolean
  /** Called when one of its requests has ended. */
  onEnd: (() => void) | undefined
}

export interface Method {
  readonly served: Served
  readonly handler: Handler
  /** Undefined: nobody traces. */
  readonly startSpan: StartRequestSpan | undefined
}

export interface Admitted extends Asked, Suspendable<Admitted> {
  /** A view of its datagram, until its handler takes its time. */
  id: Uint8Array
  /** When it came. */
  readonly at: number
  readonly method: Method
  span: RequestSpan | undefined
  /** When its caller waits no longer: never, if that has not said. In nanoseconds of the monotonic clock. */
  readonly expiresAt: number
  /** Among what is due, if its caller has said how long it waits and its handler takes its time. */
  expiry: Expiry | undefined
  /** Why nobody waits any more, if that is so: its caller has said so, or its deadline is over. */
  abandoned: "cancelled" | "expired" | undefined
}

/** The end of a caller's patience. */
export class Expiry extends Deadline<Expiry> {
  readonly request: Admitted

  constructor(request: Admitted) {
    super()
    this.request = request
  }
}

/** The request that a handler's fiber runs for. Fibers that the handler forks inherit it. */
export class Running extends Context.Service<Running, Admitted>()("effect-rpcudp/internal/request/Running") {}
