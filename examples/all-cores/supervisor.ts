/** Keeps processes running that share a port. */
import { Console, Effect, Option, Queue, Result, Schedule, Schema, Stream } from "effect"
import { NetAddress } from "effect/net"
import type { ChildProcess, ChildProcessSpawner } from "effect/process"

export class WorkerFailed extends Schema.TaggedError<WorkerFailed>()("WorkerFailed", { message: Schema.String }) {}

export interface Worker {
  readonly process: ChildProcessSpawner.ChildProcessHandle
  /** Where it tells what it has counted. */
  readonly own: NetAddress.InetAddress
}

/**
 * Keeps so many workers running. Each that serves is offered to the queue: at first, and whenever one took another's place.
 * It serves once it has printed an address. What else it prints is printed.
 */
export const supervise = Effect.fn("supervise")(function*(
  command: ChildProcess.Command,
  count: number,
  serving: Queue.Enqueue<Worker>
) {
  const worker = Effect.gen(function*() {
    const process = yield* command
    let own = Option.none<NetAddress.InetAddress>()
    // To its end: a worker whose logs nobody reads would stop, or die of them.
    yield* process.stdout.pipe(
      Stream.decodeText(),
      Stream.splitLines,
      Stream.runForEach((line) => {
        const address = Option.isNone(own) ? Result.getSuccess(NetAddress.inetAddressFromString(line)) : Option.none()
        if (Option.isNone(address)) return Console.log(line)
        own = address
        return Queue.offer(serving, { process, own: address.value })
      })
    )
    if (Option.isNone(own)) return yield* new WorkerFailed({ message: "a worker ended before it served" })
    yield* Effect.exit(process.exitCode)
  }).pipe(Effect.scoped)
  // A worker that ends is started again at once; one that does not even start, later and later.
  const restarted = worker.pipe(Effect.retry(backoff), Effect.forever)
  yield* Effect.forkScoped(Effect.all(Array.from({ length: count }, () => restarted), { concurrency: "unbounded" }))
})

// No later than this: whatever keeps a worker from its port may be over after a night.
const backoff = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("5 seconds")])
