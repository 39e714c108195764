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

export type RequestSpan = <A, E, R>(handler: Effect.Effect<A, E, R>, from: Peer) => Effect.Effect<A, E, R>

/** Gives each request of a method a span, if its handlers' layer was built with a tracer, in this context. */
export const requestSpans = (context: Context.Context<never>, service: string, method: string): RequestSpan => {
  if (!isTraced(context)) return (handler) => handler
  return (handler, from) =>
    Effect.withSpan(handler, spanName(service, method), {
      kind: "server",
      root: true,
      attributes: {
        ...rpcAttributes(service, method),
        "client.address": NetAddress.formatIp(from.address.address),
        "client.port": from.address.port
      }
    })
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
