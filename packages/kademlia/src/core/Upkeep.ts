/** What a node does now and then: joins again, refreshes buckets, renews what it keeps. */
import type { Contacts } from "./Contacts.ts"
import { inTurn } from "./inTurn.ts"
import type { Joining } from "./Joining.ts"
import type { Lookups } from "./Lookups.ts"
import type { Shared } from "./Shared.ts"
import type { Values } from "./Values.ts"

export interface Parts {
  readonly contacts: Contacts
  readonly joining: Joining
  readonly lookups: Lookups
  readonly values: Values
}

export class Upkeep {
  readonly #shared: Shared
  readonly #parts: Parts

  constructor(shared: Shared, parts: Parts) {
    this.#shared = shared
    this.#parts = parts
  }

  /** From now on. What is due takes its time, and then there is a pause. */
  start(): void {
    if (this.#shared.settings.keepAlive < Infinity) this.#keepAlive()
    this.#goOn()
  }

  #goOn(): void {
    this.#shared.sleep(this.#shared.settings.every, () => this.#maintain(() => this.#goOn()))
  }

  /** Sends something where nothing was sent for so long: a NAT would forget the node. */
  #keepAlive(): void {
    const { now, sentAt, settings: { keepAlive } } = this.#shared
    const left = sentAt + keepAlive - now
    if (left <= 0) this.#parts.contacts.greet()
    this.#shared.sleep(left > 0 ? left : keepAlive, () => this.#keepAlive())
  }

  #maintain(then: () => void): void {
    const { now, reachability, self, settings: { refreshAfter }, table } = this.#shared
    const { contacts, joining, lookups, values } = this.#parts
    reachability.judge(now)
    contacts.verify()
    joining.rejoin(() => {
      const quiet = table.buckets.filter(({ lookedUp }) => lookedUp <= this.#shared.now - refreshAfter)
      // Neighbours have to know each other. Of those that are far away some will do.
      const own = table.bucketOf(self)
      lookups.refresh(quiet.filter((bucket) => bucket === own), () => {
        const far = quiet.filter((bucket) => bucket !== own)
        inTurn(far, (bucket, done) => lookups.freshen(bucket, done), () => values.renew(then))
      })
    })
  }
}
