/** Drives the core of a node with Effect: makes its calls, keeps its pairs, lets time pass, and tells it what came of that. */
import { Cause, Effect, Fiber, Option, Stream } from "effect"
import type { Protocol } from "effect-rpcudp"
import type { NetAddress } from "effect/net"
import type { Core } from "../core/Core.ts"
import type { Found, Identified, Lost, Output, Taken, Told, Written } from "../core/Shared.ts"
import type { Contact } from "../Contact.ts"
import type { Kademlia, Value } from "../Messages.ts"
import type { Storage } from "../Storage.ts"
import type { Events } from "./events.ts"

export interface Options {
  readonly core: Core
  readonly client: (address: NetAddress.InetAddress) => Protocol.Client<typeof Kademlia.procedures>
  readonly storage: Storage["Service"]
  readonly events: Events
  /** In milliseconds. */
  readonly now: () => number
  /** Runs an effect until it ends, or the node does, which interrupts it. */
  readonly run: <A>(effect: Effect.Effect<A>) => Fiber.Fiber<A>
}

export class Driver {
  readonly #options: Options
  #isDraining = false
  /** When a failure of the storage was last logged. */
  #loggedAt = -Infinity

  constructor(options: Options) {
    this.#options = options
  }

  /** Has the core read what is kept from before, and then lets it begin. */
  get start(): Effect.Effect<void> {
    const { core, storage } = this.#options
    return Stream.runForEach(storage.all, ([key, entry]) => Effect.sync(() => core.learn(key, entry))).pipe(
      Effect.catchCause((cause) => Effect.logError("kademlia: what is kept could not be read", cause)),
      Effect.andThen(this.tell((core, now) => core.start(now)))
    )
  }

  /** Tells the core something, and does what it wants. */
  tell<A>(input: (core: Core, now: number) => A): Effect.Effect<A> {
    return Effect.sync(() => this.#tell(input))
  }

  /**
   * Asks the core for something that takes its time. Whoever waits for that is interrupted when the node ends. If it is
   * interrupted before, what the question has returned is called, which gives up what has not begun.
   */
  ask<A>(question: (core: Core, then: (answer: A) => void, now: number) => (() => void) | void): Effect.Effect<A> {
    const answer = Effect.callback<A>((resume) => {
      const giveUp = this.#tell((core, now) => question(core, (value) => resume(Effect.succeed(value)), now))
      return giveUp === undefined ? undefined : Effect.sync(giveUp)
    })
    return Effect.suspend(() => {
      const fiber = this.#options.run(answer)
      return Effect.onInterrupt(Fiber.join(fiber), () => Fiber.interrupt(fiber))
    })
  }

  #tell<A>(input: (core: Core, now: number) => A): A {
    const { core, events, now } = this.#options
    core.watch(events.isWatched)
    const result = input(core, now())
    this.#drain()
    return result
  }

  #drain(): void {
    // What is done at once tells the core meanwhile: then this loop goes on with what it wants.
    if (this.#isDraining) return
    this.#isDraining = true
    const { core, events, run } = this.#options
    for (let output = core.poll(); output !== undefined; output = core.poll()) {
      if (output._tag === "Event") events.emit(output.event)
      else run(this.#act(output))
    }
    this.#isDraining = false
  }

  #act(output: Exclude<Output, { readonly _tag: "Event" }>): Effect.Effect<void> {
    const { client, core: { self }, storage } = this.#options
    switch (output._tag) {
      case "Ping":
        return this.#call(client(output.address).ping(self), (id): Identified => ({ _tag: "Id", id }), output.told)
      case "Find": {
        const { address, kind, target, told } = output
        return this.#call(client(address)[kind === "node" ? "find_node" : "find_value"](self, target), foundOf, told)
      }
      case "Store": {
        const { address, key, told, value } = output
        return this.#call(
          client(address).store(self, key, value),
          (taken): Taken => ({ _tag: "Taken", taken }),
          told
        )
      }
      case "Read":
        return storage.get(output.key).pipe(
          Effect.map(Option.getOrUndefined),
          Effect.catchCause((cause) => this.#failed(cause)),
          Effect.flatMap((entry) => this.#told(output.told, entry))
        )
      case "Write":
        return storage.put(output.key, output.entry).pipe(
          Effect.map((isKept): Written => isKept ? "kept" : "full"),
          Effect.catchCause((cause) => this.#failed(cause)),
          Effect.flatMap((written) => this.#told(output.told, written))
        )
      case "Remove":
        return storage.remove(output.key).pipe(
          Effect.as(undefined),
          Effect.catchCause((cause) => this.#failed(cause)),
          Effect.flatMap((removed) => this.#told(output.told, removed))
        )
      case "Sleep":
        return Effect.andThen(Effect.sleep(output.millis), this.#told(output.told, undefined))
    }
  }

  #call<A, E extends { readonly _tag: string }, B>(
    call: Effect.Effect<A, E>,
    answer: (success: A) => B,
    told: Told<B | Lost>
  ): Effect.Effect<void> {
    return call.pipe(
      Effect.map(answer),
      Effect.catchCause(lost),
      Effect.flatMap((outcome) => this.#told(told, outcome))
    )
  }

  /** Strangers decide how often a storage is asked that fails: the log has one line a minute. */
  #failed(cause: Cause.Cause<never>): Effect.Effect<"failed"> {
    return Effect.suspend(() => {
      const now = this.#options.now()
      if (now - this.#loggedAt < 60_000) return Effect.succeed("failed")
      this.#loggedAt = now
      return Effect.as(Effect.logError("kademlia: the storage has failed", cause), "failed")
    })
  }

  #told<A>(told: Told<A>, outcome: A): Effect.Effect<void> {
    return this.tell((_, now) => told(outcome, now))
  }
}

const foundOf = (found: { readonly value: Value } | ReadonlyArray<Contact>): Found =>
  "value" in found ? { _tag: "Value", value: found.value } : { _tag: "Contacts", contacts: found }

/** Whatever a call fails with, a defect too: else the core would wait for ever. */
const lost = (cause: Cause.Cause<{ readonly _tag: string }>): Effect.Effect<Lost> => {
  const error = Option.getOrUndefined(Cause.findErrorOption(cause))
  const outcome: Lost = {
    _tag: "Lost",
    isSilent: error?._tag === "NoResponse",
    isUnsent: error !== undefined && unsent.has(error._tag)
  }
  return error === undefined
    ? Effect.as(Effect.logError("kademlia: a call has failed as none should", cause), outcome)
    : Effect.succeed(outcome)
}

/** The errors of calls that have sent nothing. An answer that is `Oversize` is one of none of this contract's methods. */
const unsent: ReadonlySet<string> = new Set(["Oversize", "TooManyCalls", "DatagramSocketError"])
