/** The site over `site/pages`, which `site/build.ts` gathers. A reader's dark or light is the system's until they choose. */
import { existsSync, readFileSync } from "node:fs"
import { defineConfig } from "vitepress"

const api = new URL("../pages/api/typedoc-sidebar.json", import.meta.url)

const icon =
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="4" fill="#1d4ed8"/>
<path d="M3 6h8M8.5 3.5 11 6 8.5 8.5M13 10H5m2.5-2.5L5 10l2.5 2.5" fill="none" stroke="#fff" stroke-width="1.3"/></svg>`

const page = (text: string, link: string) => ({ text, link })

export default defineConfig({
  title: "effect-rpcudp",
  description: "Typed RPC over UDP for Effect, wire-compatible with Python's rpcudp",
  head: [["link", { rel: "icon", href: `data:image/svg+xml,${encodeURIComponent(icon)}` }]],
  srcDir: "pages",
  base: process.env["DOCS_BASE"] ?? "/",
  cleanUrls: false,
  lastUpdated: false,
  markdown: {
    // As on a repository's pages, for which the links are written.
    anchor: { slugify: (text) => text.toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, "").trim().replace(/\s/g, "-") }
  },
  vite: { build: { chunkSizeWarningLimit: 2000 } },
  themeConfig: {
    search: { provider: "local" },
    outline: [2, 3],
    nav: [
      page("Guide", "/guide"),
      page("API", "/api/"),
      page("Security", "/SECURITY"),
      page("Speed", "/docs/performance"),
      page("Changes", "/CHANGELOG")
    ],
    sidebar: [
      {
        text: "For users",
        items: [
          page("Start", "/guide"),
          page("Calling and serving", "/docs/calling-and-serving"),
          page("All options", "/docs/options"),
          page("Errors and retries", "/docs/errors-and-retries"),
          page("Values and Python", "/docs/values-and-python"),
          page("Testing", "/docs/testing"),
          page("Examples", "/examples/"),
          page("The command rpcudp", "/packages/cli/"),
          page("A Kademlia node", "/packages/kademlia/")
        ]
      },
      {
        text: "For operators",
        items: [
          page("On the internet", "/docs/internet"),
          page("Watching", "/docs/watching"),
          page("Speed", "/docs/performance"),
          page("Results", "/benchmark/RESULTS"),
          page("Runtimes", "/docs/runtimes"),
          page("Security", "/SECURITY"),
          page("Attacks", "/benchmark/ATTACKS")
        ]
      },
      {
        text: "For implementers",
        collapsed: true,
        items: [
          page("The wire", "/docs/wire"),
          page("Architecture", "/docs/architecture"),
          page("Decisions", "/docs/decisions/"),
          page("The audit", "/docs/audit"),
          page("Contributing", "/CONTRIBUTING"),
          page("Tests", "/test/"),
          page("Changes", "/CHANGELOG")
        ]
      },
      { text: "API", collapsed: true, items: existsSync(api) ? JSON.parse(readFileSync(api, "utf8")) : [] }
    ]
  }
})
