/** Keeps processes running that share a port. */
import { Console, Duration, Effect, Option, Queue, Result, Stream } from "effect"
import { NetAddress } from "effect/net"
import type { ChildProcess, ChildProcessSpawner } from "effect/process"

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
    yield* process.exitCode
  }).pipe(Effect.scoped)
  yield* Effect.forkScoped(
    Effect.all(Array.from({ length: count }, () => restarting(worker)), { concurrency: "unbounded" })
  )
})

/**
 * Runs a worker again whenever it ends, however it ends: at once if it had lived for a while, and else later and later. That it has
 * served once says little: what makes it crash may come each time that it does.
 */
export const restarting = Effect.fnUntraced(function*<A, E, R>(worker: Effect.Effect<A, E, R>): Effect.fn.Return<
  never,
  never,
  R
> {
  let pause = Duration.zero
  while (true) {
    const [lived] = yield* Effect.timed(Effect.exit(worker))
    pause = Duration.isGreaterThanOrEqualTo(lived, whileLong) ? Duration.zero : later(pause)
    yield* Effect.sleep(pause)
  }
})

const whileLong = Duration.seconds(10)
const shortestPause = Duration.millis(100)
// What keeps a worker from its port may be over after a night.
const longestPause = Duration.seconds(5)

const later = (pause: Duration.Duration) =>
  Duration.clamp(Duration.times(pause, 2), {
    minimum: shortestPause,
    maximum: longestPause
  })
