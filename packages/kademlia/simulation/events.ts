/**
 * The network of `simulate.ts` without fibers, sockets and bytes: an event queue drives the cores of its nodes. Its delays,
 * losses, sessions and lookups are drawn from the same distributions.
 */
import { Effect, Random, Record } from "effect"
import { NetAddress } from "effect/net"
import { Nats } from "../../../src/testing/nat.ts"
import { Contact } from "../src/Contact.ts"
import { Core } from "../src/core/Core.ts"
import { byDistance, headOf } from "../src/core/distance.ts"
import type { Found, Identified, Lost, Output, Settings, Taken, Told } from "../src/core/Shared.ts"
import * as Id from "../src/Id.ts"
import { settingsOf } from "../src/internal/settings.ts"
import type { Entry } from "../src/Storage.ts"
import type { Cause, Figures, Options, Search } from "./figures.ts"
import {
  cpuMicros,
  delay,
  draws,
  every,
  figuresOf,
  hour,
  keysOf,
  mean,
  rampHours,
  tick,
  timeout,
  valueOf
} from "./figures.ts"
import { Heap } from "./Heap.ts"
import * as Hostile from "./hostile.ts"
import * as Nat from "./nats.ts"
import * as Sizes from "./sizes.ts"

export const simulate = (options: Options): Figures => new World(options).run()

interface Member {
  readonly core: Core
  /** As others know it. */
  readonly contact: Contact
  /** The name of its own socket. */
  readonly socket: string
  readonly isOpen: boolean
  /** Of one that does harm, and does not ask its core what to answer. */
  readonly kind: Hostile.Kind | undefined
  readonly pairs: Map<Id.Id, Entry>
  isThere: boolean
}

const silent: Lost = { _tag: "Lost", isSilent: true, isUnsent: false }

const refused: Lost = { _tag: "Lost", isSilent: false, isUnsent: false }

// Of a normal distribution, so that the 99th percentile of the delays is what it is to be.
const sigma = Math.log(delay.p99 / delay.median) / 2.3263

/** What a node does, or what came of it, made it want something. */
type Root = "joining" | "lookups" | "publishing" | "upkeep" | "places"

type Request = Extract<Output, { readonly _tag: "Ping" | "Find" | "Store" }>

/** Pings ask for a place, or whether one is still there, but those of a node that joins, or of its upkeep. */
const rootOf = (root: Root, { _tag }: Output): Root =>
  _tag === "Ping" && root !== "joining" && root !== "upkeep" ? "places" : root

const causeOf = (root: Root, { _tag }: Request): Cause => {
  if (root === "upkeep") return _tag === "Store" ? "renewing" : "refreshing"
  return root === "places" && _tag === "Store" ? "handing over" : root
}

class World {
  readonly #options: Options
  readonly #settings: Settings
  readonly #agenda = new Heap<() => void>()
  readonly #random: () => number
  readonly #draws: ReturnType<typeof draws>
  /** One for each place. */
  readonly #members: Array<Member> = []
  /** Those that are there, by the names of their sockets. */
  readonly #live = new Map<string, Member>()
  readonly #ids = new Map<Id.Id, Member>()
  readonly #hostile = new Map<Id.Id, NetAddress.InetAddress>()
  readonly #nats: Nats<string>
  readonly #addresses = new Map<string, NetAddress.InetAddress>()
  readonly #names = new Map<NetAddress.InetAddress, string>()
  readonly #published: Array<{ readonly key: string; readonly at: number }> = []
  readonly #searches: Array<Search> = []
  readonly #began = cpuMicros()
  #now = 0
  #started = 0
  #left = 0
  #sent = 0
  #bytes = 0
  #causes = noMessages()
  #wrong = 0

  constructor(options: Options) {
    const { alpha, k, seed } = options
    const random = Effect.runSync(Random.Random.pipe(Random.withSeed(seed)))
    this.#options = options
    this.#random = () => random.nextDoubleUnsafe()
    this.#draws = draws(this.#random)
    this.#nats = new Nats({ draws: () => this.#random, outside: (host, port) => `${host}:${port}` })
    this.#settings = settingsOf({ k, alpha, every })
  }

  run(): Figures {
    const startedAt = performance.now()
    const { hours, lookupsPerHour, nodes } = this.#options
    const { exponential, upTo } = this.#draws
    for (let i = 0; i < nodes; i++) this.#after(upTo(rampHours * 0.5 * hour), () => this.#open())
    this.#advance(rampHours)
    for (let i = 0; i < keysOf(nodes); i++) this.#after(upTo(0.5 * hour), () => this.#publish(`key ${i}`))
    const search = () => {
      this.#search()
      this.#after(exponential(hour / (lookupsPerHour * nodes)), search)
    }
    this.#after(hour, () => this.#after(exponential(hour / (lookupsPerHour * nodes)), search))
    const [sent, cpu] = [this.#sent, cpuMicros()]
    this.#bytes = 0
    this.#causes = noMessages()
    this.#advance(rampHours + hours)
    const [messages, micros] = [this.#sent - sent, cpuMicros() - cpu]

    const named = this.#named()
    const honest = this.#members.filter(({ kind }) => kind === undefined)
    const perNodeHour = (count: number) => count / nodes / hours
    const figures = figuresOf(this.#options, {
      left: this.#left,
      published: this.#published.length,
      searches: this.#searches,
      wrong: this.#wrong,
      messages,
      micros,
      tables: this.#members.map(({ core }) => core.table.buckets),
      isThere: (id) => this.#ids.has(id),
      startedAt
    })
    return {
      ...figures,
      messages: {
        ...figures.messages,
        byCause: Record.map(this.#causes, perNodeHour),
        bytesPerNodeHour: perNodeHour(this.#bytes)
      },
      holders: this.#holders(),
      named: {
        dead: mean(named.map(({ id }) => this.#ids.has(id) ? 0 : 1)),
        unreachable: mean(named.map(({ id }) => this.#ids.get(id)?.isOpen === false ? 1 : 0))
      },
      judged: {
        rightly: mean(honest.map(({ core, isOpen }) => core.isReachable === isOpen ? 1 : 0)),
        wrongly: mean(honest.map(({ core, isOpen }) => core.isReachable === !isOpen ? 1 : 0))
      }
    }
  }

  /** Whom the nodes that can be called name to those that ask them. */
  #named(): ReadonlyArray<Contact> {
    const stranger = new Contact(this.#randomId(), this.#inet("10.255.255.255:8468"))
    return this.#members.filter(({ isOpen, kind }) => isOpen && kind === undefined).flatMap(({ core }) =>
      core.findNode(stranger, this.#randomId(), this.#now)
    )
  }

  /** Of each key, in the mean, how many hold it, and how many of the closest that can be called. */
  #holders(): { readonly all: number; readonly closest: number } {
    const open = this.#members.filter(({ isOpen }) => isOpen)
    const counts = this.#published.map(({ key }) => {
      const id = Id.ofKey(key)
      const order = byDistance(id)
      const head = headOf(id)
      const furthest = open.map(({ contact }) => (contact.head ^ head) >>> 0).sort((a, b) => a - b)[this.#options.k - 1]
      const near = open.filter(({ contact }) => ((contact.head ^ head) >>> 0) <= (furthest ?? Infinity))
      const closest = near.sort((a, b) => order(a.core.self, b.core.self)).slice(0, this.#options.k)
      const holds = ({ pairs }: Member) => (pairs.get(id)?.expiresAt ?? 0) > this.#now
      return { all: this.#members.filter(holds).length, closest: closest.filter(holds).length }
    })
    return { all: mean(counts.map(({ all }) => all)), closest: mean(counts.map(({ closest }) => closest)) }
  }

  /** Lets everything happen until then. */
  #advance(hours: number): void {
    let told = this.#now
    while (this.#agenda.nextAt <= hours * hour) {
      this.#now = this.#agenda.nextAt
      this.#agenda.pop()?.()
      if (this.#now < told + 60_000) continue
      told = this.#now
      this.#tellProgress()
    }
    this.#now = hours * hour
    this.#tellProgress()
  }

  #tellProgress(): void {
    const { hours, progress } = this.#options
    const at = this.#now / hour
    const millions = (this.#sent / 1_000_000).toFixed(1)
    const micros = ((cpuMicros() - this.#began) / Math.max(1, this.#sent)).toFixed(1)
    const note = `${
      (at - rampHours).toFixed(1)
    } h, ${this.#members.length} nodes, ${millions} M datagrams at ${micros} us`
    progress(at / (rampHours + hours), note)
  }

  #after(millis: number, event: () => void): void {
    this.#agenda.push(this.#now + millis, event)
  }

  // Nodes that come and go

  /** A place in the network: a node that stays for a while, then another. */
  #open(): void {
    const index = this.#members.length
    const member = this.#start(index)
    this.#members.push(member)
    const stay = () => this.#stay(index, this.#options.churn.residual(this.#random))
    if (index > 0) this.#bootstrap(member, this.#gatesAmong(index), stay)
    else stay()
  }

  #stay(index: number, hours: number): void {
    this.#after(this.#draws.rounded(hours * hour), () => {
      const member = this.#members[index]!
      member.isThere = false
      this.#live.delete(member.socket)
      this.#ids.delete(member.contact.id)
      this.#hostile.delete(member.contact.id)
      this.#left++
      const gates = this.#gatesAmong(this.#members.length)
      const next = this.#start(index)
      this.#members[index] = next
      this.#bootstrap(next, gates, () => this.#stay(index, this.#options.churn.session(this.#random)))
    })
  }

  /** Whom a node that joins knows, of so many that are there. */
  #gatesAmong(there: number): ReadonlyArray<NetAddress.InetAddress> {
    const { below } = this.#draws
    return Array.from(
      { length: Math.min(this.#options.gates, there) },
      () => this.#members[below(there)]!.contact.address
    )
  }

  #start(index: number): Member {
    const { bits, staleAfter } = this.#options
    const number = this.#started++
    const host = (net: number) => `${net}.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`
    const nat = Nat.draw(this.#options.nat ?? 0, this.#random)
    if (nat !== undefined) this.#nats.add({ ...nat, outside: host(10), inside: [host(11)], preservePorts: true })
    const socket = `${host(nat === undefined ? 10 : 11)}:8468`
    const address = this.#inet(socket)
    const self = this.#randomId()
    const core = new Core({
      self,
      address,
      settings: this.#settings,
      bits,
      staleAfter,
      random: this.#random,
      randomId: () => this.#randomId(),
      now: this.#now
    })
    const contact = new Contact(self, this.#inet(`${host(10)}:8468`))
    const kind = Hostile.kindAt(index, this.#options.hostile ?? 0)
    if (kind !== undefined) this.#hostile.set(self, contact.address)
    const member: Member = { core, contact, socket, isOpen: Nat.isOpen(nat), kind, pairs: new Map(), isThere: true }
    this.#live.set(socket, member)
    this.#ids.set(self, member)
    core.start(this.#now)
    this.#drain(member, "upkeep")
    return member
  }

  #bootstrap(member: Member, gates: ReadonlyArray<NetAddress.InetAddress>, then: () => void): void {
    member.core.bootstrap(gates, then, this.#now)
    this.#drain(member, "joining")
  }

  #randomId(): Id.Id {
    const digits = () => Math.floor(this.#random() * 2 ** 32).toString(16).padStart(8, "0")
    return Id.Hex.make(Array.from({ length: 5 }, digits).join(""))
  }

  // What they do

  #publish(key: string): void {
    const member = this.#honest()
    member.core.set(Id.ofKey(key), valueOf(key), (taken = 0) => {
      if (taken > 0) this.#published.push({ key, at: this.#now })
    }, this.#now)
    this.#drain(member, "publishing")
  }

  #search(): void {
    const sought = this.#published[this.#draws.below(this.#published.length)]
    const member = this.#honest()
    if (sought === undefined) return
    const { at, key } = sought
    const began = this.#now
    member.core.find(Id.ofKey(key), ({ hops, value }) => {
      if (value !== undefined && value !== valueOf(key)) this.#wrong++
      this.#searches.push({ age: began - at, millis: this.#now - began, hops: value === undefined ? undefined : hops })
    }, began)
    this.#drain(member, "lookups")
  }

  /** A node that does no harm. */
  #honest(): Member {
    while (true) {
      const member = this.#members[this.#draws.below(this.#members.length)]!
      if (member.kind === undefined) return member
    }
  }

  // What their cores want

  #drain(member: Member, root: Root): void {
    const { core } = member
    for (let output = core.poll(); output !== undefined; output = core.poll()) {
      this.#act(member, rootOf(root, output), output)
    }
  }

  #act(member: Member, root: Root, output: Output): void {
    switch (output._tag) {
      case "Ping":
        return this.#call(member, root, output, output.told, (called, from, answer) => {
          const id = called.kind === undefined ? called.core.ping(from, this.#now) : called.core.self
          answer(id === undefined ? refused : { _tag: "Id", id })
        })
      case "Find": {
        const { kind, target, told } = output
        return this.#call(member, root, output, told, (called, from, answer) => {
          const { core } = called
          if (called.kind !== undefined) this.#mislead(called.kind, target, answer)
          else if (kind === "value") core.findValue(from, target, answer, this.#now)
          else answer({ _tag: "Contacts", contacts: core.findNode(from, target, this.#now) })
        })
      }
      case "Store": {
        const { key, told, value } = output
        return this.#call(member, root, output, told, (called, from, answer) => {
          const tell = (taken: boolean) => answer({ _tag: "Taken", taken })
          if (called.kind === undefined) called.core.store(from, key, value, tell, this.#now)
          else tell(Hostile.takes(called.kind))
        })
      }
      case "Read":
        return output.told(member.pairs.get(output.key), this.#now)
      case "Write":
        member.pairs.set(output.key, output.entry)
        return output.told("kept", this.#now)
      case "Remove":
        member.pairs.delete(output.key)
        return output.told(undefined, this.#now)
      case "Sleep":
        return this.#after(output.millis, () => this.#tell(member, root, output.told, undefined))
      case "Event":
    }
  }

  /** What a node answers that does harm. */
  #mislead(kind: Hostile.Kind, target: Id.Id, answer: (answer: Found) => void): void {
    const names = { kind, k: this.#options.k, others: this.#hostile, random: this.#random }
    const name = () => answer({ _tag: "Contacts", contacts: Hostile.namesOf(names, target) })
    if (kind === "mute") this.#after(Hostile.lateness, name)
    else name()
  }

  /** Sends a request, and what is answered; tells the caller of that, or of silence once its time is over. */
  #call<A extends Identified | Found | Taken>(
    caller: Member,
    root: Root,
    request: Request,
    told: Told<A | Lost>,
    serve: (called: Member, from: Contact, answer: (answer: A | Lost) => void) => void
  ): void {
    const cause = causeOf(root, request)
    let isOver = false
    const end = (outcome: A | Lost) => {
      if (isOver) return
      isOver = true
      this.#tell(caller, root, told, outcome)
    }
    this.#after(timeout, () => end(silent))
    const to = this.#names.get(request.address)!
    this.#count(cause, Sizes.ofRequest(request))
    this.#send(caller.socket, to, (called, from) => {
      const contact = from === caller.contact.name ? caller.contact : new Contact(caller.core.self, this.#inet(from))
      serve(called, contact, (answer) => {
        this.#count(cause, Sizes.ofAnswer(answer))
        this.#send(called.socket, from, () => end(answer))
      })
      this.#drain(called, "places")
    })
  }

  #count(cause: Cause, bytes: number): void {
    this.#causes[cause]++
    this.#bytes += bytes
  }

  #tell<A>(member: Member, root: Root, told: Told<A>, outcome: A): void {
    if (!member.isThere) return
    told(outcome, this.#now)
    this.#drain(member, root)
  }

  /** A datagram: it arrives at a tick, if at all. `arrive` is told where, and where from as is seen there. */
  #send(socket: string, to: string, arrive: (called: Member, from: string) => void): void {
    this.#sent++
    const random = this.#random
    const from = this.#nats.between(socket, to)?.outbound(socket, to, this.#nanos) ?? socket
    if (random() < this.#options.loss) return
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
    this.#after(tick * Math.ceil(delay.median * Math.exp(sigma * normal) / tick), () => {
      const called = this.#live.get(this.#nats.enter(from, to, this.#nanos) ?? "")
      if (called !== undefined) arrive(called, from)
    })
  }

  get #nanos(): number {
    return this.#now * 1_000_000
  }

  /** One object for each address. */
  #inet(name: string): NetAddress.InetAddress {
    const known = this.#addresses.get(name)
    if (known !== undefined) return known
    const address = NetAddress.inetAddressFromStringUnsafe(name)
    this.#addresses.set(name, address)
    this.#names.set(address, name)
    return address
  }
}

const noMessages = (): { [cause in Cause]: number } => ({
  joining: 0,
  lookups: 0,
  publishing: 0,
  places: 0,
  refreshing: 0,
  renewing: 0,
  "handing over": 0
})
