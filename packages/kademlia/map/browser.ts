/** The Chromium of this machine, without a window. None is ever downloaded. */
import { Effect, Option, Schema } from "effect"
import { existsSync } from "node:fs"
import type { Browser, BrowserContextOptions, Page } from "playwright-core"
import { chromium } from "playwright-core"

export class BrowserFailed extends Schema.TaggedError<BrowserFailed>()("BrowserFailed", { cause: Schema.Defect() }) {}

/** Where it is, if it is there: `apt-get install chromium` puts it at the first of these. */
export const path: Option.Option<string> = Option.fromUndefinedOr(
  ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) => existsSync(path))
)

/** A browser that closes with its scope. */
export const launch = Effect.fnUntraced(function*(executablePath: string) {
  return yield* Effect.acquireRelease(
    attempt(() => chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ["--no-sandbox"] : [] })),
    (browser) => Effect.promise(() => browser.close())
  )
})

/** A page that shows a URL. */
export const open = Effect.fnUntraced(function*(browser: Browser, url: string, options?: BrowserContextOptions) {
  const context = yield* Effect.acquireRelease(
    attempt(() => browser.newContext(options)),
    (context) => Effect.promise(() => context.close())
  )
  const page = yield* attempt(() => context.newPage())
  yield* attempt(() => page.goto(url))
  return page
})

export const attempt = <A>(run: () => Promise<A>): Effect.Effect<A, BrowserFailed> =>
  Effect.tryPromise({ try: run, catch: (cause) => new BrowserFailed({ cause }) })

/** The state of the lookup that is on the stage. */
export const stage = (page: Page, state: "running" | "ended") => page.locator(`#search[data-state=${state}]`)
