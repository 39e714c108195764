/** Logs and spans, paid for only where somebody looks. */
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as LogLevel from "effect/LogLevel"
import * as NetAddress from "effect/net/NetAddress"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"
import type { Peer } from "../socket/contract.ts"
import type { DropReason } from "./metrics.ts"

/** Logs a dropped datagram at debug. */
export const logDrops = (context: Context.Context<never>): (reason: DropReason, from: Peer) => void => {
  if (LogLevel.isGreaterThan(Context.get(context, References.MinimumLogLevel), "Debug")) return () => {}
  const fork = Effect.runForkWith(context)
  return (reason, from) => {
    fork(Effect.annotateLogs(Effect.logDebug("rpcudp: dropped a datagram"), { reason, sender: format(from) }))
  }
}

/** Logs at error what went wrong here. A peer is told only that it did. */
export const logDefect = (
  context: Context.Context<never>,
  message: string,
  cause: Cause.Cause<unknown>,
  about: { readonly method?: string; readonly sender?: Peer }
): void => {
  const { method, sender } = about
  const log = Effect.annotateLogs(Effect.logError(message, cause), {
    ...(method === undefined ? {} : { method }),
    ...(sender === undefined ? {} : { sender: format(sender) })
  })
  Effect.runForkWith(context)(log)
}

const format = (peer: Peer): string => NetAddress.formatInet(peer.address)

// Without a tracer of its own a program would build spans that nobody ever sees: some 2 us for each end of a call.
const isTraced = (context: Context.Context<never>): boolean =>
  Context.getOrUndefined(context, Tracer.Tracer) !== undefined && Context.get(context, References.TracerEnabled)

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

/** Gives each request of a method a span, if the handler's layer was built in a traced program, in this context. */
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

const spanName = (service: string | undefined, method: string): string =>
  service === undefined ? method : `${service}/${method}`

// https://opentelemetry.io/docs/specs/semconv/rpc/rpc-spans/
const rpcAttributes = (service: string | undefined, method: string) => ({
  "rpc.system": "rpcudp",
  ...(service === undefined ? {} : { "rpc.service": service }),
  "rpc.method": method,
  "network.transport": "udp"
})
