/** Spans, made only where a tracer is there to see them. */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as NetAddress from "effect/net/NetAddress"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"
import type { CompiledProcedure } from "../../Handlers.ts"
import type { Peer } from "../socket/contract.ts"
import { methodAttributes, methodOf, otherMethod, outcomeAttributes, system } from "./conventions.ts"
import type { CallOutcome, RequestOutcome } from "./metrics.ts"

/** What is called. */
export interface Called {
  readonly method: string
  /** Undefined: the call has no contract. */
  readonly procedure: CompiledProcedure | undefined
  readonly peer: Peer
}

/** A span for a call. The calling fiber is traced. */
export const callSpan = <A, E>(
  call: Effect.Effect<A, E>,
  { method, peer, procedure }: Called,
  outcomeOf: (exit: Exit.Exit<unknown, unknown>) => CallOutcome
): Effect.Effect<A, E> => {
  const known = methodOf(procedure)
  const address = NetAddress.formatIp(peer.address.address)
  const attributes = {
    ...methodAttributes(known),
    ...(known === otherMethod ? { "rpc.method_original": method } : {}),
    "server.address": address,
    "server.port": peer.address.port,
    "network.peer.address": address,
    "network.peer.port": peer.address.port
  }
  return Effect.useSpan(known === otherMethod ? system : known, { kind: "client", attributes }, (span) =>
    Effect.onExit(
      Effect.withParentSpan(call, span),
      (exit) => Effect.sync(() => setAttributes(span, outcomeAttributes(outcomeOf(exit))))
    ))
}

/** The span of the caller, as W3C's trace context writes it, if the calling fiber is traced. */
export const traceparentOf = (fiber: Fiber.Fiber<unknown, unknown>): Uint8Array | undefined => {
  const span = isTraced([fiber.context]) ? Context.getOrUndefined(fiber.context, Tracer.ParentSpan) : undefined
  // Spans that nobody sees have other ids.
  if (span === undefined || !/^[0-9a-f]{32}$/.test(span.traceId) || !/^[0-9a-f]{16}$/.test(span.spanId)) {
    return undefined
  }
  const hex = `${span.traceId}${span.spanId}${span.sampled ? "01" : "00"}`
  return Uint8Array.from({ length: hex.length / 2 }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16))
}

/**
 * What the span of a request has to do with the span that its caller says it has: it is linked to it, it is its child, or neither.
 * Whoever sends a request may write any span into it.
 */
export type RemoteSpans = "link" | "parent" | "none"

/** Starts the span of a request. */
export type StartRequestSpan = (from: Peer, traceparent: Uint8Array | undefined) => RequestSpan

/**
 * Starts the spans of the requests to a method, if one of these contexts has a tracer: that of the handler, which comes first,
 * that of whatever serves it, or that of the protocol.
 */
export const requestSpans = (
  contexts: ReadonlyArray<Context.Context<never>>,
  method: string,
  remote: RemoteSpans
): StartRequestSpan | undefined => {
  if (!isTraced(contexts)) return undefined
  const context = contexts.find(hasTracer)!
  const tracer = Context.get(context, Tracer.Tracer)
  const clock = Context.get(context, Clock.Clock)
  const run = Effect.runSyncWith(context)
  return (from, traceparent) => {
    const attributes = {
      ...methodAttributes(method),
      "network.peer.address": NetAddress.formatIp(from.address.address),
      "network.peer.port": from.address.port
    }
    const span = run(Effect.makeSpan(method, { kind: "server", ...relationOf(traceparent, remote), attributes }))
    return new RequestSpan(span, tracer, clock)
  }
}

/** The span of a request: from when it was admitted until it has ended, however it did. */
export class RequestSpan {
  readonly #span: Tracer.Span
  readonly #tracer: Tracer.Tracer
  readonly #clock: Clock.Clock
  #cause: Cause.Cause<unknown> | undefined

  constructor(span: Tracer.Span, tracer: Tracer.Tracer, clock: Clock.Clock) {
    this.#span = span
    this.#tracer = tracer
    this.#clock = clock
  }

  /** Makes the spans of what runs in this context children of this one. */
  addTo<R>(context: Context.Context<R>): Context.Context<R> {
    return context.pipe(Context.add(Tracer.ParentSpan, this.#span), Context.add(Tracer.Tracer, this.#tracer))
  }

  /** Why the request fails. What was said last counts. */
  failed(cause: Cause.Cause<unknown>): void {
    this.#cause = cause
  }

  end(outcome: RequestOutcome): void {
    setAttributes(this.#span, outcomeAttributes(outcome))
    this.#span.end(this.#clock.currentTimeNanosUnsafe(), this.#exitOf(outcome))
  }

  #exitOf(outcome: RequestOutcome): Exit.Exit<void, unknown> {
    if (outcome === "success") return Exit.void
    if (outcome === "interrupted" || outcome === "cancelled") return Exit.interrupt()
    return Exit.failCause(this.#cause ?? Cause.fail(outcome))
  }
}

const relationOf = (traceparent: Uint8Array | undefined, remote: RemoteSpans): Tracer.SpanOptionsNoTrace => {
  if (traceparent === undefined || remote === "none") return { root: true }
  const hex = Hex.encode(traceparent)
  const [traceId, spanId] = [hex.slice(0, 32), hex.slice(32, 48)]
  // W3C's trace context: an id of zeros is none.
  if (/^0*$/.test(traceId) || /^0*$/.test(spanId)) return { root: true }
  const span = Tracer.externalSpan({ traceId, spanId, sampled: (traceparent[24]! & 1) === 1 })
  return remote === "parent" ? { parent: span } : { root: true, links: [{ span, attributes: {} }] }
}

// Effect's default tracer makes spans that nobody sees. Only a tracer that the program has given is worth their cost.
export const isTraced = (contexts: ReadonlyArray<Context.Context<never>>): boolean =>
  contexts.some(hasTracer) && contexts.every((context) => Context.get(context, References.TracerEnabled))

const hasTracer = (context: Context.Context<never>): boolean =>
  Context.getOrUndefined(context, Tracer.Tracer) !== undefined

const setAttributes = (span: Tracer.Span, attributes: Readonly<Record<string, string>>): void => {
  for (const [name, value] of Object.entries(attributes)) span.attribute(name, value)
}
