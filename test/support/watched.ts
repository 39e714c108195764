/** Nodes over UDP whose metrics are served as docs/running.md says. */
import { NodeHttpServer } from "@effect/platform-node"
import { Context, Deferred, Effect, Layer } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { PrometheusMetrics } from "effect/observability"
import { createServer } from "node:http"
import { Protocol, Transport } from "../../src/index.ts"
import { Greeter, greeterLive } from "./Contract.ts"
import { node, raw } from "./nodes.ts"

const loopback = Transport.layer({ address: "127.0.0.1" })

/** A node that greets and one that calls it, in one process, whose metrics are served over HTTP. */
export const watched = Effect.gen(function*() {
  const server = yield* node(Protocol.serve(Greeter).pipe(Layer.provide(greeterLive())), loopback)
  const { address } = Context.get(server, Protocol.Protocol)
  const protocol = Context.get(yield* Layer.build(Protocol.layer().pipe(Layer.provide(loopback))), Protocol.Protocol)
  const greeter = (yield* Protocol.client(Greeter).pipe(Effect.provideService(Protocol.Protocol, protocol)))(address)
  const stranger = yield* raw(loopback)

  const waiting = new Set<{ scrapes: number; readonly done: Deferred.Deferred<void> }>()
  const http = createServer().on("request", () => {
    for (const waits of waiting) {
      if (--waits.scrapes === 0 && waiting.delete(waits)) Deferred.doneUnsafe(waits.done, Effect.void)
    }
  })
  const exporter = HttpRouter.serve(PrometheusMetrics.layerHttp(), { disableLogger: true, disableListenLog: true })
    .pipe(
      Layer.provideMerge(NodeHttpServer.layer(() => http, { host: "127.0.0.1", port: 0 }))
    )
  const target = Context.get(yield* Layer.build(exporter), HttpServer.HttpServer).address

  return {
    address,
    greeter,
    protocol,
    /** Where a Prometheus finds the metrics. */
    target: HttpServer.formatAddress(target).replace("http://", ""),
    /** A stranger's datagram that is dropped as `TooShort`. Done once it has been dealt with. */
    drop: Effect.andThen(
      Effect.sync(() => stranger.send(address, new Uint8Array(1))),
      greeter.poke()
    ),
    /** Waits until a Prometheus has what was counted so far. */
    // The third scrape from now: the first may have begun before, and the second may not have been kept yet.
    scraped: Effect.suspend(() => {
      const done = Deferred.makeUnsafe<void>()
      waiting.add({ scrapes: 3, done })
      return Deferred.await(done)
    })
  }
})
