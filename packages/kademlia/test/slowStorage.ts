/** A node without fibers whose storage takes its time, among senders that ask and store without end. All of it in simulated time. */
import { Heap } from "../simulation/Heap.ts"
import { Contact } from "../src/Contact.ts"
import type { Output } from "../src/core/Shared.ts"
import { Id } from "../src/index.ts"
import type { Storage } from "../src/index.ts"
import { coreOf, inet } from "./nodes.ts"

export interface Options {
  /** Where the flood comes from: each sends so many requests a second. */
  readonly senders: ReadonlyArray<string>
  readonly perSecond: number
  /** Of the requests, how many are stores; the others ask for pairs. */
  readonly stores: number
  readonly seconds: number
  /** How long the storage takes for whatever it is asked. */
  readonly millis: number
}

/** What came of the requests, one a second, of who floods nothing; each counts if it is answered within two seconds. */
export interface Outcome {
  readonly found: number
  readonly taken: number
  /** How many of the node's own pairs were published. */
  readonly published: number
  /** How many were in the hands of the storage at once. */
  readonly most: number
}

const patience = 2_000

const value = "x".repeat(1_000)

export const flood = ({ millis, perSecond, seconds, senders, stores }: Options): Outcome => {
  const core = coreOf(Id.ofKey("self"))
  const pairs = new Map<Id.Id, Storage.Entry>()
  const agenda = new Heap<() => void>()
  const outcome = { found: 0, taken: 0, published: 0, most: 0 }
  let now = 0
  let busy = 0
  const later = (after: number, act: () => void) => agenda.push(now + after, act)
  const stored = (told: () => void) => {
    outcome.most = Math.max(outcome.most, ++busy)
    later(millis, () => {
      busy--
      told()
    })
  }
  const act = (output: Output): void => {
    switch (output._tag) {
      case "Read":
        return stored(() => output.told(pairs.get(output.key), now))
      case "Write":
        return stored(() => {
          pairs.set(output.key, output.entry)
          output.told("kept", now)
        })
      case "Remove":
        return stored(() => {
          pairs.delete(output.key)
          output.told(undefined, now)
        })
      case "Ping":
      case "Find":
      case "Store":
        return later(1_000, () => output.told({ _tag: "Lost", isSilent: true, isUnsent: false }, now))
      case "Sleep":
        return later(output.millis, () => output.told(undefined, now))
      case "Event":
    }
  }

  const key = Id.ofKey("key")
  pairs.set(key, {
    value,
    own: true,
    from: core.self,
    sender: "",
    network: "",
    expiresAt: Infinity,
    republishAt: Infinity
  })
  core.learn(key, pairs.get(key)!)
  core.start(0)

  for (const [n, sender] of senders.entries()) {
    const from = new Contact(Id.ofKey(sender), inet(sender))
    for (let i = 0; i < perSecond * seconds; i++) {
      agenda.push((i + n / senders.length) * 1_000 / perSecond, () => {
        const key = Id.ofKey(`${sender} ${i}`)
        if (i % perSecond < stores) core.store(from, key, value, () => {}, now)
        else core.findValue(from, key, () => {}, now)
      })
    }
  }
  const honest = new Contact(Id.ofKey("honest"), inet("8.8.8.8:1"))
  for (let i = 0; i < seconds; i++) {
    agenda.push(i * 1_000 + 500, () => {
      const end = now + patience
      core.findValue(honest, key, (found) => {
        if (found._tag === "Value" && now <= end) outcome.found++
      }, now)
      core.store(honest, Id.ofKey(`honest ${i}`), value, (taken) => {
        if (taken && now <= end) outcome.taken++
      }, now)
      core.set(Id.ofKey(`own ${i}`), value, (taken) => {
        if (taken !== undefined && now <= end) outcome.published++
      }, now)
    })
  }

  while (agenda.nextAt <= seconds * 1_000 + patience) {
    now = agenda.nextAt
    agenda.pop()?.()
    for (let output = core.poll(); output !== undefined; output = core.poll()) act(output)
  }
  return outcome
}
