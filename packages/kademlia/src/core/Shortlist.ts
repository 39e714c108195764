/** What a lookup knows: whom it has heard of, asked, and heard from. No network, no clock. */
import type { Contact } from "../Contact.ts"
import type { Id } from "./distance.ts"
import * as Distance from "./distance.ts"

export interface Candidate {
  readonly contact: Contact
  /** How many nodes were asked one after the other to get here, this one included. */
  readonly hop: number
  state: "heard of" | "asked" | "answered" | "failed" | "unsent"
  /** Who named it; nobody, where the own table holds it. */
  readonly by: Array<Candidate> | undefined
  /** How many it has named, and how many of them have failed. */
  readonly named: { count: number; failed: number }
}

export interface Options {
  readonly target: Id
  /** How many of the closest are to be found. */
  readonly k: number
  /** How many are asked at once. */
  readonly alpha: number
}

// A lookup asks k nodes and a few more. It gives up at this many times k.
const maxRounds = 8

export class Shortlist {
  readonly #options: Options
  readonly #order: (a: Id, b: Id) => number
  /** The closest first. */
  #candidates: Array<Candidate> = []
  /** Ids and addresses of all that ever stood here: nobody is asked twice, whatever names others give them. */
  readonly #known = new Map<string, Candidate>()
  #asked = 0
  #inFlight = 0
  /** How many answers in a row brought nothing closer. */
  #fruitless = 0

  constructor(options: Options) {
    this.#options = options
    this.#order = Distance.byDistance(options.target)
  }

  /** Contacts that a node named which was asked, or that the own table holds. */
  add(contacts: ReadonlyArray<Contact>, by?: Candidate): void {
    const before = this.#candidates[0]?.contact.id
    // Of a list however long, no more counts than an honest one would hold.
    for (const contact of contacts.slice(0, this.#options.k)) {
      const known = this.#known.get(contact.id)
      if (by !== undefined && known?.contact.name === contact.name) {
        by.named.count++
        if (known.state === "failed") by.named.failed++
        if (known.by?.includes(by) === false) known.by.push(by)
      }
      if (known !== undefined) continue
      const index = this.#indexFor(contact.id)
      if (index >= this.#limit) continue
      if (this.#known.has(contact.name)) continue
      const candidate: Candidate = {
        contact,
        hop: (by?.hop ?? 0) + 1,
        state: "heard of",
        by: by && [by],
        named: { count: 0, failed: 0 }
      }
      if (by !== undefined) by.named.count++
      this.#known.set(contact.id, candidate).set(contact.name, candidate)
      this.#candidates.splice(index, 0, candidate)
      if (this.#candidates.length > this.#limit) this.#forgetFurthest()
    }
    const closest = this.#candidates[0]?.contact.id
    this.#fruitless = closest === before ? this.#fruitless + 1 : 0
  }

  /**
   * Whom to ask now, if anybody: the closest that were not asked yet, of the k closest that have not failed. `alpha` at
   * once; when that many answers in a row brought nobody closer, all of the k at once.
   */
  next(): Candidate | undefined {
    const { alpha, k } = this.#options
    // Nodes that name ever closer ones that do not exist would keep it going for ever.
    if (this.#asked === maxRounds * k) return undefined
    if (this.#inFlight >= (this.#fruitless >= alpha ? k : alpha)) return undefined
    const candidate = this.#closest().find(({ state }) => state === "heard of")
    if (candidate === undefined) return undefined
    candidate.state = "asked"
    this.#asked++
    this.#inFlight++
    return candidate
  }

  answered(candidate: Candidate): void {
    candidate.state = "answered"
    this.#inFlight--
  }

  failed(candidate: Candidate): void {
    this.#drop(candidate, "failed")
    for (const by of candidate.by ?? []) by.named.failed++
    if (candidate.by?.every(isBelieved) === false) this.#forgetUnbelieved()
  }

  /** The call has not left this node: that is no fault of the candidate, nor of those that named it. */
  unsent(candidate: Candidate): void {
    this.#drop(candidate, "unsent")
  }

  get isIdle(): boolean {
    return this.#inFlight === 0
  }

  /** How many nodes were asked. */
  get asked(): number {
    return this.#asked
  }

  /** Those that have answered, the closest first. */
  get answers(): ReadonlyArray<Candidate> {
    return this.#candidates.filter(({ state }) => state === "answered")
  }

  #drop(candidate: Candidate, state: Candidate["state"]): void {
    candidate.state = state
    this.#inFlight--
    this.#candidates = this.#candidates.filter((other) => other !== candidate)
  }

  #closest(): ReadonlyArray<Candidate> {
    return this.#candidates.slice(0, this.#options.k)
  }

  // Those behind the k closest take the places of those that fail: invented ones that are closer must not push them out.
  get #limit(): number {
    return maxRounds * this.#options.k
  }

  /** Forgets whom none but those named that are not believed. Others may name them yet. */
  #forgetUnbelieved(): void {
    this.#candidates = this.#candidates.filter((candidate) => {
      if (candidate.state !== "heard of" || candidate.by?.some(isBelieved) !== false) {
        return true
      }
      this.#known.delete(candidate.contact.id)
      this.#known.delete(candidate.contact.name)
      return false
    })
  }

  #forgetFurthest(): void {
    const index = this.#candidates.findLastIndex(({ state }) => state === "heard of")
    if (index !== -1) this.#candidates.splice(index, 1)
  }

  #indexFor(id: Id): number {
    let low = 0
    let high = this.#candidates.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#order(this.#candidates[middle]!.contact.id, id) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** Most of those that it named have not failed. */
const isBelieved = ({ named: { count, failed } }: Candidate): boolean => 2 * failed <= count
