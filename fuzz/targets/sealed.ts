/**
 * What happens between two nodes with keys, as a program of one byte an instruction: datagrams are sealed, delivered,
 * changed on the way, replayed, and time passes. Only what was sealed and left untouched is read, once and while it is
 * fresh; nothing else leaves a trace.
 */
import { Clock, Context, Duration, Effect, Redacted } from "effect"
import { WebCrypto } from "effect/crypto"
import type { Key, KeyRing } from "../../src/internal/sealing/keyRing.ts"
import * as Cipher from "../../src/internal/sealing/cipher.ts"
import * as Seal from "../../src/internal/sealing/seal.ts"
import * as Injected from "../../test/support/injected.ts"
import { law } from "./target.ts"

const peer = Injected.peerAt("10.0.0.2:2")

// Not MessagePack.
export const bodyAt = undefined

export const cost = (data: Uint8Array): unknown => run(data, () => {})

export const fuzz = (data: Uint8Array): void => run(data, law)

const maxAgeMillis = 1000

const keyOf = (id: number): Key => ({ id, secret: Redacted.make(new Uint8Array(32).fill(id)) })

const rings: ReadonlyArray<KeyRing> = [[keyOf(1)], [keyOf(1), keyOf(2)], [keyOf(2), keyOf(1)], [keyOf(2)]]

/** One that was sealed, and how: what is to become of it follows from that. */
interface Sealed {
  readonly datagram: Uint8Array
  readonly plain: Uint8Array
  readonly key: number
  readonly at: number
  isRead: boolean
}

const run = (data: Uint8Array, law: (holds: boolean, broken: () => string) => void): void => {
  let position = 0
  const byte = (): number => data[position++] ?? 0
  const word = (): number => byte() * 256 + byte()
  const rest = (length: number): Uint8Array => data.subarray(position, position += length)

  let millis = 1_000_000
  const real = Context.get(Effect.runSync(Effect.context<never>()), Clock.Clock)
  const clock: Clock.Clock = Object.assign(Object.create(real), {
    currentTimeMillisUnsafe: () => millis,
    monotonicTimeNanosUnsafe: () => BigInt(millis) * 1_000_000n
  })
  const context = Context.make(Clock.Clock, clock).pipe(Context.add(WebCrypto.WebCrypto, chance()))
  const options = { ring: rings[1]!, cipher: Cipher.native, maxAge: Duration.millis(maxAgeMillis), sessionDatagrams: 4 }
  const sender = Seal.make(options, context)
  const receiver = Seal.make(options, context)
  let [sending, receiving] = [rings[1]!, rings[1]!]
  const sealed: Array<Sealed> = []
  let read = 0

  const chosen = (): Sealed | undefined => sealed[byte() % Math.max(1, sealed.length)]
  const refused = (datagram: Uint8Array) => {
    const sessions = receiver.sessions()
    law(typeof receiver.open(datagram, peer) === "string", () => "a datagram was read that was changed on its way")
    law(receiver.sessions() === sessions, () => "a datagram that was not read left a session")
  }

  // As many as show everything, so that what one input costs is what a few datagrams cost.
  for (let step = 0; step < 32 && position < data.length; step++) {
    switch (byte() % 9) {
      case 0: {
        // What seals never sees an empty one.
        const plain = rest(1 + word() % 8213)
        if (plain.length === 0) break
        const datagram = sender.seal(plain)
        law(datagram.length === plain.length + Seal.overheadBytes, () => "sealing adds another length")
        sealed.push({ datagram, plain, key: sending[0].id, at: millis, isRead: false })
        break
      }
      case 1: {
        const one = chosen()
        if (one === undefined) break
        const isFresh = millis - one.at <= maxAgeMillis
        const isDue = !one.isRead && isFresh && receiving.some(({ id }) => id === one.key)
        const opened = receiver.open(one.datagram, peer)
        if (isDue) {
          law(
            typeof opened !== "string" && Buffer.compare(opened, one.plain) === 0,
            () => `not read: ${String(opened)}`
          )
          one.isRead = true
          read++
        } else law(typeof opened === "string", () => "read a second time, or too late, or without its key")
        break
      }
      case 2: {
        const changed = Uint8Array.from(chosen()?.datagram ?? [])
        const [at, by] = [word() % Math.max(1, changed.length), byte()]
        if (by === 0 || changed.length === 0) break
        changed[at] = changed[at]! ^ by
        refused(changed)
        break
      }
      case 3: {
        const one = chosen()
        if (one !== undefined) refused(one.datagram.subarray(0, word() % one.datagram.length))
        break
      }
      case 4: {
        const one = chosen()
        const tail = rest(1 + byte())
        if (one !== undefined && tail.length > 0) refused(Buffer.concat([one.datagram, tail]))
        break
      }
      case 5:
        // Nobody finds a tag of 16 bytes.
        refused(Uint8Array.from(rest(byte())))
        break
      case 6:
        sender.rekey(sending = rings[byte() % rings.length]!)
        break
      case 7:
        receiver.rekey(receiving = rings[byte() % rings.length]!)
        break
      default: {
        millis += word() % (2 * maxAgeMillis)
        const one = chosen()
        if (one !== undefined) {
          law(typeof sender.open(one.datagram, peer) === "string", () => "a node has read its own datagram")
        }
      }
    }
    law(receiver.sessions() <= read, () => "there are more sessions than datagrams that were read")
  }
}

/** Sessions whose names do not repeat, and are the same in each run. */
const chance = (): typeof globalThis.crypto => {
  let next = 0
  return Object.assign(Object.create(globalThis.crypto), {
    getRandomValues: (bytes: Uint8Array) => {
      new DataView(bytes.buffer, bytes.byteOffset).setUint32(0, ++next)
      return bytes
    }
  })
}
