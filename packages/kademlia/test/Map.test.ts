/** The map of a network as people see it: in a real browser, of a real process with real sockets. */
import { NodeServices } from "@effect/platform-node"
import { expect, it } from "@effect/vitest"
import { Effect, Fiber, Option, Stream } from "effect"
import { createServer } from "node:net"
import { fileURLToPath } from "node:url"
import type { BrowserContextOptions, Page } from "playwright-core"
import * as Needs from "../../../test/support/needs.ts"
import * as Processes from "../../../test/support/processes.ts"
import * as Browser from "../map/browser.ts"

const size = 24

const pathOf = (file: string) => fileURLToPath(new URL(file, import.meta.url))

/** The command, in a process group of its own, which ends with the scope. */
const startMap = Effect.gen(function*() {
  const { next, process: command } = yield* Processes.start(process.execPath, [
    "--import",
    pathOf("../../../test/support/sources.ts"),
    pathOf("../map/main.ts"),
    "--quiet",
    // On a machine that is busy, half a second is not enough for every call, and each that is late counts as lost.
    "--timeout",
    "3000",
    "--nodes",
    String(size)
  ], { stderr: "pipe", detached: true })
  const stderr = yield* command.stderr.pipe(Stream.decodeText(), Stream.mkString, Effect.forkScoped)
  return { command, stderr, url: yield* next }
})

/**
 * A page of a network of its own, and what its console has said that is not well. Without motion it does not wait for
 * eyes to follow.
 */
const openMap = Effect.fnUntraced(
  function*(motion: Pick<BrowserContextOptions, "reducedMotion"> = { reducedMotion: "reduce" }) {
    const { url } = yield* startMap
    const browser = yield* Browser.launch(Option.getOrThrow(Browser.path))
    const page = yield* Browser.open(browser, "about:blank", { viewport: { width: 1280, height: 900 }, ...motion })
    const complaints: Array<string> = []
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") complaints.push(message.text())
    })
    page.on("pageerror", (error) => complaints.push(error.message))
    yield* tried(() => page.goto(url))
    yield* tried(() => nodesOf(page).nth(size - 1).waitFor())
    return { page, complaints }
  }
)

const tried = Browser.attempt

const nodesOf = (page: Page) => page.locator(".node")

const textOf = (page: Page, selector: string) => tried(() => page.locator(selector).innerText())

const numberIn = (page: Page, selector: string) =>
  Effect.map(textOf(page, selector), (text) => Number(text.replaceAll(",", "")))

const idsOf = (page: Page, selector: string, attribute: string) =>
  Effect.gen(function*() {
    const elements = yield* tried(() => page.locator(selector).all())
    return yield* Effect.forEach(elements, (element) => tried(() => element.getAttribute(attribute)))
  })

const set = (page: Page, key: string, value: string) =>
  tried(async () => {
    await page.fill("#key", key)
    await page.fill("#value", value)
    await page.click("#set")
    await page.locator("#search[data-outcome=stored]").filter({ hasText: "keeps it" }).waitFor()
    await page.locator("#story", { hasText: `Stored ${key} at` }).waitFor()
  })

Needs.suite("the map of a Kademlia network", Option.isSome(Browser.path), Needs.chromium)(() => {
  it.live("draws every node, keys at their holders, and lookups that find them", () =>
    Effect.gen(function*() {
      const { complaints, page } = yield* openMap()
      expect(yield* tried(() => nodesOf(page).count())).toBe(size)
      expect(yield* textOf(page, "#size")).toBe(`${size} nodes`)
      expect(new Set(yield* idsOf(page, ".node", "data-id")).size).toBe(size)

      yield* set(page, "greeting", "Hello")
      const row = page.locator("#pairs button[data-key=greeting]")
      yield* tried(() => row.and(page.locator("[aria-pressed=true]")).waitFor())
      const takers = yield* idsOf(page, "#steps .store", "data-id")
      for (const id of takers) yield* tried(() => page.locator(`#holdings path[data-holder="${id}"]`).waitFor())
      const holders = yield* idsOf(page, "#holdings path", "data-holder")
      // The three that are closest to it, and the one that set it.
      expect(holders.length).toBeGreaterThanOrEqual(3)
      expect(holders).toEqual(expect.arrayContaining(takers))
      expect(new Set(yield* idsOf(page, ".node.holds", "data-id"))).toEqual(new Set(holders))
      expect(yield* tried(() => row.innerText())).toContain(`at ${holders.length} nodes`)

      yield* tried(() => page.click("#get"))
      yield* tried(() => page.locator("#search[data-state=ended][data-outcome=found]").waitFor())
      expect(yield* textOf(page, "#story")).toMatch(/^greeting is Hello: [1-9] hops?, \d+ nodes? asked, \d+ ms$/)
      const asked = yield* idsOf(page, "#hops .hop", "data-to")
      expect(asked.length).toBeGreaterThan(0)
      expect(yield* idsOf(page, "#steps li:not(.store)", "data-id")).toEqual(expect.arrayContaining(asked))
      expect(yield* tried(() => page.locator(".node.origin").count())).toBe(1)
      // Who had it is one of those that keep it.
      const finders = yield* idsOf(page, ".node.found", "data-id")
      expect(finders.length).toBeGreaterThan(0)
      expect(holders).toEqual(expect.arrayContaining(finders))

      yield* tried(() => page.fill("#key", "nobody set this"))
      yield* tried(() => page.click("#get"))
      yield* tried(() => page.locator("#search[data-outcome=missing]").waitFor())
      expect(yield* textOf(page, "#story")).toMatch(/^Nobody has nobody set this: /)
      expect(complaints).toEqual([])
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("plays a lookup hop by hop, slowly enough to follow", () =>
    Effect.gen(function*() {
      const { complaints, page } = yield* openMap({ reducedMotion: "no-preference" })
      yield* tried(() => page.fill("#key", "river"))
      yield* tried(() => page.click("#get"))
      // Over loopback an answer is there at once, but it waits its turn.
      yield* tried(() =>
        page.locator("#search[data-state=running] #steps li", { hasText: "asking…" }).first().waitFor()
      )
      yield* tried(() => page.locator("#search[data-outcome=found] #steps .found").first().waitFor())
      expect(yield* textOf(page, "#story")).toMatch(/^river is Danube: /)
      const finders = yield* idsOf(page, "#steps .found", "data-id")
      expect(yield* idsOf(page, "#hops .hop.found", "data-to")).toEqual(expect.arrayContaining(finders))
      expect(complaints).toEqual([])
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("counts and shows the calls that are lost as loss is turned up", () =>
    Effect.gen(function*() {
      const { complaints, page } = yield* openMap()
      expect(yield* numberIn(page, "#lost")).toBe(0)
      yield* tried(() => page.locator("#loss").fill("60"))
      yield* tried(() => page.locator("#lossout", { hasText: "60 %" }).waitFor())
      // 16 of 100 calls are answered: that ten in a row are, all the same, does not happen.
      yield* tried(() => page.fill("#key", "nobody set this"))
      for (let i = 0; i < 10 && (yield* tried(() => page.locator("#steps .lost").count())) === 0; i++) {
        const before = yield* tried(() => page.locator("#search").getAttribute("data-number"))
        yield* tried(() => page.click("#get"))
        yield* tried(() => page.locator(`#search[data-state=ended]:not([data-number="${before}"])`).waitFor())
      }
      expect(yield* tried(() => page.locator("#hops .hop.lost").count())).toBeGreaterThan(0)
      expect(yield* tried(() => page.locator(".node.lost").count())).toBeGreaterThan(0)
      yield* tried(() => page.locator("#lost", { hasNotText: /^0$/ }).waitFor())
      const [answered, lost] = [yield* numberIn(page, "#answered"), yield* numberIn(page, "#lost")]
      expect(lost).toBeGreaterThan(0)
      expect(yield* numberIn(page, "#calls")).toBeGreaterThanOrEqual(answered + lost)
      expect(complaints).toEqual([])
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("removes a node that is stopped, and draws one that is started", () =>
    Effect.gen(function*() {
      const { complaints, page } = yield* openMap()
      const [id] = yield* idsOf(page, ".node", "data-id")
      yield* tried(() => page.locator(`.node[data-id="${id}"] circle`).click())
      yield* tried(() => page.locator("#contacts path").first().waitFor())
      yield* tried(() => page.locator("#stop", { hasText: `Stop ${id?.slice(0, 4)}` }).click())
      yield* tried(() => page.locator(`.node[data-id="${id}"]`).waitFor({ state: "detached" }))
      expect(yield* tried(() => nodesOf(page).count())).toBe(size - 1)
      expect(yield* textOf(page, "#size")).toBe(`${size - 1} nodes`)
      expect(yield* tried(() => page.locator(`#by option[value="${id}"]`).count())).toBe(0)

      yield* tried(() => page.click("#start"))
      yield* tried(() => nodesOf(page).nth(size - 1).waitFor())
      expect(yield* idsOf(page, ".node", "data-id")).not.toContain(id)
      expect(complaints).toEqual([])
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("shows what looks like HTML as the text that it is", () =>
    Effect.gen(function*() {
      const { complaints, page } = yield* openMap()
      const [key, value] = ["<img src=x onerror=alert(1)>", "<b id=bold>bold</b><script>alert(1)</script>"]
      yield* set(page, key, value)
      yield* tried(() => page.locator("#pairs button", { hasText: `${key} = ${value}` }).waitFor())
      yield* tried(() => page.click("#get"))
      yield* tried(() => page.locator("#story", { hasText: `${key} is ${value}` }).waitFor())
      expect(yield* tried(() => page.locator("img, #bold").count())).toBe(0)
      expect(yield* tried(() => page.locator("script").count())).toBe(1)
      expect(complaints).toEqual([])
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("fits a phone", () =>
    Effect.gen(function*() {
      const { complaints, page } = yield* openMap()
      yield* tried(() => page.setViewportSize({ width: 360, height: 740 }))
      const main = yield* tried(() => page.locator("main").boundingBox())
      expect(main).toMatchObject({ x: 0, width: 360 })
      for (const card of yield* tried(() => page.locator(".card").all())) {
        const box = yield* tried(() => card.boundingBox())
        expect(box!.x + box!.width).toBeLessThanOrEqual(360)
      }
      expect(complaints).toEqual([])
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("ends when it is told to, though a page is open, and leaves nothing behind", () =>
    Effect.gen(function*() {
      const { command, stderr, url } = yield* startMap
      const browser = yield* Browser.launch(Option.getOrThrow(Browser.path))
      const page = yield* Browser.open(browser, url)
      yield* tried(() => nodesOf(page).nth(size - 1).waitFor())
      yield* command.kill({ killSignal: "SIGINT" })
      // As of a program that was interrupted, not of one that had to be killed.
      expect(yield* command.exitCode).toBe(130)
      expect(yield* Fiber.join(stderr)).toBe("")
      yield* tried(() => page.locator("#offline").waitFor())
      expect(isThere(command.pid)).toBe(false)
      yield* canListen(Number(new URL(url).port))
    }).pipe(Effect.provide(NodeServices.layer)))
})

/** Whether the process group has a member. */
const isThere = (group: number): boolean => {
  try {
    return process.kill(-group, 0)
  } catch {
    return false
  }
}

const canListen = (port: number) =>
  tried(() =>
    new Promise<void>((resolve, reject) => {
      const server = createServer()
      server.once("error", reject)
      server.listen(port, "127.0.0.1", () => server.close(() => resolve()))
    })
  )
