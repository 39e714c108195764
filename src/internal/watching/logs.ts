/** Logs: of dropped datagrams, and of what went wrong in this process. */
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as LogLevel from "effect/LogLevel"
import * as NetAddress from "effect/net/NetAddress"
import * as References from "effect/References"
import type { Peer } from "../socket/contract.ts"
import type { DropReason } from "./metrics.ts"

/** Logs dropped datagrams at debug. At any other level it costs nothing a datagram. */
export const logDrops = (context: Context.Context<never>): (reason: DropReason, from: Peer) => void => {
  if (LogLevel.isGreaterThan(Context.get(context, References.MinimumLogLevel), "Debug")) return () => {}
  const fork = Effect.runForkWith(context)
  return (reason, from) => {
    fork(Effect.annotateLogs(Effect.logDebug("rpcudp: dropped a datagram"), { reason, sender: format(from) }))
  }
}

/** Logs at error what went wrong in this process. A peer is told that something did, and not what. */
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
