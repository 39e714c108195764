/**
 * Reads the built site as people do, in Chromium: no broken link, picture or heading, nothing in the console, no scrolling
 * sideways at 360 pixels, dark and light, and a search that finds. `node site/check.ts [--pictures FOLDER]`.
 */
import { existsSync, globSync, readFileSync, statSync } from "node:fs"
import { createServer } from "node:http"
import { extname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import type { Browser, Page } from "playwright-core"
import { chromium } from "playwright-core"
import { path } from "../packages/kademlia/map/browser.ts"

const dist = fileURLToPath(new URL("dist/", import.meta.url))
const { values: { pictures } } = parseArgs({ options: { pictures: { type: "string" } } })

const narrow = { width: 360, height: 740 }
const wide = { width: 1280, height: 900 }

const types: { readonly [extension: string]: string } = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".woff2": "font/woff2"
}

const server = createServer((request, response) => {
  const { pathname } = new URL(request.url ?? "/", "http://localhost")
  const file = join(dist, pathname.endsWith("/") ? `${pathname}index.html` : pathname)
  if (!existsSync(file) || !statSync(file).isFile()) {
    response.writeHead(404)
    response.end()
    return
  }
  response.writeHead(200, { "content-type": types[extname(file)] ?? "application/octet-stream" })
  response.end(readFileSync(file))
})

const problems = new Set<string>()

/** What a page has: where its links lead, and the headings that links may lead to. */
interface Read {
  readonly links: ReadonlyArray<string>
  readonly ids: ReadonlySet<string>
}

const open = async (browser: Browser, colorScheme: "dark" | "light"): Promise<Page> => {
  const page = await browser.newPage({ viewport: narrow, colorScheme })
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") problems.add(`${page.url()}: ${message.text()}`)
  })
  page.on("pageerror", (error) => problems.add(`${page.url()}: ${error.message}`))
  page.on("response", (response) => {
    if (response.status() >= 400) problems.add(`${page.url()}: ${response.status()} for ${response.url()}`)
  })
  return page
}

const read = async (page: Page, url: string): Promise<Read> => {
  await page.goto(url, { waitUntil: "networkidle" })
  const overflow = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
  if (overflow !== 0) problems.add(`${url}: is ${String(overflow)} pixels too wide at ${narrow.width}`)
  const broken = await page.locator("main img, .VPContent img").evaluateAll(async (images) => {
    const found: Array<string> = []
    for (const image of images as Array<{ src: string; naturalWidth: number; decode: () => Promise<void> }>) {
      await image.decode().catch(() => {})
      if (image.naturalWidth === 0) found.push(image.src)
    }
    return found
  })
  for (const src of broken) problems.add(`${url}: the picture ${src} does not show`)
  const links = await page.locator("a[href]").evaluateAll((anchors) => anchors.map((anchor) => String(anchor.href)))
  const ids = await page.locator("[id]").evaluateAll((elements) => elements.map((element) => String(element.id)))
  return { links, ids: new Set(ids) }
}

const checkLinks = (origin: string, reads: ReadonlyMap<string, Read>): void => {
  for (const [url, { links }] of reads) {
    for (const link of new Set(links)) {
      if (!link.startsWith(origin)) continue
      const [target = "", anchor = ""] = link.split("#")
      const file = target.endsWith("/") ? `${target}index.html` : target
      const found = reads.get(file)
      // What is no page is taken away.
      const isThere = found !== undefined || existsSync(join(dist, new URL(file).pathname))
      if (!isThere) problems.add(`${url}: links to ${target}, which is not there`)
      else if (anchor !== "" && found?.ids.has(decodeURIComponent(anchor)) !== true) {
        problems.add(`${url}: links to ${link}, which has no such heading`)
      }
    }
  }
}

const checkSearch = async (page: Page, url: string): Promise<void> => {
  await page.setViewportSize(wide)
  await page.goto(url, { waitUntil: "networkidle" })
  await page.keyboard.press("Control+k")
  const found = async () => {
    await page.locator("#localsearch-input").fill("withRetransmit", { timeout: 10_000 })
    await page.locator(".VPLocalSearchBox .result").first().waitFor({ timeout: 10_000 })
  }
  await found().catch(() => problems.add(`${url}: the search finds nothing`))
}

const background = (page: Page): Promise<unknown> => page.evaluate("getComputedStyle(document.body).backgroundColor")

const main = async (executablePath: string): Promise<void> => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("the site is served at a port")
  const origin = `http://127.0.0.1:${address.port}/`
  const browser = await chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ["--no-sandbox"] : [] })
  const light = await open(browser, "light")
  const reads = new Map<string, Read>()
  for (const file of globSync("**/*.html", { cwd: dist }).sort()) {
    const url = origin + file.replaceAll("\\", "/")
    if (!url.endsWith("/404.html")) reads.set(url, await read(light, url))
  }
  if (reads.size === 0) problems.add("the site has no page: npm run docs:build comes first")
  checkLinks(origin, reads)
  await checkSearch(light, origin)
  const dark = await open(browser, "dark")
  await dark.goto(origin, { waitUntil: "networkidle" })
  await light.goto(origin, { waitUntil: "networkidle" })
  if (await background(dark) === await background(light)) problems.add("dark and light look the same")
  if (pictures !== undefined) {
    for (const [name, page] of [["light", light], ["dark", dark]] as const) {
      for (const file of ["index", "guide", "docs/options", "api/Protocol"]) {
        for (const viewport of [wide, narrow]) {
          await page.setViewportSize(viewport)
          await page.goto(`${origin}${file}.html`, { waitUntil: "networkidle" })
          const picture = `${file.replaceAll("/", "-")}-${name}-${viewport.width}.png`
          await page.screenshot({ path: join(pictures, picture), fullPage: file === "index" })
        }
      }
    }
  }
  await browser.close()
  console.log(`${reads.size} pages`)
}

if (path._tag === "None") {
  console.log("skipped: there is no Chromium here (Debian: chromium)")
} else {
  await main(path.value)
  server.close()
  for (const problem of problems) console.error(problem)
  process.exitCode = problems.size > 0 ? 1 : 0
}
