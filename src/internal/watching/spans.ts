/** Spans, made only where a tracer is there to see them. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as NetAddress from "effect/net/NetAddress"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"
import type { Peer } from "../socket/contract.ts"

/** A span for a call, if the calling fiber is traced. `service` is the id of the group, if there is a contract. */
export const callSpan = <A, E>(
  call: Effect.Effect<A, E>,
  fiber: Fiber.Fiber<unknown, unknown>,
  service: string | undefined,
  method: string,
  peer: Peer
): Effect.Effect<A, E> =>
  isTraced(fiber.context)
    ? Effect.withSpan(call, spanName(service, method), {
      kind: "client",
      attributes: {
        ...rpcAttributes(service, method),
        "server.address": NetAddress.formatIp(peer.address.address),
        "server.port": peer.address.port
      }
    })
    : call

/** The span of the caller, as W3C's trace context writes it, if the calling fiber is traced. */
export const traceparentOf = (fiber: Fiber.Fiber<unknown, unknown>): Uint8Array | undefined => {
  const span = isTraced(fiber.context) ? Context.getOrUndefined(fiber.context, Tracer.ParentSpan) : undefined
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

export type RequestSpan = <A, E, R>(
  handler: Effect.Effect<A, E, R>,
  from: Peer,
  traceparent: Uint8Array | undefined
) => Effect.Effect<A, E, R>

/** Gives each request of a method a span, if its handlers' layer was built with a tracer, in this context. */
export const requestSpans = (
  context: Context.Context<never>,
  service: string,
  method: string,
  remote: RemoteSpans
): RequestSpan => {
  if (!isTraced(context)) return (handler) => handler
  return (handler, from, traceparent) =>
    Effect.withSpan(handler, spanName(service, method), {
      kind: "server",
      ...relationOf(traceparent, remote),
      attributes: {
        ...rpcAttributes(service, method),
        "client.address": NetAddress.formatIp(from.address.address),
        "client.port": from.address.port
      }
    })
}

const relationOf = (traceparent: Uint8Array | undefined, remote: RemoteSpans): Tracer.SpanOptionsNoTrace => {
  if (traceparent === undefined || remote === "none") return { root: true }
  const hex = Array.from(traceparent, (byte) => byte.toString(16).padStart(2, "0")).join("")
  const [traceId, spanId] = [hex.slice(0, 32), hex.slice(32, 48)]
  // W3C's trace context: an id of zeros is none.
  if (/^0*$/.test(traceId) || /^0*$/.test(spanId)) return { root: true }
  const span = Tracer.externalSpan({ traceId, spanId, sampled: (traceparent[24]! & 1) === 1 })
  return remote === "parent" ? { parent: span } : { root: true, links: [{ span, attributes: {} }] }
}

// Effect's default tracer makes spans that nobody sees. Only a tracer that the program has given is worth their cost.
const isTraced = (context: Context.Context<never>): boolean =>
  Context.getOrUndefined(context, Tracer.Tracer) !== undefined && Context.get(context, References.TracerEnabled)

const spanName = (service: string | undefined, method: string): string =>
  service === undefined ? method : `${service}/${method}`

// https://opentelemetry.io/docs/specs/semconv/rpc/rpc-spans/
const rpcAttributes = (service: string | undefined, method: string) => ({
  "rpc.system": "rpcudp",
  ...(service === undefined ? {} : { "rpc.service": service }),
  "rpc.method": method,
  "network.transport": "udp"
})
