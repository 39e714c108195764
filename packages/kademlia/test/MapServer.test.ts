/** The server of the map, as other sites and programs on this machine meet it: it obeys its own page alone. */
import { NodeServices } from "@effect/platform-node"
import { expect, it, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { HttpServer } from "effect/http"
import { request } from "node:http"
import { fileURLToPath } from "node:url"
import * as Processes from "../../../test/support/processes.ts"
import * as Network from "../map/Network.ts"
import * as Server from "../map/server.ts"

interface Asked {
  readonly method?: string
  readonly path?: string
  readonly headers?: Record<string, string>
  readonly body?: string
}

interface Told {
  readonly status: number
  readonly headers: Readonly<Record<string, string | Array<string> | undefined>>
  readonly body: string
}

const live = Server.layer(0).pipe(Layer.provide(Network.layer({ nodes: 2, traffic: false })))

/** Sends a request as it stands: no browser, and no client, that would put it right. */
const ask = Effect.fnUntraced(function*({ body, headers, method = "GET", path = "/" }: Asked) {
  const { address } = yield* HttpServer.HttpServer
  const port = address._tag === "InetAddressV4" ? address.port : 0
  const own = { host: `127.0.0.1:${port}` }
  const told = yield* Effect.callback<Told>((resume) => {
    const sent = request({ host: "127.0.0.1", port, method, path, setHost: false, headers: { ...own, ...headers } })
    sent.once("response", (response) => {
      let text = ""
      response.setEncoding("utf8")
      response.on("data", (chunk: string) => text += chunk)
      response.once(
        "close",
        () => resume(Effect.succeed({ status: response.statusCode ?? 0, headers: response.headers, body: text }))
      )
    })
    // It may hang up before it has heard all.
    sent.once("error", () => resume(Effect.succeed({ status: 0, headers: {}, body: "" })))
    sent.end(body)
  })
  return { ...told, port }
})

const json = { "content-type": "application/json" }

layer(live, { excludeTestServices: true })("the server of the map", (it) => {
  it.effect("gives its page, which runs no other script, to whoever asks for it by its own name", () =>
    Effect.gen(function*() {
      const { body, headers, port, status } = yield* ask({})
      expect(status).toBe(200)
      expect(body).toContain("<script>")
      const policy = String(headers["content-security-policy"])
      for (const rule of ["default-src 'none'", "require-trusted-types-for 'script'", "frame-ancestors 'none'"]) {
        expect(policy).toContain(rule)
      }
      expect(policy).not.toContain("unsafe")
      expect((yield* ask({ headers: { host: `localhost:${port}` } })).status).toBe(200)
    }))

  it.effect("does nothing for other sites: under a name of theirs, or from their pages", () =>
    Effect.gen(function*() {
      const { port } = yield* ask({})
      const set = { method: "POST", path: "/loss", body: JSON.stringify({ loss: 1 }) }
      const others: ReadonlyArray<Record<string, string>> = [
        // A name that has been made to lead here.
        { host: `attacker.example:${port}` },
        { host: `127.0.0.1.attacker.example:${port}` },
        { host: `attacker.example#127.0.0.1:${port}` },
        { host: "" },
        { origin: "https://attacker.example" },
        { origin: "null" },
        { origin: `http://127.0.0.1.attacker.example:${port}` },
        // Another server on this machine.
        { origin: `http://127.0.0.1:${port + 1}` },
        { host: `localhost:${port}`, origin: `http://127.0.0.1:${port}` }
      ]
      for (const headers of others) {
        for (const asked of [set, { path: "/events" }, { path: "/" }]) {
          const { body, status } = yield* ask({ ...asked, headers: { ...json, ...headers } })
          expect([headers, status, body]).toStrictEqual([headers, 403, ""])
        }
      }
      // Nobody has turned the loss up: then no node would take it.
      const stored = yield* ask({
        method: "POST",
        path: "/set",
        headers: json,
        body: `{"key":"a","by":"","value":"b"}`
      })
      expect(JSON.parse(stored.body)).toMatchObject({ taken: 1 })
      const own = yield* ask({ ...set, headers: { ...json, origin: `http://127.0.0.1:${port}` }, body: `{"loss":0}` })
      expect(own.status).toBe(200)
    }))

  it.effect("gives no file but its page", () =>
    Effect.gen(function*() {
      const paths = [
        "/../package.json",
        "/..%2f..%2fpackage.json",
        "/%2e%2e/%2e%2e/package.json",
        "//etc/passwd",
        "/etc/passwd",
        "/page.html",
        "/nodes/..%2f..%2fpackage.json/contacts",
        "/\\..\\package.json"
      ]
      for (const path of paths) {
        const { body, status } = yield* ask({ path })
        expect([path, status >= 400]).toStrictEqual([path, true])
        expect(body).not.toMatch(/effect-kademlia|root:/)
      }
    }))

  it.effect("reads no more of a body than a page would send, and only what it must be", () =>
    Effect.gen(function*() {
      const long = JSON.stringify({ key: "a", by: "", value: "b", more: "x".repeat(1_000_000) })
      const bodies = [long, "x".repeat(1_000_000), "{", "[]", "null", `{"key":"","by":"","value":"b"}`, `{"key":1}`]
      for (const body of bodies) {
        const { status } = yield* ask({ method: "POST", path: "/set", headers: json, body })
        expect([body.slice(0, 40), status === 0 || (status >= 400 && status < 500)]).toStrictEqual([
          body.slice(0, 40),
          true
        ])
      }
      expect((yield* ask({})).status).toBe(200)
    }))

  it.effect("tells what strangers have set as data, never as markup", () =>
    Effect.gen(function*() {
      const value = "</script><img src=x onerror=alert(1)>\ndata: {}\n\n"
      const { body, headers, status } = yield* ask({
        method: "POST",
        path: "/set",
        headers: json,
        body: JSON.stringify({ key: "<b>", by: "", value })
      })
      expect(status).toBe(200)
      expect(headers["content-type"]).toContain("application/json")
      expect(JSON.parse(body)).toMatchObject({ key: "<b>", value })
    }))
})

it.live("the map ends when it is told to, though somebody listens to its events", () =>
  Effect.gen(function*() {
    const { next, process: command } = yield* Processes.start(process.execPath, [
      "--import",
      fileURLToPath(new URL("../../../test/support/sources.ts", import.meta.url)),
      fileURLToPath(new URL("../map/main.ts", import.meta.url)),
      "--nodes",
      "3"
    ])
    const url = new URL("/events", yield* next)
    yield* Effect.callback<void>((resume) => {
      const sent = request(url)
      // The server hangs up when it ends.
      sent.on("error", () => {})
      sent.once("response", (response) => {
        response.on("error", () => {})
        response.on("data", () => resume(Effect.void))
      })
      sent.end()
      return Effect.sync(() => sent.destroy())
    })
    yield* command.kill({ killSignal: "SIGTERM", forceKillAfter: "5 seconds" })
    // As of a program that was interrupted, not of one that had to be killed.
    expect(yield* command.exitCode).toBe(130)
  }).pipe(Effect.provide(NodeServices.layer)))
