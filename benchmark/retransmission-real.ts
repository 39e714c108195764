/**
 * How many calls are answered over the kernel's UDP when it loses 20% each way, 100 in flight, between two processes in
 * network namespaces: `node benchmark/retransmission-real.ts [CALLS]` as root, on Linux with iproute2 and nftables.
 */
import { Effect, Stream } from "effect"
import * as Link from "../test/loss/Link.ts"

const calls = Number(process.argv[2] ?? 9000)

const program = Effect.gen(function*() {
  const link = yield* Link.make(20)
  const serving = yield* link.run("a", "serve.ts", Link.addressOf("a"), 1)
  yield* Stream.runDrain(Stream.take(serving, 1))
  const lines = yield* link.run("b", "call.ts", ...Link.ends.map(Link.addressOf), 1, calls, 100)
  yield* Stream.runForEach(lines, (line) => Effect.sync(() => console.log(line)))
})

await Effect.runPromise(Effect.scoped(program))
