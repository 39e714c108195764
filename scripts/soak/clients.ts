/**
 * The clients of the soak: `clients.ts PORT RATE`. Each call has one way to end that is right, and two that a flood may
 * excuse: no answer in time, and a server that is full.
 */
import { Context, Effect, Exit, Fiber, Layer } from "effect"
import { DatagramSocket } from "effect/socket"
import { isDeepStrictEqual } from "node:util"
import { Protocol } from "../../src/index.ts"
import { type Program, runChild } from "./child.ts"
import { Refused, Soaked } from "./Soaked.ts"
import { transport } from "./transport.ts"

const [port, rate] = process.argv.slice(2).map(Number)

/** As many as keep each within what one sender may ask of a server. */
const hosts = Array.from({ length: 20 }, (_, i) => `127.0.8.${i + 1}`)

/** Calls that each client may have in flight. */
const callers = 10

const timeoutMillis = 1000

/** How long after its deadline a call may end: both are a matter of the same busy processor. */
const graceMillis = 1000

/** How a call ended: as it should, as a flood may excuse, or as it never may. */
type Verdict = "right" | "unanswered" | "overloaded" | "wrong"

interface Kind {
  readonly name: string
  /** Of how many in a hundred. */
  readonly weight: number
  readonly call: (client: Protocol.Client<typeof Soaked.procedures>, number: number) => Effect.Effect<unknown, unknown>
  readonly isRight: (exit: Exit.Exit<unknown, unknown>, number: number) => boolean
}

const succeeds = (value: (number: number) => unknown): Kind["isRight"] => (exit, number) =>
  Exit.isSuccess(exit) && isDeepStrictEqual(exit.value, value(number))

const fails = (is: (error: unknown, number: number) => boolean): Kind["isRight"] => (exit, number) =>
  Exit.isFailure(exit) && exit.cause.reasons.some((reason) => reason._tag === "Fail" && is(reason.error, number))

const payload = (number: number): Uint8Array => new Uint8Array(number % 1200).fill(number & 0xff)

const kinds: ReadonlyArray<Kind> = [
  {
    name: "fast",
    weight: 70,
    call: (client, number) => client.echo(number, payload(number)),
    isRight: succeeds((number) => [number, payload(number)])
  },
  {
    name: "slow",
    weight: 10,
    call: (client, number) => client.slow(number, number % 300),
    isRight: succeeds((number) => number)
  },
  {
    name: "failing",
    weight: 6,
    call: (client, number) => client.refuse(number),
    isRight: fails((error, number) => error instanceof Refused && error.number === number)
  },
  {
    name: "dying",
    weight: 2,
    call: (client, number) => client.die(number),
    isRight: fails((error) => error instanceof Protocol.Rejected && error.reason === "Defect")
  },
  {
    name: "oversize request",
    weight: 2,
    call: (client, number) => client.echo(number, new Uint8Array(9000)),
    isRight: fails((error) => error instanceof Protocol.Oversize && error.of === "request")
  },
  {
    name: "oversize response",
    weight: 2,
    call: (client, number) => client.bytes(number, 9000),
    isRight: fails((error) => error instanceof Protocol.Oversize && error.of === "response")
  },
  {
    name: "interrupted",
    weight: 4,
    call: (client, number) => Effect.timeoutOption(client.slow(number, 400), number % 100),
    isRight: (exit) => Exit.isSuccess(exit)
  },
  {
    name: "timed out",
    weight: 4,
    call: (client, number) => client.slow(number, 600).pipe(Protocol.withTimeout("200 millis")),
    isRight: fails((error) => error instanceof Protocol.NoResponse)
  }
]

const drawn = kinds.flatMap((kind) => Array.from({ length: kind.weight }, () => kind))

const verdicts: Record<string, number> = {}
const examples: Array<string> = []
let number = 0
let started = 0
let ended = 0
let late = 0
let worstMillis = 0
let stopping = false

const count = (name: string) => {
  verdicts[name] = (verdicts[name] ?? 0) + 1
}

const judge = (kind: Kind, number: number, exit: Exit.Exit<unknown, unknown>): Verdict => {
  if (kind.isRight(exit, number)) return "right"
  if (fails((error) => error instanceof Protocol.NoResponse)(exit, number)) return "unanswered"
  if (fails((error) => error instanceof Protocol.Rejected && error.reason === "Overloaded")(exit, number)) {
    return "overloaded"
  }
  if (examples.length < 10) {
    examples.push(kind.name)
    process.stderr.write(`wrong: ${kind.name} ${number}: ${String(exit).slice(0, 200)}\n`)
  }
  return "wrong"
}

const one = Effect.fnUntraced(function*(client: Protocol.Client<typeof Soaked.procedures>) {
  const mine = ++number
  // A stride that is prime to the hundred kinds: any stretch of calls has all of them.
  const kind = drawn[mine * 37 % drawn.length]!
  started++
  const at = performance.now()
  const exit = yield* Effect.exit(Protocol.withTimeout(kind.call(client, mine), timeoutMillis))
  const elapsed = performance.now() - at
  ended++
  worstMillis = Math.max(worstMillis, elapsed)
  if (elapsed > timeoutMillis + graceMillis) late++
  count(`${kind.name}: ${judge(kind, mine, exit)}`)
})

const pause = 1000 * callers * hosts.length / rate!

const caller = Effect.fnUntraced(function*(client: Protocol.Client<typeof Soaked.procedures>) {
  yield* Effect.sleep(Math.random() * pause)
  const turn = Effect.gen(function*() {
    const at = performance.now()
    yield* one(client)
    yield* Effect.sleep(Math.max(0, pause - (performance.now() - at)))
  })
  yield* Effect.repeat(turn, { while: () => !stopping })
})

/** Calls that are in flight when their socket closes. */
const leave = (client: Protocol.Client<typeof Soaked.procedures>) =>
  Effect.forEach(Array.from({ length: 5 }), () =>
    Effect.sync(() => {
      started++
      return ++number
    }).pipe(
      Effect.flatMap((mine) => Effect.exit(client.slow(mine, 60_000).pipe(Protocol.withTimeout("1 minute")))),
      Effect.forkDetach({ startImmediately: true })
    ))

await runChild(Effect.gen(function*() {
  const clients = yield* Effect.forEach(hosts, (address) =>
    Effect.gen(function*() {
      // Built apart: layers are shared by identity, and each client is a socket of its own.
      const node = Protocol.layer().pipe(Layer.provide(transport({ address })))
      const context = yield* Layer.build(node)
      const client = yield* Effect.provideContext(Protocol.client(Soaked), context)
      return { client: client(`127.0.0.1:${port}`), port: Context.get(context, Protocol.Protocol).address.port }
    }))
  const loops = yield* Effect.forEach(
    clients,
    ({ client }) => Effect.forEach(Array.from({ length: callers }), () => Effect.forkDetach(caller(client)))
  )
  const left: Array<Fiber.Fiber<Exit.Exit<unknown, unknown>>> = []
  const program: Program = {
    ports: clients.map(({ port }) => port),
    own: () => ({ ...verdicts, started, ended, late, worstMillis: Math.ceil(worstMillis) }),
    stop: Effect.gen(function*() {
      stopping = true
      yield* Effect.forEach(loops.flat(), Fiber.join)
      for (const { client } of clients) left.push(...(yield* leave(client)))
    }),
    closed: Effect.forEach(left, (fiber) =>
      Effect.map(Fiber.join(fiber), (exit) => {
        ended++
        const isClosed = fails((error) => DatagramSocket.isDatagramSocketError(error))(exit, 0)
        count(`in flight at the close: ${isClosed ? "right" : "wrong"}`)
      }), { discard: true })
  }
  return program
}))
