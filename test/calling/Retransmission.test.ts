/** The laws of sending again, under TestClock. */
import { describe, expect, it } from "@effect/vitest"
import { Clock, Context, Deferred, Duration, Effect, Fiber, Layer, Logger, Random, Schedule } from "effect"
import { NetAddress } from "effect/net"
import { TestClock } from "effect/testing"
import { Codec, Protocol, Transport } from "../../src/index.ts"
import * as Now from "../../src/internal/time/now.ts"
import { Retransmitter } from "../../src/internal/calling/retransmission.ts"
import * as MemoryNetwork from "../support/MemoryNetwork.ts"
import { caller, metrics, raw, respond, withMetrics } from "../support/nodes.ts"

/** Stretches every delay by this share of the most there is: 0 leaves it as it is. */
const spread = (share: number) =>
  Effect.provideService(Random.Random, { nextDoubleUnsafe: () => share, nextIntUnsafe: () => 0 })

const exact = spread(0)

/** A node, a peer who never answers by itself, and when which requests reached that. */
const silence = Effect.fnUntraced(function*(options?: Protocol.Options) {
  const clock = yield* Clock.Clock
  const network = MemoryNetwork.make()
  const sent: Array<{ readonly at: number; readonly payload: Uint8Array }> = []
  network.delivers = ({ from, payload }) => {
    if (from.startsWith("10.0.0.1:")) sent.push({ at: clock.currentTimeMillisUnsafe(), payload })
    return true
  }
  const transport = Transport.layerSocket().pipe(Layer.provide(network.socket("10.0.0.1")))
  const peer = yield* raw(Transport.layerSocket().pipe(Layer.provide(network.socket("10.0.0.2"))))
  const protocol = Context.get(yield* caller(transport, options), Protocol.Protocol)
  return {
    call: protocol.call(peer.address, "who", []),
    network,
    peer,
    protocol,
    sent,
    times: () => sent.map(({ at }) => at)
  }
})

const exponential = Schedule.exponential("50 millis")

describe("retransmission", () => {
  it.effect("sends the same bytes again, when the schedule says, until the deadline", () =>
    Effect.gen(function*() {
      const { call, sent, times } = yield* silence()
      const waiting = yield* Effect.forkChild(call.pipe(Protocol.withRetransmit(exponential), Effect.flip, exact))
      yield* TestClock.adjust("1 minute")
      const error = yield* Fiber.join(waiting)
      expect(error).toMatchObject({ _tag: "NoResponse", elapsed: Duration.seconds(5) })
      expect(times()).toStrictEqual([0, 50, 150, 350, 750, 1550, 3150])
      for (const { payload } of sent) expect(payload).toStrictEqual(sent[0]!.payload)
    }))

  it.effect("never happens unless it is asked for", () =>
    Effect.gen(function*() {
      const { call, times } = yield* silence()
      const waiting = yield* Effect.forkChild(Effect.flip(call))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(waiting)
      expect(times()).toStrictEqual([0])
    }))

  it.effect("a layer's schedule is its calls', and withRetransmit's is that of the calls inside", () =>
    Effect.gen(function*() {
      const { call, times } = yield* silence({ retransmit: Schedule.spaced("2 seconds") })
      const one = (self: typeof call) =>
        Effect.gen(function*() {
          const before = times().length
          const waiting = yield* Effect.forkChild(Effect.flip(self))
          const start = yield* Clock.currentTimeMillis
          yield* TestClock.adjust("5 seconds")
          yield* Fiber.join(waiting)
          return times().slice(before).map((at) => at - start)
        })
      expect(yield* one(call)).toStrictEqual([0, 2000, 4000])
      expect(yield* one(Protocol.withRetransmit(call, Schedule.spaced("3 seconds")))).toStrictEqual([0, 3000])
      expect(yield* one(Protocol.withRetransmit(call, Schedule.recurs(0)))).toStrictEqual([0])
    }).pipe(exact))

  it.effect("each delay is stretched by up to half", () =>
    Effect.gen(function*() {
      const { call, times } = yield* silence()
      const schedule = Schedule.spaced("1 second").pipe(Schedule.upTo({ times: 1 }))
      for (const [share, delay] of [[0, 1000], [0.5, 1250], [1, 1500]] as const) {
        const before = times().length
        const waiting = yield* Effect.forkChild(
          call.pipe(Protocol.withRetransmit(schedule), Effect.flip, spread(share))
        )
        yield* TestClock.adjust("5 seconds")
        yield* Fiber.join(waiting)
        const [first = 0, second = 0, ...more] = times().slice(before)
        expect([second - first, more]).toStrictEqual([delay, []])
      }
    }))

  it.effect("stops at the answer", () =>
    Effect.gen(function*() {
      const { call, peer, times } = yield* silence()
      const waiting = yield* Effect.forkChild(call.pipe(Protocol.withRetransmit(exponential), exact))
      const { datagram, from } = yield* peer.receive
      yield* TestClock.adjust("60 millis")
      peer.send(from, respond(datagram, "answer"))
      expect(yield* Fiber.join(waiting)).toBe("answer")
      yield* TestClock.adjust("1 minute")
      expect(times()).toStrictEqual([0, 50])
    }))

  it.effect("stops when the caller is interrupted", () =>
    Effect.gen(function*() {
      const { call, times } = yield* silence()
      const waiting = yield* Effect.forkChild(call.pipe(Protocol.withRetransmit(exponential), exact))
      yield* TestClock.adjust("60 millis")
      yield* Fiber.interrupt(waiting)
      yield* TestClock.adjust("1 minute")
      // The last one is the cancel, which is sent once.
      expect(times()).toStrictEqual([0, 50, 60])
    }))

  it.effect("a request that the socket refuses is not sent again", () =>
    Effect.gen(function*() {
      const { call, network, times } = yield* silence()
      const error = yield* Effect.flip(Effect.suspend(() => {
        network.refuses = ({ from }) => from.startsWith("10.0.0.1:") ? refusal : undefined
        return call
      })).pipe(Protocol.withRetransmit(exponential), exact)
      expect(error._tag).toBe("DatagramSocketError")
      yield* TestClock.adjust("1 minute")
      expect(times()).toStrictEqual([])
    }))

  it.effect("that a repetition is refused does not end the call", () =>
    Effect.gen(function*() {
      const { call, network, peer } = yield* silence()
      const waiting = yield* Effect.forkChild(call.pipe(Protocol.withRetransmit(exponential), exact))
      const { datagram, from } = yield* peer.receive
      network.refuses = (packet) => packet.from.startsWith("10.0.0.1:") ? refusal : undefined
      yield* TestClock.adjust("1 second")
      peer.send(from, respond(datagram, "answer"))
      expect(yield* Fiber.join(waiting)).toBe("answer")
    }))

  it.effect("when the schedule is done, the call still waits, and nothing is wrong", () => {
    const logged: Array<unknown> = []
    return Effect.gen(function*() {
      const { call, peer, times } = yield* silence()
      const schedule = exponential.pipe(Schedule.upTo({ times: 2 }))
      const waiting = yield* Effect.forkChild(call.pipe(Protocol.withRetransmit(schedule), exact))
      const { datagram, from } = yield* peer.receive
      yield* TestClock.adjust("4999 millis")
      peer.send(from, respond(datagram, "answer"))
      expect(yield* Fiber.join(waiting)).toBe("answer")
      expect(times()).toStrictEqual([0, 50, 150])
      expect(logged).toStrictEqual([])
    }).pipe(Effect.provide(Logger.layer([Logger.make(({ message }) => logged.push(message))])))
  })

  it.effect("a schedule that waits for ever sends once, and nobody sleeps for it", () =>
    Effect.gen(function*() {
      const real = yield* Clock.Clock
      const slept: Array<number> = []
      const clock: Clock.Clock = Object.assign(Object.create(real), {
        sleep: (duration: Duration.Duration) => {
          slept.push(Duration.toMillis(duration))
          return real.sleep(duration)
        }
      })
      const { call, times } = yield* Effect.provideService(silence(), Clock.Clock, clock)
      const waiting = yield* Effect.forkChild(
        call.pipe(Protocol.withRetransmit(Schedule.spaced(Duration.infinity)), Effect.flip, exact)
      )
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(waiting)
      expect(times()).toStrictEqual([0])
      expect(slept).toStrictEqual([5000])
    }))

  it.effect("a schedule without delays sends once a millisecond at most", () =>
    Effect.gen(function*() {
      const { call, times } = yield* silence()
      const waiting = yield* Effect.forkChild(
        call.pipe(Protocol.withRetransmit(Schedule.forever), Protocol.withTimeout("10 millis"), Effect.flip, exact)
      )
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(waiting)
      expect(times()).toStrictEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    }))

  it.effect("a schedule may take its time, is asked with what is known, and goes with its call", () =>
    Effect.gen(function*() {
      const { call, peer, times } = yield* silence()
      const asked: Array<Protocol.Transmission> = []
      const interrupted = yield* Deferred.make<void>()
      const schedule = Schedule.spaced("100 millis").pipe(
        Schedule.setInputType<Protocol.Transmission>(),
        Schedule.tap(({ input }) =>
          Effect.suspend(() => {
            asked.push(input)
            return Effect.sleep(asked.length === 1 ? "10 millis" : "1 minute")
          }).pipe(Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined)))
        )
      )
      const waiting = yield* Effect.forkChild(call.pipe(Protocol.withRetransmit(schedule), Effect.flip, exact))
      yield* TestClock.adjust("4999 millis")
      expect(times()).toStrictEqual([0, 110])
      expect(asked.map(({ peer, transmissions }) => [NetAddress.formatInet(peer), transmissions])).toStrictEqual([
        [NetAddress.formatInet(peer.address), 1],
        [NetAddress.formatInet(peer.address), 2]
      ])
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(waiting)
      yield* Deferred.await(interrupted)
    }))

  it.effect("a schedule that dies sends nothing more, is logged, and leaves the call alone", () =>
    Effect.gen(function*() {
      const logged: Array<unknown> = []
      const logger = Logger.make(({ message }) => void logged.push(message))
      yield* Effect.gen(function*() {
        const { call, peer, times } = yield* silence()
        const schedule = exponential.pipe(Schedule.tap(() => Effect.die("broken")))
        const waiting = yield* Effect.forkChild(call.pipe(Protocol.withRetransmit(schedule), exact))
        const { datagram, from } = yield* peer.receive
        yield* TestClock.adjust("1 second")
        peer.send(from, respond(datagram, "answer"))
        expect(yield* Fiber.join(waiting)).toBe("answer")
        expect(times()).toStrictEqual([0])
      }).pipe(Effect.provide(Logger.layer([logger])))
      expect(logged).toMatchObject([["rpcudp: a schedule of retransmissions died"]])
    }))

  it.effect("with retries around it, each attempt has its own id and its own deadline, and no more", () =>
    Effect.gen(function*() {
      const { call, sent } = yield* silence()
      const waiting = yield* Effect.forkChild(call.pipe(
        Protocol.withRetransmit(exponential),
        Protocol.withTimeout("1 second"),
        Effect.retry({ times: 2 }),
        Effect.flip,
        Effect.andThen(Clock.currentTimeMillis),
        exact
      ))
      yield* TestClock.adjust("1 minute")
      expect(yield* Fiber.join(waiting)).toBe(3000)
      const ids = new Map<string, Array<number>>()
      for (const { at, payload } of sent) {
        const id = Buffer.from(Codec.idOf(payload)).toString("hex")
        ids.set(id, [...ids.get(id) ?? [], at])
      }
      expect([...ids.values()]).toStrictEqual([
        [0, 50, 150, 350, 750],
        [1000, 1050, 1150, 1350, 1750],
        [2000, 2050, 2150, 2350, 2750]
      ])
    }))

  it.effect("of two requests that are due at once, the second is not sent again if the first one's sending ends its call", () =>
    Effect.gen(function*() {
      const context = yield* Effect.context<never>()
      const fiber = yield* Effect.fiber
      const { peer } = yield* silence()
      const to = { address: peer.address, host: "10.0.0.2", equals: () => true }
      const sent: Array<number> = []
      const retransmitter = new Retransmitter({
        now: Now.make(yield* Clock.Clock),
        context,
        send: (datagram) => {
          sent.push(datagram[0]!)
          for (const one of both) retransmitter.stop(one)
        }
      })
      const both = [1, 2].map((number) => retransmitter.start(exponential, Uint8Array.of(number), to, fiber))
      yield* TestClock.adjust("1 minute")
      expect(sent).toStrictEqual([1])
    }).pipe(exact))

  it.effect("over a transport that copies, requests are written over each other, but not those that are sent again", () =>
    Effect.gen(function*() {
      const address = NetAddress.inetAddressFromStringUnsafe("10.0.0.1:1")
      const peer: Transport.Peer = { address, host: "10.0.0.1", equals: () => true }
      const kinds = Effect.fnUntraced(function*(copies: true | undefined) {
        const sent: Array<readonly [place: number, bytes: string]> = []
        const transport = Transport.Transport.of({
          address,
          copies,
          peer: () => peer,
          send: (datagram) => sent.push([datagram.byteOffset, Buffer.from(datagram).toString("latin1")]),
          run: () => Effect.never
        })
        const { call } = Context.get(yield* caller(Layer.succeed(Transport.Transport, transport)), Protocol.Protocol)
        const again = call(address, "again", []).pipe(Protocol.withRetransmit(Schedule.spaced("2 seconds")), exact)
        const calls = [call(address, "once", []), again, call(address, "once", []), call(address, "once", [])]
        yield* Effect.forkChild(Effect.forEach(calls, Effect.flip, { concurrency: "unbounded" }))
        yield* TestClock.adjust("3 seconds")
        expect(sent.length).toBe(5)
        expect(sent[4]).toStrictEqual(sent[1])
        expect(new Set(sent.map(([, bytes]) => bytes)).size).toBe(4)
        const places = sent.map(([place]) => place)
        return [places[1] === places[0], places[2] === places[1], places[3] === places[2]]
      })
      expect(yield* kinds(true)).toStrictEqual([true, false, true])
      expect(yield* kinds(undefined)).toStrictEqual([false, false, false])
    }))

  it.effect("1,000 calls that are sent again leave nothing behind", () =>
    Effect.gen(function*() {
      const { protocol, times } = yield* silence()
      const call = protocol.call("10.0.0.9:1", "who", []).pipe(
        Protocol.withRetransmit(Schedule.spaced("1 second")),
        Effect.flip,
        exact
      )
      const waiting = yield* Effect.forkChild(Effect.all(Array.from({ length: 1000 }, () => call), {
        concurrency: "unbounded"
      }))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(waiting)
      expect(times().length).toBe(5000)
      const seen = yield* metrics
      expect(seen).toMatchObject({ rpcudp_retransmissions: 4000, "rpcudp_calls.no_response": 1000 })
      expect(seen["rpcudp_calls_in_flight"]).toBe(undefined)
    }).pipe(withMetrics))
})

const refusal = MemoryNetwork.refusal("10.0.0.2:1")

describe("adaptive retransmission (RFC 6298)", () => {
  /** Calls once; the peer answers after so many milliseconds. Returns when requests were sent, in milliseconds from then. */
  const roundTrip = Effect.fnUntraced(function*(
    { call, peer, times }: Effect.Success<ReturnType<typeof silence>>,
    millis: number
  ) {
    const before = times().length
    const waiting = yield* Effect.forkChild(
      call.pipe(Protocol.withRetransmit(Protocol.adaptive), Protocol.withTimeout("20 seconds"), exact)
    )
    const { datagram, from } = yield* peer.receive
    yield* TestClock.adjust(millis)
    peer.send(from, respond(datagram, "answer"))
    yield* Fiber.join(waiting)
    const sent = times().slice(before)
    for (let i = 1; i < sent.length; i++) yield* peer.receive
    return sent.map((at) => at - sent[0]!)
  })

  it.effect("an unknown peer has a second, then twice as long each time", () =>
    Effect.gen(function*() {
      expect(yield* roundTrip(yield* silence(), 7999)).toStrictEqual([0, 1000, 3000, 7000])
    }))

  it.effect("a peer is given its smoothed round trip and four times its variation", () =>
    Effect.gen(function*() {
      const node = yield* silence()
      // RFC 6298, 2.2: SRTT 100, RTTVAR 50; 2.3: RTTVAR 0.75 * 50 + 0.25 * 100 = 62.5, SRTT 0.875 * 100 + 0.125 * 200 = 112.5.
      yield* roundTrip(node, 100)
      expect(yield* roundTrip(node, 200)).toStrictEqual([0])
      expect(yield* roundTrip(node, 1000)).toStrictEqual([0, 362.5])
    }))

  it.effect("an answer to a request that was sent twice measures nothing, and the longer wait stays until one does", () =>
    Effect.gen(function*() {
      const node = yield* silence()
      yield* roundTrip(node, 100)
      // 100 + 4 * 50
      expect(yield* roundTrip(node, 350)).toStrictEqual([0, 300])
      // It came 50 ms after the second: that one may have been answered. But the back-off stays.
      expect(yield* roundTrip(node, 650)).toStrictEqual([0, 600])
      // Measured at last: SRTT 0.875 * 100 + 0.125 * 900 = 200, RTTVAR 0.75 * 50 + 0.25 * 800 = 237.5.
      expect(yield* roundTrip(node, 900)).toStrictEqual([0])
      expect(yield* roundTrip(node, 1200)).toStrictEqual([0, 1150])
    }))

  it.effect("a fast peer is given 50 ms, not less", () =>
    Effect.gen(function*() {
      const node = yield* silence()
      yield* roundTrip(node, 1)
      expect(yield* roundTrip(node, 60)).toStrictEqual([0, 50])
    }))

  it.effect("where datagrams were lost, the next call waits twice as long at first, however often the last was sent", () =>
    Effect.gen(function*() {
      const node = yield* silence()
      yield* roundTrip(node, 1)
      // Sent a fifth time after 50 + 100 + 200 + 400 ms, and answered a millisecond later.
      expect(yield* roundTrip(node, 751)).toStrictEqual([0, 50, 150, 350, 750])
      expect(yield* roundTrip(node, 201)).toStrictEqual([0, 100, 200])
      expect(yield* roundTrip(node, 601)).toStrictEqual([0, 200, 400, 600])
      expect(yield* roundTrip(node, 1)).toStrictEqual([0])
      expect(yield* roundTrip(node, 51)).toStrictEqual([0, 50])
    }))

  it.effect("a peer that has become slow is given as long as its answer can have taken, so that the next is measured", () =>
    Effect.gen(function*() {
      const node = yield* silence()
      yield* roundTrip(node, 1)
      expect(yield* roundTrip(node, 600)).toStrictEqual([0, 50, 150, 350])
      expect(yield* roundTrip(node, 599)).toStrictEqual([0])
    }))

  /** Calls, and says when the request was sent, from then on, once the call has ended. */
  const begin = ({ call, times }: Effect.Success<ReturnType<typeof silence>>) =>
    Effect.gen(function*() {
      const before = times().length
      const waiting = yield* Effect.forkChild(call.pipe(Protocol.withRetransmit(Protocol.adaptive), Effect.exit, exact))
      yield* TestClock.adjust(0)
      const sent = Effect.map(Fiber.join(waiting), () => times().slice(before))
      return { sent }
    })

  it.effect("what other calls measure meanwhile counts for the next wait of a call, and its own first wait no more", () =>
    Effect.gen(function*() {
      const node = yield* silence()
      const lost = yield* begin(node)
      yield* node.peer.receive
      yield* TestClock.adjust("500 millis")
      const other = yield* begin(node)
      const { datagram, from } = yield* node.peer.receive
      yield* TestClock.adjust("10 millis")
      node.peer.send(from, respond(datagram, "answer"))
      yield* other.sent
      yield* TestClock.adjust("5 seconds")
      // The second at 500 ms is the other call's.
      expect(yield* lost.sent).toStrictEqual([0, 500, 1000, 1100, 1300, 1700, 2500, 4100])
    }))

  it.effect("what is known of a peer says nothing of another on the same host", () =>
    Effect.gen(function*() {
      const node = yield* silence()
      yield* roundTrip(node, 1)
      const call = node.protocol.call("10.0.0.2:1", "who", [])
      const lost = yield* begin({ ...node, call })
      yield* TestClock.adjust("5 seconds")
      expect(yield* lost.sent).toStrictEqual([1, 1001, 3001])
    }))

  it.effect("a silent peer is sent a request seven times at most in five seconds, and in the end once", () =>
    Effect.gen(function*() {
      const node = yield* silence()
      yield* roundTrip(node, 1)
      const counts: Array<number> = []
      for (let i = 0; i < 9; i++) {
        const lost = yield* begin(node)
        yield* TestClock.adjust("5 seconds")
        counts.push((yield* lost.sent).length)
      }
      expect(counts).toStrictEqual([7, 7, 7, 7, 6, 4, 2, 1, 1])
    }))
})
