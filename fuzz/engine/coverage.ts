/**
 * What of our sources has run, by V8's own block coverage: of each file, which characters. A reading costs about a
 * millisecond, however little has run since the last, so many inputs share one.
 */
import * as Inspector from "node:inspector"

export interface Coverage {
  /** Reads what has run since the last reading, and whether any of it had never run before. Forgets it. */
  readonly isNew: () => boolean
  /** The same, and from now on it has run before. */
  readonly note: () => boolean
  /** How much of the functions of each file has run, from 0 to 1, for files of which some has. */
  readonly shares: () => ReadonlyArray<readonly [file: string, share: number]>
}

/** Must start before the sources are imported, to learn what there is. `root` is the URL of their folder. */
export const start = (root: string): { readonly imported: () => Coverage } => {
  const session = new Inspector.Session()
  session.connect()
  session.post("Profiler.enable")
  session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true })

  const take = (): ReadonlyArray<Inspector.Profiler.ScriptCoverage> => {
    let result: ReadonlyArray<Inspector.Profiler.ScriptCoverage> = []
    // The session is of this thread: it answers at once.
    session.post("Profiler.takePreciseCoverage", (error, taken) => {
      if (error !== null) throw error
      result = taken.result.filter(({ url }) => url.startsWith(root))
    })
    return result
  }

  return {
    imported: () => {
      const files = new Map<string, File>()
      for (const { functions, url } of take()) {
        const file = new File(functions)
        files.set(url, file)
        file.paint(functions, true)
      }
      const read = (keep: boolean) => () => {
        let found = false
        for (const { functions, url } of take()) found = files.get(url)?.paint(functions, keep) === true || found
        return found
      }
      return {
        isNew: read(false),
        note: read(true),
        shares: () =>
          Array.from(files, ([url, file]) => [url.slice(root.length), file.share] as const).filter(([, share]) =>
            share > 0
          )
      }
    }
  }
}

type Functions = ReadonlyArray<Inspector.Profiler.FunctionCoverage>

class File {
  /** 1 where a character belongs to a function, and not to the file alone, which runs once when it is imported. */
  readonly #ours: Uint8Array
  readonly #ran: Uint8Array
  readonly #now: Uint8Array

  constructor(functions: Functions) {
    const length = Math.max(...functions.flatMap(({ ranges }) => ranges.map(({ endOffset }) => endOffset)))
    this.#ours = new Uint8Array(length)
    this.#ran = new Uint8Array(length)
    this.#now = new Uint8Array(length)
    // The first is the file itself.
    for (const { ranges: [all] } of functions.slice(1)) this.#ours.fill(1, all?.startOffset, all?.endOffset)
  }

  /** Whether any of what has run never had before; `keep` notes it. Ranges come outermost first. */
  paint(functions: Functions, keep: boolean): boolean {
    this.#now.fill(0)
    for (const { ranges } of functions) {
      for (const { count, endOffset, startOffset } of ranges) this.#now.fill(count > 0 ? 1 : 0, startOffset, endOffset)
    }
    let found = false
    for (let i = 0; i < this.#now.length; i++) {
      if (this.#now[i]! & this.#ours[i]! & ~this.#ran[i]!) {
        found = true
        if (!keep) break
        this.#ran[i] = 1
      }
    }
    return found
  }

  get share(): number {
    let [ours, ran] = [0, 0]
    for (let i = 0; i < this.#ours.length; i++) {
      ours += this.#ours[i]!
      ran += this.#ran[i]!
    }
    return ours === 0 ? 0 : ran / ours
  }
}
