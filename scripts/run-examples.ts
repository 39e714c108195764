/**
 * Runs each example to its end, and checks what it printed and that no process of its own is left. One line an example,
 * then a line of totals. `examples/testing.test.ts` is run by vitest.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Clock, Console, Effect, Option, Schema, Stream } from "effect"
import { ChildProcess } from "effect/process"
import { fileURLToPath } from "node:url"

interface Example {
  readonly file: string
  readonly args?: ReadonlyArray<string>
  /** What it prints, line by line. */
  readonly prints: ReadonlyArray<string | RegExp>
}

const cluster = (...args: ReadonlyArray<string>): Example => ({
  file: "examples/cluster/main.ts",
  args,
  prints: [
    /^3 fronts serve, over (SQLite|PostgreSQL)$/,
    ...(args.includes("--rolling") ? [1, 2, 3] : [1]).map(() => /^front \d (was|took) .+$/),
    /^\d+ orders a second, .+$/,
    // What must not be is told by how it ends.
    /^\d+ acknowledged, \d+ lost, \d+ applied twice, \d+ calls failed, longest pause .+ s$/
  ]
})

const examples: ReadonlyArray<Example> = [
  {
    file: "examples/greeter.ts",
    prints: [/^Hello Snake Plissken you live at 127\.0\.0\.1:\d+$/]
  },
  {
    file: "examples/retry.ts",
    prints: [
      /^127\.0\.0\.1:\d+ did not answer "ping" within 500ms$/,
      /^127\.0\.0\.1:\d+ did not answer "ping" within 500ms$/,
      "answered request 3"
    ]
  },
  {
    file: "examples/hedge.ts",
    prints: ["the first looks for Ada", "the second has found Ada", "the first stops"]
  },
  {
    file: "examples/describe.ts",
    prints: [
      "example/Store get",
      /^  takes \{"type":"array",.*\{"description":"the key, of 20 bytes","x-msgpack":"bin"\}/,
      /^  gives \{"type":"object",.*"stored":\{"x-msgpack":"timestamp"\}/,
      /^  fails with \{"\$ref":"#\/\$defs\/NotFoundEncoded"/
    ]
  },
  {
    file: "examples/discovery.ts",
    prints: [
      /^the printer downstairs is at 127\.0\.0\.1:\d+$/,
      "the printer downstairs prints a page",
      /^the printer upstairs is at 127\.0\.0\.1:\d+$/,
      "the printer upstairs prints a page"
    ]
  },
  {
    file: "examples/two-nodes.ts",
    prints: [
      // The node that is greeted sees the very port that the greeting node serves on.
      /^from (127\.0\.0\.1:\d+): Bob greets Ada at \1$/,
      /^from (127\.0\.0\.1:\d+): Ada greets Bob at \1$/
    ]
  },
  {
    file: "examples/holepunch.ts",
    prints: [
      /^Ada's NAT by Bob's, .+$/,
      /^ +EI\/EI .+ APD\/APD$/,
      "EI/EI   +       +       +       *       *       *       *       *       *",
      "EI/AD   +       +       +       *       *       *       *       *       *",
      "EI/APD  +       +       +       .       .       .       .       .       .",
      "AD/EI   *       *       .       *       *       .       *       *       .",
      "AD/AD   *       *       .       *       .       .       *       .       .",
      "AD/APD  *       *       .       .       .       .       .       .       .",
      "APD/EI  *       *       .       *       *       .       .       .       .",
      "APD/AD  *       *       .       *       .       .       .       .       .",
      "APD/APD *       *       .       .       .       .       .       .       .",
      "a way: 9 of 9 that RFC 5128 expects (+), 33 of 72 that it does not (*)",
      "behind one NAT with hairpinning: a way",
      "behind one NAT without hairpinning: no way"
    ]
  },
  {
    file: "examples/holepunch.ts",
    args: ["--real"],
    prints: [
      "the same through NATs of Linux's",
      /^ +EI\/EI .+ APD\/APD$/,
      "EI/EI   +",
      "EI/AD   +       +",
      "EI/APD  +       +       +",
      "APD/APD *       *       .       ."
    ]
  },
  {
    file: "packages/kademlia/examples/loopback.ts",
    prints: ["9 nodes took the value", /^Hello, after [01] hops?$/, "no such key"]
  },
  {
    file: "examples/python.ts",
    prints: [
      "Python calls the greeter:",
      /^sayhi: Hello Snake Plissken you live at 127\.0\.0\.1:\d+$/,
      "poke: None",
      "lookup: no answer",
      "We call Python:",
      /^Hello Ada you live at 127\.0\.0\.1:\d+$/,
      String.raw`bytes b'\x01\x02\xff'`,
      "int 9223372036854775808",
      "float 1.5",
      "list [None, True, {'name': 'Ada'}]",
      /^127\.0\.0\.1:\d+ did not answer "missing" within 300ms$/
    ]
  },
  {
    file: "examples/all-cores.ts",
    prints: [
      /^\d+ workers serve 127\.0\.0\.1:\d+$/,
      // That one of two workers has none of 32 clients: once in 2^31.
      /^1600 calls were answered, by (?!1 )\d+ workers$/,
      "1600 were run; what came again was not",
      "a worker was killed, and another serves in its place",
      "1600 more calls were answered, some by the new one",
      /^those that serve now have run \d+; what the killed one had counted is gone$/
    ]
  },
  cluster("--kill", "1"),
  cluster("--kill", "1", "--postgres"),
  cluster("--kill", "1", "--holding", "--seconds", "5"),
  cluster("--kill", "1", "--holding", "--unremembered", "--seconds", "5"),
  cluster("--pause", "1", "--postgres"),
  cluster("--cut", "1"),
  cluster("--rolling", "--seconds", "25")
]

const timeLimit = "120 seconds"

type Outcome = "passed" | "failed" | "skipped"

class ExampleFailed extends Schema.TaggedError<ExampleFailed>()("ExampleFailed", { message: Schema.String }) {}

class SomeFailed extends Schema.TaggedError<SomeFailed>()("SomeFailed", { message: Schema.String }) {}

/** Runs an example in a process group of its own, which ends with the scope. Returns why it was skipped, if it was. */
const run = Effect.fn("run")(
  function*({ args = [], file, prints }: Example) {
    const path = fileURLToPath(new URL(`../${file}`, import.meta.url))
    const example = yield* ChildProcess.make(process.execPath, [path, ...args], {
      stdin: "ignore",
      forceKillAfter: "2 seconds"
    })
    const [exitCode, stdout, stderr] = yield* Effect.all([
      example.exitCode,
      example.stdout.pipe(Stream.decodeText(), Stream.mkString),
      example.stderr.pipe(Stream.decodeText(), Stream.mkString)
    ], { concurrency: "unbounded" })
    if (exitCode !== 0) return yield* new ExampleFailed({ message: `ended with ${exitCode}\n${stdout}${stderr}` })
    if (hasMembers(example.pid)) return yield* new ExampleFailed({ message: "left a process behind" })

    const lines = stdout.trimEnd().split("\n")
    const skipped = /^skipped: (.*)$/.exec(lines[0] ?? "")
    if (skipped !== null) return Option.fromNullishOr(skipped[1])
    const wrong = prints.findIndex((expected, i) => !matches(expected, lines[i]))
    if (wrong !== -1 || lines.length !== prints.length) {
      const expected = wrong === -1 ? `${prints.length} lines` : `line ${wrong + 1} to be ${prints[wrong]}`
      return yield* new ExampleFailed({ message: `expected ${expected}, but it printed\n${stdout}${stderr}` })
    }
    return Option.none()
  },
  Effect.timeout(timeLimit),
  Effect.scoped
)

const matches = (expected: string | RegExp, line: string | undefined): boolean =>
  line !== undefined && (typeof expected === "string" ? expected === line : expected.test(line))

const hasMembers = (group: number): boolean => {
  try {
    return process.kill(-group, 0)
  } catch {
    return false
  }
}

const report = Effect.fn("report")(function*(example: Example) {
  const start = yield* Clock.currentTimeMillis
  const [outcome, line] = yield* run(example).pipe(Effect.match({
    onSuccess: (skipped): readonly [Outcome, string] =>
      Option.match(skipped, {
        onNone: () => ["passed", ""],
        onSome: (reason) => ["skipped", `: ${reason}`]
      }),
    onFailure: (error): readonly [Outcome, string] => ["failed", `: ${error.message}`]
  }))
  const seconds = ((yield* Clock.currentTimeMillis) - start) / 1000
  yield* Console.log(`${outcome}  ${[example.file, ...example.args ?? []].join(" ")} (${seconds.toFixed(1)} s)${line}`)
  return outcome
})

const program = Effect.gen(function*() {
  const outcomes = yield* Effect.forEach(examples, report)
  const count = (outcome: Outcome) => outcomes.filter((other) => other === outcome).length
  yield* Console.log(`${count("passed")} passed, ${count("failed")} failed, ${count("skipped")} skipped`)
  if (count("failed") > 0) return yield* new SomeFailed({ message: "not every example passed" })
})

program.pipe(Effect.provide(NodeServices.layer), NodeRuntime.runMain({ disableErrorReporting: true }))
