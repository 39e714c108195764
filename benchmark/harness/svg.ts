/**
 * Charts as SVG text: readable at 700 pixels, in the dark or the light that their reader has chosen, each value or curve with
 * its own name beside it. No measuring of text: what it may take is estimated.
 */

/** What a mark is: ours stands out, and what is made of ours has its colour. */
export type Kind = "ours" | "variant" | "peer" | "other" | "third"

export interface Spread {
  readonly median: number
  readonly least: number
  readonly greatest: number
}

export interface Row {
  readonly name: string
  readonly kind: Kind
  /** One for each panel; undefined, where it was not measured. */
  readonly spreads: ReadonlyArray<Spread | undefined>
}

export interface Dots {
  readonly title: string
  /** What is to be known to read it. */
  readonly note: string
  readonly panels: ReadonlyArray<string>
  readonly rows: ReadonlyArray<Row>
  /** The value of what all are compared with. */
  readonly reference: number
}

export interface Axis {
  readonly label?: string
  /** `steps` sets the points side by side, whatever lies between them. Linear unless it says otherwise, and from 0. */
  readonly scale?: "log" | "steps"
  readonly from?: number
  readonly to?: number
}

export interface Curve {
  /** Without one its points have their values beside them. */
  readonly name?: string
  readonly kind: Kind
  readonly dashed?: boolean
  readonly points: ReadonlyArray<readonly [x: number, y: number]>
}

export interface Panel {
  readonly title: string
  readonly x: Axis
  readonly y: Axis
  readonly curves: ReadonlyArray<Curve>
}

const width = 700
const margin = 16
const lineHeight = 14

/** One row a name, one column a load: the median as a dot, and a line from the least to the greatest. */
export const dots = ({ note, panels, reference, rows, title }: Dots): string => {
  const names = 214
  const values = 34
  const rowHeight = 21
  const top = 78
  const pitch = (width - names - margin) / panels.length
  const room = pitch - values - 14
  const bottom = top + rowHeight * rows.length
  const greatest = Math.max(...rows.flatMap(({ spreads }) => spreads.map((spread) => spread?.greatest ?? 0)))
  const ticks = ticksOf(0, greatest)
  const right = Math.max(greatest, ticks.at(-1)!)
  const columns = panels.map((name, i) => {
    const left = names + pitch * i
    const x = (value: number) => left + room * value / right
    return [
      text(left, top - 12, name, "strong"),
      ...ticks.map((tick) => line(x(tick), top, x(tick), bottom, "grid")),
      ...ticks.map((tick) => text(x(tick), bottom + 15, String(tick), "small", "middle")),
      line(x(reference), top, x(reference), bottom, "reference"),
      ...rows.flatMap(({ kind, spreads }, row) => {
        const y = top + rowHeight * (row + 0.5)
        const spread = spreads[i]
        if (spread === undefined) return [text(left + pitch - 14, y + 4, "–", "small", "end")]
        const emphasis = kind === "ours" ? "small strong ours" : "small"
        return [
          line(x(spread.least), y, x(spread.greatest), y, `spread ${kind}`),
          `<circle cx="${px(x(spread.median))}" cy="${px(y)}" r="4.5" class="fill ${kind}"/>`,
          text(left + pitch - 14, y + 4, spread.median.toFixed(2), emphasis, "end")
        ]
      })
    ].join("\n")
  })
  const labels = rows.map(({ kind, name }, row) => {
    const y = top + rowHeight * row
    const band = kind === "ours"
      ? `<rect x="0" y="${px(y)}" width="${width}" height="${rowHeight}" class="band"/>\n`
      : ""
    return `${band}${text(names - 14, y + rowHeight / 2 + 4, name, kind === "ours" ? "strong ours" : "", "end")}`
  })
  return document(bottom + 28, title, [heading(title, note), ...labels, ...columns])
}

/** Panels of curves, side by side in so many columns. */
export const curves = (title: string, note: string, panels: ReadonlyArray<Panel>, columns: number): string => {
  const pitch = (width - 2 * margin) / columns
  const height = columns === 1 ? 220 : 190
  const top = 66
  const drawn = panels.map((panel, i) =>
    drawPanel(panel, {
      left: margin + pitch * (i % columns),
      top: top + height * Math.floor(i / columns),
      width: pitch,
      height
    })
  )
  return document(top + height * Math.ceil(panels.length / columns), title, [heading(title, note), ...drawn])
}

interface Box {
  readonly left: number
  readonly top: number
  readonly width: number
  readonly height: number
}

const drawPanel = ({ curves, title, x, y }: Panel, box: Box): string => {
  const names = Math.max(0, ...curves.map(({ name }) => name === undefined ? 0 : 12 + 6.6 * name.length))
  const plot = {
    left: box.left + 46,
    right: box.left + box.width - Math.max(names, 20),
    top: box.top + 28,
    bottom: box.top + box.height - (x.label === undefined ? 36 : 50)
  }
  const points = curves.flatMap((curve) => curve.points)
  const across = scaleOf(x, points.map(([value]) => value), plot.left, plot.right)
  const up = scaleOf(y, points.map(([, value]) => value), plot.bottom, plot.top)
  const ends = curves.map((curve) => up.of(curve.points.at(-1)![1]))
  const labelAt = apart(ends, plot.top, plot.bottom)
  return [
    text(box.left, box.top + 12, title, "strong"),
    ...up.ticks.map((tick) => line(plot.left, up.of(tick), plot.right, up.of(tick), "grid")),
    ...up.ticks.map((tick) => text(plot.left - 7, up.of(tick) + 4, number(tick), "small", "end")),
    ...across.ticks.map((tick) => text(across.of(tick), plot.bottom + 16, number(tick), "small", "middle")),
    ...x.label === undefined ? [] : [text((plot.left + plot.right) / 2, plot.bottom + 33, x.label, "small", "middle")],
    ...curves.flatMap(({ dashed, kind, name, points }, i) => {
      const places = points.map(([a, b]) => [px(across.of(a)), px(up.of(b))] as const)
      return [
        `<polyline points="${places.map((place) => place.join(",")).join(" ")}" class="curve ${kind}${
          dashed === true ? " dashed" : ""
        }"/>`,
        ...places.map(([a, b]) => `<circle cx="${a}" cy="${b}" r="2.5" class="fill ${kind}"/>`),
        ...name === undefined
          ? places.map(([a, b], j) =>
            text(a, isCrossed(places, j) ? b + 16 : b - 8, number(Math.round(points[j]![1])), "small value", "middle")
          )
          : [text(plot.right + 9, labelAt[i]! + 4, name, `small text ${kind}`)]
      ]
    })
  ].join("\n")
}

/** Whether the curve runs through what stands above that place: it goes up steeply from there, on either side. */
const isCrossed = (places: ReadonlyArray<readonly [x: number, y: number]>, at: number): boolean => {
  const [x, y] = places[at]!
  return [places[at - 1], places[at + 1]].some((next) =>
    next !== undefined && (y - next[1]) / Math.abs(next[0] - x) > 1
  )
}

/** Places as near to those as a line of text for each lets them be, in their order. */
const apart = (wanted: ReadonlyArray<number>, top: number, bottom: number): ReadonlyArray<number> => {
  const order = wanted.map((place, i) => [place, i] as const).toSorted(([a], [b]) => a - b)
  const placed: Array<number> = []
  let free = top
  for (const [place, i] of order) {
    placed[i] = Math.max(place, free)
    free = placed[i] + lineHeight
  }
  // The last ones push those above them back into the panel.
  let limit = bottom
  for (const [, i] of order.toReversed()) {
    placed[i] = Math.min(placed[i]!, limit)
    limit = placed[i] - lineHeight
  }
  return placed
}

interface Scale {
  readonly of: (value: number) => number
  readonly ticks: ReadonlyArray<number>
}

const scaleOf = (axis: Axis, values: ReadonlyArray<number>, start: number, end: number): Scale => {
  const from = axis.from ?? (axis.scale === "log" ? Math.min(...values) : 0)
  const to = axis.to ?? Math.max(...values)
  const between = (share: number) => start + (end - start) * share
  switch (axis.scale) {
    case "steps": {
      const steps = [...new Set(values)]
      return { of: (value) => between((steps.indexOf(value) + 0.5) / steps.length), ticks: steps }
    }
    case "log": {
      const power = (exponent: number) => 10 ** exponent
      const sizes = [...new Set(values)]
      const first = Math.ceil(Math.log10(from) - 1e-9)
      const last = Math.floor(Math.log10(to) + 1e-9)
      return {
        of: (value) => between(Math.log(value / from) / Math.log(to / from)),
        ticks: sizes.length <= 6 ? sizes : Array.from({ length: last - first + 1 }, (_, i) => power(first + i))
      }
    }
    default: {
      const ticks = ticksOf(from, to).filter((tick) => axis.to === undefined || tick <= axis.to)
      const most = axis.to ?? Math.max(to, ticks.at(-1)!)
      return { of: (value) => between((value - from) / (most - from)), ticks }
    }
  }
}

/** Round numbers that lie as far apart as people like, up to the first that is not below `to`. */
const ticksOf = (from: number, to: number): ReadonlyArray<number> => {
  const rough = (to - from) / 4
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10)
  return Array.from(
    { length: Math.ceil((to - from) / step - 1e-9) + 1 },
    (_, i) => Number((from + i * step).toFixed(6))
  )
}

const number = (value: number): string =>
  value >= 10_000 && value % 1000 === 0 ? `${(value / 1000).toLocaleString("en")}k` : value.toLocaleString("en")

const heading = (title: string, note: string): string =>
  `${text(margin, 24, title, "title")}\n${text(margin, 43, note, "small")}`

const text = (
  x: number,
  y: number,
  content: string,
  kind: string,
  anchor: "start" | "middle" | "end" = "start"
): string => `<text x="${px(x)}" y="${px(y)}" text-anchor="${anchor}" class="${kind}">${escape(content)}</text>`

const line = (x1: number, y1: number, x2: number, y2: number, kind: string): string =>
  `<line x1="${px(x1)}" y1="${px(y1)}" x2="${px(x2)}" y2="${px(y2)}" class="${kind}"/>`

const px = (value: number): number => Math.round(10 * value) / 10

const escape = (content: string): string => content.replaceAll("&", "&amp;").replaceAll("<", "&lt;")

const style = `
svg { --bg: #ffffff; --ink: #1f2328; --dim: #59636e; --grid: #d1d9e0; --band: #e8f0ff;
  --ours: #1d4ed8; --peer: #818b98; --other: #b93a0a; --third: #15803d; --variant: #1d4ed8 }
@media (prefers-color-scheme: dark) {
  svg { --bg: #0d1117; --ink: #f0f6fc; --dim: #b1bac4; --grid: #30363d; --band: #14264a;
    --ours: #7cacff; --peer: #8b949e; --other: #ff9d5c; --third: #56d364; --variant: #7cacff }
}
text { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; fill: var(--ink) }
.title { font-size: 15px; font-weight: 600 }
.strong { font-weight: 600 }
.small { font-size: 11px; fill: var(--dim) }
.value { paint-order: stroke; stroke: var(--bg); stroke-width: 3px }
.background { fill: var(--bg) }
.band { fill: var(--band) }
.grid { stroke: var(--grid) }
.reference { stroke: var(--ink); stroke-dasharray: 3 3 }
.spread { stroke-width: 2.5; stroke-linecap: round; opacity: 0.55 }
.curve { fill: none; stroke-width: 2 }
.dashed { stroke-dasharray: 5 4 }
${
  ["ours", "variant", "peer", "other", "third"].map((kind) =>
    `.fill.${kind}, text.${kind} { fill: var(--${kind}) } .spread.${kind}, .curve.${kind} { stroke: var(--${kind}) }`
  ).join("\n")
}`

const document = (height: number, title: string, parts: ReadonlyArray<string>): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${px(height)}" width="${width}" height="${
    px(height)
  }" role="img" aria-label="${escape(title)}">
<style>${style}
</style>
<rect width="${width}" height="${px(height)}" class="background"/>
${parts.join("\n")}
</svg>
`
