/** The page, and what it is told and asks for, over HTTP on loopback. */
import { NodeHttpServer } from "@effect/platform-node"
import { ByteSize, Effect, Layer, Schema, Stream } from "effect"
import { HttpIncomingMessage, HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { createHash } from "node:crypto"
import { readFile } from "node:fs/promises"
import { createServer } from "node:http"
import * as Message from "./Message.ts"
import { Network, Refused } from "./Network.ts"

/** Serves the page of a network on 127.0.0.1. Port 0 lets the system choose. */
export const layer = (port: number) =>
  HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true }).pipe(
    Layer.provideMerge(
      NodeHttpServer.layer(createServer, {
        host: "127.0.0.1",
        port,
        // A page that is open listens for ever: whoever closes the server does not wait for it.
        disablePreemptiveShutdown: true
      })
    )
  )

// ---------------------------------------------------------------------------------------------------------------------
// routes
// ---------------------------------------------------------------------------------------------------------------------

const page = HttpRouter.use(Effect.fnUntraced(function*(router) {
  const html = yield* Effect.promise(() => readFile(new URL("page.html", import.meta.url), "utf8"))
  yield* router.add(
    "GET",
    "/",
    HttpServerResponse.text(html, {
      contentType: "text/html; charset=utf-8",
      headers: { "content-security-policy": policyOf(html), "x-content-type-options": "nosniff" }
    })
  )
}))

/** The page's own script and style and nothing else, and no string ever becomes HTML or code. */
const policyOf = (html: string): string => {
  const own = (tag: string) => {
    const text = html.slice(html.indexOf(`<${tag}>`) + tag.length + 2, html.indexOf(`</${tag}>`))
    return `'sha256-${createHash("sha256").update(text).digest("base64")}'`
  }
  return [
    "default-src 'none'",
    `script-src ${own("script")}`,
    `style-src ${own("style")}`,
    "img-src data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'"
  ].join("; ")
}

const events = HttpRouter.add(
  "GET",
  "/events",
  Effect.map(Network, (network) => {
    const states = Stream.tick("200 millis").pipe(
      Stream.mapEffect(() => network.state),
      Stream.map((state) => encodeState(state)),
      Stream.changes
    )
    const happenings = Stream.map(network.happenings, (happening) => encodeHappening(happening))
    return HttpServerResponse.stream(
      Stream.merge(states, happenings).pipe(Stream.map((json) => `data: ${json}\n\n`), Stream.encodeText),
      { contentType: "text/event-stream", headers: { "cache-control": "no-store" } }
    )
  })
)

const encodeState = Schema.encodeSync(Schema.fromJsonString(Schema.toCodecJson(Message.State)))

const encodeHappening = Schema.encodeSync(Schema.fromJsonString(Schema.toCodecJson(Message.Happening)))

/** Returns what comes of it, or why it was refused. */
const answer = <E, R>(effect: Effect.Effect<unknown, E | Refused, R>) =>
  effect.pipe(
    Effect.flatMap((value) => HttpServerResponse.json(value ?? {})),
    Effect.catchIf(
      (error) => error instanceof Refused,
      ({ message }) => HttpServerResponse.json({ message }, { status: 409 })
    )
  )

const post = <A, R>(
  path: `/${string}`,
  schema: Schema.ConstraintDecoder<A, R>,
  run: (network: Network["Service"], asked: A) => Effect.Effect<unknown, Refused>
) =>
  HttpRouter.add(
    "POST",
    path,
    Effect.gen(function*() {
      const network = yield* Network
      const asked = yield* HttpServerRequest.schemaBodyJson(schema)
      return yield* answer(run(network, asked))
    }).pipe(
      Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.kibibytes(16)),
      Effect.catchTag("SchemaError", ({ message }) => HttpServerResponse.json({ message }, { status: 400 }))
    )
  )

const contacts = HttpRouter.add(
  "GET",
  "/nodes/:id/contacts",
  Effect.gen(function*() {
    const network = yield* Network
    const { id } = yield* HttpRouter.schemaPathParams(Message.NodeParam)
    return yield* answer(network.contactsOf(id))
  }).pipe(Effect.catchTag("SchemaError", ({ message }) => HttpServerResponse.json({ message }, { status: 400 })))
)

/** Another site, in the same browser, reaches this server under a name of its own, or says where it comes from. */
const ownPageOnly = HttpRouter.middleware(
  (handle) =>
    Effect.gen(function*() {
      const { headers } = yield* HttpServerRequest.HttpServerRequest
      const host = headers["host"] ?? ""
      const isOwn = /^(127\.0\.0\.1|localhost)(:\d+)?$/.test(host) &&
        (headers["origin"] === undefined || headers["origin"] === `http://${host}`)
      return isOwn ? yield* handle : HttpServerResponse.empty({ status: 403 })
    }),
  { global: true }
)

const routes = Layer.mergeAll(
  ownPageOnly,
  page,
  events,
  contacts,
  post("/set", Message.Set, (network, asked) => network.set(asked)),
  post("/get", Message.Get, (network, asked) => network.get(asked)),
  post("/start", Schema.Struct({}), (network) => Effect.map(network.start, (node) => ({ node }))),
  post("/stop", Message.Stop, (network, { node }) => Effect.map(network.stop(node), (node) => ({ node }))),
  post("/loss", Message.SetLoss, (network, { loss }) => network.setLoss(loss)),
  post("/traffic", Message.SetTraffic, (network, { traffic }) => network.setTraffic(traffic))
)
