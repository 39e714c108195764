/** Takes a picture of the map after a lookup that took more than one hop: `node screenshot.ts FILE [light|dark] [WIDTH]`. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Option } from "effect"
import { HttpServer } from "effect/http"
import * as Browser from "./browser.ts"
import * as Network from "./Network.ts"
import * as Server from "./server.ts"

const [file = "kademlia-map.png", scheme = "light", width = "1280"] = process.argv.slice(2)

const program = Effect.gen(function*() {
  if (Option.isNone(Browser.path)) return yield* Console.error("there is no chromium here")
  const { address } = yield* HttpServer.HttpServer
  if (address._tag !== "InetAddressV4") return yield* Effect.die(new Error("the page is served at a port"))
  const network = yield* Network.Network
  const browser = yield* Browser.launch(Browser.path.value)
  const page = yield* Browser.open(browser, `http://127.0.0.1:${address.port}`, {
    viewport: { width: Number(width), height: 1060 },
    colorScheme: scheme === "dark" ? "dark" : "light"
  })
  yield* Browser.attempt(() => page.locator(".node").first().waitFor())
  yield* Browser.attempt(() => page.click("#pairs button[data-key=colour]"))

  // Most nodes know one that has it; the picture is of one that does not.
  yield* network.setLoss(0.12)
  const { nodes } = yield* network.state
  for (const { id } of nodes) {
    yield* Browser.attempt(() => page.selectOption("#by", id))
    const before = yield* Browser.attempt(() => page.locator("#search").getAttribute("data-number"))
    yield* Browser.attempt(() => page.click("#get"))
    yield* Browser.attempt(() => page.locator(`#search[data-state=ended]:not([data-number="${before}"])`).waitFor())
    const hops = yield* Browser.attempt(() => page.locator("#hops .hop[data-hop='2'].found").count())
    const lost = yield* Browser.attempt(() => page.locator("#hops .hop.lost").count())
    if (hops > 0 && lost > 0) break
  }
  yield* Browser.attempt(() => page.screenshot({ path: file, fullPage: true }))
  yield* Console.log(file)
})

program.pipe(
  Effect.scoped,
  Effect.provide(Server.layer(0).pipe(Layer.provideMerge(Network.layer({ nodes: 40, traffic: true })))),
  NodeRuntime.runMain
)
