/** The addon's socket as a transport: datagrams in and out of the arrays that both sides see. */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as NetAddress from "effect/net/NetAddress"
import * as DatagramSocket from "effect/socket/DatagramSocket"
import { getSystemErrorName } from "node:util"
import { Transport } from "effect-rpcudp"
import type { Addon, Handle } from "./addon.ts"
import { buffer, flag, inboundHead, outboundHead, record, recordSize } from "./addon.ts"
import * as NativePeer from "./NativePeer.ts"

type OnDatagram = (datagram: Uint8Array, from: Transport.Peer) => void

type OnFailure = (error: DatagramSocket.DatagramSocketError) => void

const overflowed = Metric.counter("rpcudp_datagrams_overflowed_total", {
  description: "Datagrams that arrived, and found the receive buffer of the kernel full",
  attributes: { unit: "{datagram}" },
  incremental: true
})

/** To be acquired uninterruptibly: opening is over at once, and a bound socket must not be left behind. */
export const open = (
  addon: Addon,
  options: Transport.Options
): Effect.Effect<Socket, DatagramSocket.DatagramSocketError> =>
  Effect.gen(function*() {
    const capability = options.broadcast === true ? "broadcast" : "multicast"
    if (options.broadcast === true || (options.multicast ?? []).length > 0) {
      const reason = new DatagramSocket.DatagramSocketUnsupportedError({ capability, runtime: "effect-rpcudp-native" })
      return yield* new DatagramSocket.DatagramSocketError({ reason })
    }
    const address = yield* Effect.fromResult(Transport.toBind(options))
    const context = yield* Effect.context<never>()
    return yield* Effect.try({
      try: () => new Socket(addon, address, options, context),
      catch: Transport.openErrorOf
    })
  })

export class Socket implements Transport.Socket {
  readonly address: NetAddress.InetAddress
  readonly shared: boolean
  readonly copies = true
  readonly #addon: Addon
  readonly #context: Context.Context<never>
  readonly #handle: Handle
  readonly #peers = NativePeer.make()
  // What the handle has, once more: a field is found sooner.
  readonly #inbound: Int32Array
  readonly #outbound: Int32Array
  readonly #bytes: Uint8Array
  readonly #refused: Int32Array
  /** Of each record of `outbound`, whom to tell, and where it goes. */
  readonly #failures: Array<OnFailure | undefined> = []
  readonly #destinations: Array<NativePeer.NativePeer | undefined> = []
  /** How many of `bytes` are taken. */
  #taken = 0
  #dropped = 0
  #open = true
  #receiver: { readonly onDatagram: OnDatagram; readonly onClose: () => void } | undefined

  constructor(
    addon: Addon,
    address: NetAddress.InetAddress,
    options: Transport.Options,
    context: Context.Context<never>
  ) {
    this.#addon = addon
    this.#context = context
    const local = new Int32Array(recordSize)
    NativePeer.ofAddress(address).write(local, 0)
    this.#handle = addon.open(
      local,
      (NetAddress.isInetAddressV6(address) ? flag.ipv6 : 0) | (options.ipv6Only === true ? flag.ipv6Only : 0) |
        (options.reuseAddress === true ? flag.reuseAddress : 0) | (options.reusePort === true ? flag.reusePort : 0),
      (pool) => this.#onBatch(pool),
      (count) => this.#onRefused(count)
    )
    this.#inbound = this.#handle.inbound
    this.#outbound = this.#handle.outbound
    this.#bytes = this.#handle.bytes
    this.#refused = this.#handle.refused
    this.shared = options.reusePort ?? false
    // Begins at 0: what comes into being with its first count has no rate.
    overflowed.valueUnsafe(context)
    this.address = NetAddress.toCanonical(NetAddress.inetAddressUnsafe(address.address, this.#handle.port))
    try {
      this.#setBuffers(options)
    } catch (cause) {
      addon.close(this.#handle)
      throw cause
    }
  }

  readonly peer = (address: NetAddress.InetAddress): Transport.Peer => this.#peers.to(address)

  // Hot path (`npm run bench:native`): the bytes are copied and nothing is called until the turn of the loop ends.
  readonly send = (datagram: Uint8Array, to: Transport.Peer, onFailure?: OnFailure): void => {
    if (!(to instanceof NativePeer.NativePeer)) throw new TypeError("a peer of another transport")
    if (!this.#hasRoom(datagram)) this.#flush()
    if (!this.#open) return onFailure?.(Transport.closedError())
    if (!this.#hasRoom(datagram)) {
      return onFailure?.(refusal(datagram.length > this.#bytes.length ? "EMSGSIZE" : "ENOBUFS", to))
    }
    const index = this.#outbound[outboundHead.count]!
    const offset = recordSize * (index + 1)
    if (index === 0) this.#taken = 0
    this.#bytes.set(datagram, this.#taken)
    this.#outbound[offset + record.offset] = this.#taken
    this.#outbound[offset + record.length] = datagram.length
    to.write(this.#outbound, offset)
    this.#failures[index] = onFailure
    this.#destinations[index] = to
    this.#taken += datagram.length
    this.#outbound[outboundHead.count] = index + 1
  }

  readonly run = (onDatagram: OnDatagram): Effect.Effect<never, DatagramSocket.DatagramSocketError> =>
    Effect.callback((resume) => {
      if (!this.#open) return resume(Effect.fail(Transport.closedError()))
      if (this.#receiver !== undefined) return resume(Effect.die(new Error("the transport has a receiver already")))
      this.#receiver = { onDatagram, onClose: () => resume(Effect.fail(Transport.closedError())) }
      return Effect.sync(() => {
        this.#receiver = undefined
      })
    })

  /** What was sent before still leaves, as far as the system takes it. */
  readonly close: Effect.Effect<void> = Effect.sync(() => {
    if (!this.#open) return
    this.#flush()
    this.#open = false
    this.#addon.close(this.#handle)
    const waiting = this.#failures.slice(this.#outbound[outboundHead.sent], this.#outbound[outboundHead.count])
    for (const onFailure of waiting) onFailure?.(Transport.closedError())
    this.#receiver?.onClose()
  })

  #hasRoom(datagram: Uint8Array): boolean {
    const count = this.#outbound[outboundHead.count]!
    if (count === 0) return datagram.length <= this.#bytes.length
    return recordSize * (count + 1) < this.#outbound.length && this.#taken + datagram.length <= this.#bytes.length
  }

  #flush(): void {
    if (!this.#open) return
    const refused = this.#addon.flush(this.#handle)
    if (refused > 0) this.#onRefused(refused)
  }

  #onBatch(pool: ArrayBuffer): void {
    const words = this.#inbound
    const count = words[inboundHead.count]!
    this.#count(words[inboundHead.dropped]!)
    for (let i = 1; i <= count; i++) {
      // A receiver may close the socket, or end, and another may begin.
      if (this.#receiver === undefined || !this.#open) return
      const offset = recordSize * i
      this.#receiver.onDatagram(
        new Uint8Array(pool, words[offset + record.offset], words[offset + record.length]),
        this.#peers.at(words, offset)
      )
    }
  }

  /** The kernel counts from the socket's beginning, in 32 bits. */
  #count(dropped: number): void {
    if (dropped === this.#dropped) return
    overflowed.updateUnsafe((dropped - this.#dropped) >>> 0, this.#context)
    this.#dropped = dropped
  }

  #onRefused(count: number): void {
    const failed: Array<() => void> = []
    for (let i = 0; i < count; i++) {
      const index = this.#refused[2 * i]!
      const errno = this.#refused[2 * i + 1]!
      const onFailure = this.#failures[index]
      const to = this.#destinations[index]
      if (onFailure === undefined || to === undefined) continue
      failed.push(() => onFailure(refusal(getSystemErrorName(errno), to)))
    }
    // Afterwards, since who is told may send again, over the same arrays.
    for (const tell of failed) tell()
  }

  #setBuffers({ receiveBufferBytes, sendBufferBytes }: Transport.Options): void {
    if (sendBufferBytes !== undefined) this.#addon.bufferSize(this.#handle, buffer.send, sendBufferBytes)
    if (receiveBufferBytes !== undefined) {
      this.#addon.bufferSize(this.#handle, buffer.receive, receiveBufferBytes)
      return
    }
    try {
      this.#addon.bufferSize(this.#handle, buffer.receive, Transport.defaultReceiveBufferBytes)
    } catch {
      // Nobody asked for this size: where the system caps it by refusing (macOS), its own default serves.
    }
  }
}

const refusal = (code: string, to: NativePeer.NativePeer): DatagramSocket.DatagramSocketError =>
  Transport.writeErrorOf(Object.assign(new Error(`send ${code}`), { code }), to.address)
