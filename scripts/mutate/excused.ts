/** Mutants that no test catches, and why that is right. `npm run mutate` fails once one of them no longer exists or is caught. */
export interface Excused {
  readonly file: string
  /** The line where the mutant begins, without its indentation. */
  readonly code: string
  /** What the mutant replaces, and by what. */
  readonly original: string
  readonly replacement: string
  readonly reason: string
}

export const excused: ReadonlyArray<Excused> = [
  {
    file: "src/internal/slots.ts",
    code: "while (before !== undefined && before.nextInSlot !== thing) before = before.nextInSlot",
    original: "before !== undefined",
    replacement: "true",
    reason: "a thing that is removed stands in its slot: the compiler alone asks"
  },
  {
    file: "src/internal/slots.ts",
    code: "if (before !== undefined) before.nextInSlot = thing.nextInSlot",
    original: "before !== undefined",
    replacement: "true",
    reason: "a thing that is removed stands in its slot: the compiler alone asks"
  },
  {
    file: "src/internal/time/agenda.ts",
    code: "if (ticks[parent]! <= tick) break",
    original: "ticks[parent]! <= tick",
    replacement: "ticks[parent]! < tick",
    reason: "no tick stands in the heap twice"
  },
  {
    file: "src/internal/time/agenda.ts",
    code: "if (tick === undefined || tick > now) return undefined",
    original: "tick === undefined",
    replacement: "false",
    reason: "an empty agenda has no actions of no tick either"
  },
  {
    file: "src/testing/SimulatedNetwork.ts",
    code: "way.delay = way.settings === base ? baseDelay : drawDelay(way.settings)",
    original: "way.settings === base",
    replacement: "false",
    reason: "the delay of the base settings is drawn once to save time, and is the same whenever it is drawn"
  },
  {
    file: "src/internal/watching/logs.ts",
    code: "if (LogLevel.isGreaterThan(Context.get(context, References.MinimumLogLevel), \"Debug\")) return () => {}",
    original: "LogLevel.isGreaterThan(Context.get(context, References.MinimumLogLevel), \"Debug\")",
    replacement: "false",
    reason: "Effect leaves out the line itself: asking before saves a fiber for each datagram that is dropped"
  },
  {
    file: "src/internal/schema/wireSchema.ts",
    code: "if (encoding.every((link) => native(link.to) === link.to)) return encoding",
    original: "native(link.to) === link.to",
    replacement: "false",
    reason: "what is made anew then is equal: a schema that needs no change is kept to save memory"
  },
  {
    file: "src/internal/time/deadlines.ts",
    code: "if (last === undefined || last === queue) return",
    original: "last === undefined",
    replacement: "false",
    reason: "a queue that is dropped stands in the heap: the compiler alone asks"
  }
]
