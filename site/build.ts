/**
 * Builds the site: gathers the pages of the repository into `site/pages`, has typedoc write the API beside them, and VitePress
 * make `site/dist` of both. A link to what is no page, such as a source, becomes its text; JSON comes along.
 */
import { execFileSync } from "node:child_process"
import { copyFileSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, posix } from "node:path"
import { fileURLToPath } from "node:url"

const site = fileURLToPath(new URL(".", import.meta.url))
const root = join(site, "..")
const out = join(site, "pages")

/** Where a page of the repository stands in the site: a folder's README is its index, the first one is the guide. */
const placeOf = (file: string): string =>
  file === "README.md" ? "guide.md" : file.replace(/(^|\/)README\.md$/, "$1index.md")

const pages = new Map(
  globSync(
    [
      "*.md",
      "docs/**/*.md",
      "benchmark/*.md",
      "examples/*.md",
      "scripts/*.md",
      "test/*.md",
      "packages/*/README.md",
      "packages/*/docs/**/*.md"
    ],
    { cwd: root }
  ).map((file) => file.replaceAll("\\", "/")).sort().map((file) => [file, placeOf(file)])
)

const main = () => {
  rmSync(out, { recursive: true, force: true })
  for (const [file, place] of pages) write(place, linked(file, read(file)))
  write("index.md", home(read("README.md")))
  run("typedoc", "--options", "typedoc.json")
  run("vitepress", "build", ".", "--outDir", "dist")
}

const read = (file: string): string => readFileSync(join(root, file), "utf8")

const write = (place: string, text: string): void => {
  mkdirSync(dirname(join(out, place)), { recursive: true })
  writeFileSync(join(out, place), text)
}

const run = (command: string, ...args: ReadonlyArray<string>): void => {
  execFileSync(join(site, "node_modules", ".bin", command), args, {
    cwd: site,
    stdio: "inherit",
    shell: process.platform === "win32"
  })
}

/** A page with links that lead within the site, and pictures beside it. What is code stays as it is. */
const linked = (file: string, text: string): string => {
  let fenced = false
  return text.split("\n").map((line) => {
    if (/^\s*```/.test(line)) fenced = !fenced
    return fenced || /^\s*```/.test(line)
      ? line
      : line.replaceAll(
        /`[^`]*`|(!?)\[((?:[^\][]|\[[^\]]*\])*)\]\(([^()\s]+)\)/g,
        (whole: string, picture: string | undefined, label: string | undefined, target: string | undefined) =>
          label === undefined || target === undefined ? whole : follow(file, whole, picture === "!", label, target)
      )
  }).join("\n")
}

const follow = (file: string, whole: string, picture: boolean, label: string, target: string): string => {
  if (/^(https?:|mailto:|#)/.test(target)) return whole
  const [path = "", anchor] = target.split("#")
  const found = posix.join(posix.dirname(file), path)
  if (picture) {
    mkdirSync(dirname(join(out, found)), { recursive: true })
    copyFileSync(join(root, found), join(out, found))
    return `![${label}](${relativeTo(placeOf(file), found)})`
  }
  if (found.endsWith(".json")) {
    // To be taken away: what stands in `public` is served as it is.
    mkdirSync(dirname(join(out, "public", found)), { recursive: true })
    copyFileSync(join(root, found), join(out, "public", found))
    return `[${label}](${relativeTo(placeOf(file), found)})`
  }
  const place = pages.get(found) ?? pages.get(posix.join(found, "README.md"))
  if (place === undefined) return label
  return `[${label}](${relativeTo(placeOf(file), place)}${anchor === undefined ? "" : `#${anchor}`})`
}

const relativeTo = (from: string, to: string): string => {
  const path = posix.relative(posix.dirname(from), to)
  return path.startsWith(".") ? path : `./${path}`
}

/** The first page: contract, server and client as README.md has them, what they cost, and a network of such nodes. */
const home = (readme: string): string => {
  const [contract, server, client] = [...readme.slice(readme.indexOf("## Use it")).matchAll(/```ts\n([\s\S]*?)```/g)]
    .map(([, code]) => code!.trimEnd())
  const speed = /## How fast it is\n\n([\s\S]*?)\n\n!\[/.exec(readme)?.[1]
  if (contract === undefined || server === undefined || client === undefined || speed === undefined) {
    throw new Error("README.md has not what the first page shows of it")
  }
  return `---
layout: home
hero:
  name: effect-rpcudp
  text: Typed RPC over UDP
  tagline: A call is an Effect. A socket is a scoped Layer. Handlers are a schema-validated map behind a tag. The bytes are those of Python's rpcudp.
  actions:
    - { theme: brand, text: Start, link: /guide }
    - { theme: alt, text: API, link: /api/ }
    - { theme: alt, text: What is defended, link: /SECURITY }
features:
  - title: Small requests, many peers
    details: A call that waits takes 1.3 KB. 100,000 at once are no trouble.
    link: /benchmark/RESULTS
  - title: Fit for the open internet
    details: Whatever strangers send is bounded, counted, and never answered with more than it brought.
    link: /docs/internet
  - title: Tested by laws
    details: A network with faults drawn from a seed comes with it, for your tests as for ours.
    link: /docs/testing
---

<div class="vp-doc">

## Contract, server, client

::: code-group

${fence("Greeter.ts", contract.replace(/^\/\/ file: .*\n/, ""))}

${fence("server.ts", server)}

${fence("client.ts", client)}

:::

## How fast it is

${linked("README.md", speed)}

${
    linked(
      "README.md",
      "![Calls a second under three loads, as a ratio to bare node:dgram](benchmark/results-ratios.svg)"
    )
  }

What loss does to calls, with retries and without ([errors and retries](./docs/errors-and-retries.md)):

${linked("README.md", "![The share of calls that were answered, and how long that took, against loss](docs/loss.svg)")}

## A Kademlia network of such nodes

[A Kademlia node](./packages/kademlia/index.md) comes beside the library. \`npm run kademlia:map\` shows a network of them, live.

${
    linked(
      "README.md",
      "![The map of a Kademlia network: nodes on a ring, and the hops of a lookup](docs/kademlia-map.png)"
    )
  }

</div>
`
}

const fence = (file: string, code: string): string => `\`\`\`ts [${file}]\n${code}\n\`\`\``

if (!existsSync(join(site, "node_modules"))) throw new Error("npm ci --prefix site comes first")
main()
