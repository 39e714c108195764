/** `rpcudp watch`, a process, of a node that serves its metrics over HTTP. */
import { NodeHttpServer, NodeServices } from "@effect/platform-node"
import { describe, expect, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { HttpRouter, HttpServer, HttpServerResponse } from "effect/http"
import { createServer } from "node:http"
import { withMetrics } from "../../../test/support/nodes.ts"
import { watched } from "../../../test/support/watched.ts"
import { exitCodes } from "../src/Failure.ts"
import { rpcudp, start } from "./rpcudp.ts"

/** Serves metrics of something else. */
const stranger = Effect.gen(function*() {
  const other = HttpRouter.add("GET", "/metrics", HttpServerResponse.text("go_goroutines 1\n"))
  const context = yield* Layer.build(
    HttpRouter.serve(other, { disableLogger: true, disableListenLog: true }).pipe(
      Layer.provideMerge(NodeHttpServer.layer(() => createServer(), { host: "127.0.0.1", port: 0 }))
    )
  )
  return HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address)
})

describe("rpcudp watch", () => {
  layer(NodeServices.layer, { excludeTestServices: true })((it) => {
    it.effect("prints a row for each interval, below one header, with what a node does meanwhile", () =>
      Effect.gen(function*() {
        const { drop, greeter, target } = yield* watched
        const { next } = yield* start(["watch", target, "--interval", "20ms"])
        expect((yield* next).trim().replace(/ +/g, " ")).toBe(
          "served failed avg ms running called failed avg ms waiting in out dropped"
        )
        yield* drop
        yield* Effect.flip(greeter.lookup("gone"))
        const rows: Array<string> = []
        while (!/dropped: TooShort/.test(rows.join()) || !/requests: error/.test(rows.join())) rows.push(yield* next)
        for (const row of rows) expect(row).toMatch(/^(?: +(?:[\d.]+|-)){11}(?:  \w+: .+)?$/)
      }).pipe(withMetrics))

    it.effect("ends after as many rows as it is told to print", () =>
      Effect.gen(function*() {
        const { target } = yield* watched
        const { exitCode, stderr, stdout } = yield* rpcudp([
          "watch",
          `http://${target}/metrics`,
          "--interval",
          "1ms",
          "--count",
          "30"
        ])
        expect([exitCode, stderr, stdout.trimEnd().split("\n").length]).toEqual([0, "", 31])
      }).pipe(withMetrics))

    it.effect("says in one line why there is nothing to watch", () =>
      Effect.gen(function*() {
        const url = yield* stranger
        const cases = [
          [`${url}/metrics`, "Unreadable", "it has no metrics of effect-rpcudp"],
          [`${url}/nowhere`, "Unreadable", "its status is 404"],
          ["127.0.0.1:9", "Unreadable", "http://127.0.0.1:9/metrics: "],
          ["nowhere at all", "Usage", "neither a URL nor HOST:PORT"]
        ] as const
        for (const [typed, kind, message] of cases) {
          const { exitCode, stderr, stdout } = yield* rpcudp(["watch", typed, "--count", "1"])
          expect([exitCode, stdout]).toEqual([exitCodes[kind], ""])
          expect(stderr).toMatch(/^rpcudp: .+\n$/)
          expect(stderr).toContain(message)
        }
      }))
  })
})
