/** Draws what calls took as an SVG: how long each share of them took at the most. No files. */
import type { RoundTrips } from "./roundTrips.ts"

const size = { width: 700, height: 360, left: 70, right: 40, top: 40, bottom: 50 }

/** The shares that have a mark, from none to all but one in ten thousand. Each step is one nine more. */
const marks = [0, 90, 99, 99.9, 99.99]

/** As HdrHistogram draws it: to the right, each nine of a share takes the same room. */
const x = (share: number): number => {
  const nines = -Math.log10(1 - share / 100)
  return size.left + (size.width - size.left - size.right) * nines / (marks.length - 1)
}

export const plot = (title: string, times: RoundTrips): string => {
  const last = marks.at(-1) ?? 100
  const shares = Array.from({ length: 200 }, (_, i) => 100 * (1 - 10 ** (-(marks.length - 1) * i / 199)))
  const step = niceStep(times.percentile(last) / 5)
  const top = step * Math.max(1, Math.ceil(times.percentile(last) / step))
  const y = (ms: number): number => size.height - size.bottom - (size.height - size.top - size.bottom) * ms / top
  const levels = Array.from({ length: Math.round(top / step) + 1 }, (_, i) => i * step)
  const [left, right, bottom] = [size.left, size.width - size.right, size.height - size.bottom]
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${size.height}" font-family="sans-serif" font-size="12">
<style>
  text { fill: #222 } .grid { stroke: #ccc } .line { fill: none; stroke: #0a6ebd; stroke-width: 2 } .ground { fill: #fff }
  @media (prefers-color-scheme: dark) {
    text { fill: #ddd } .grid { stroke: #444 } .line { stroke: #5bb3f0 } .ground { fill: #161b22 }
  }
</style>
<rect class="ground" width="100%" height="100%"/>
<text x="${left}" y="22" font-size="14">${escape(title)}</text>
${
    levels.map((ms) =>
      `<path class="grid" d="M${left} ${fixed(y(ms))}H${right}"/><text x="${left - 8}" y="${
        fixed(y(ms) + 4)
      }" text-anchor="end">${Number(ms.toPrecision(3))} ms</text>`
    ).join("\n")
  }
${
    marks.map((share) =>
      `<path class="grid" d="M${fixed(x(share))} ${size.top}V${bottom}"/><text x="${fixed(x(share))}" y="${
        bottom + 18
      }" text-anchor="middle">${share}%</text>`
    ).join("\n")
  }
<text x="${(left + right) / 2}" y="${size.height - 10}" text-anchor="middle">of the calls took no longer</text>
<path class="line" d="M${shares.map((share) => `${fixed(x(share))} ${fixed(y(times.percentile(share)))}`).join("L")}"/>
</svg>
`
}

/** 1, 2 or 5 times a power of ten. */
const niceStep = (least: number): number => {
  const power = 10 ** Math.floor(Math.log10(Math.max(least, 1e-6)))
  return power * ([1, 2, 5].find((times) => times * power >= least) ?? 10)
}

const fixed = (n: number): string => n.toFixed(1)

const escape = (text: string): string =>
  text.replace(/[&<>]/g, (character) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[character] ?? character)
