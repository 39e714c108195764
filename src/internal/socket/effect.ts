/** A transport over any `DatagramSocket` of Effect's. */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as DatagramSocket from "effect/socket/DatagramSocket"
import { run } from "../eager.ts"
import type { GroupSocket, Peer, Socket } from "./contract.ts"
import { closedError, familyError, openError, writeError } from "./errors.ts"
import { reachable, target } from "./family.ts"

// What may wait for a socket that is stuck, or slower than what is sent: more than any burst, and not without end.
const maxWrites = 16_384
const maxBytes = 2 ** 20

export const make = Effect.fnUntraced(function*<E, R>(groups: ReadonlyArray<GroupSocket<E, R>>): Effect.fn.Return<
  Socket,
  DatagramSocket.DatagramSocketError | E,
  DatagramSocket.DatagramSocket | Scope.Scope | R
> {
  const socket = yield* DatagramSocket.DatagramSocket
  const context = yield* Effect.context<never>()
  const reader = yield* socket.reader
  const writer = yield* socket.writer
  const address = NetAddress.toCanonical(reader.address)
  const mapped = NetAddress.isInetAddressV6(reader.address)
  const joined = yield* Effect.forEach(groups, join)

  // A write waits for ever once its reader has closed, so none outlives this scope.
  let open = true
  // Of what `writes` have not written yet.
  let bytes = 0
  const writes = new Set<Fiber.Fiber<void, DatagramSocket.DatagramSocketError>>()
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      open = false
      for (const write of writes) write.interruptUnsafe()
    })
  )

  const send: Socket["send"] = (datagram, to, onFailure) => {
    if (!(to instanceof SocketPeer)) throw new TypeError("a peer of another transport")
    if (!open) return onFailure?.(closedError())
    if (writes.size >= maxWrites || bytes + datagram.length > maxBytes) {
      return onFailure?.(writeError("Unknown", to.address, new Error("too many writes wait")))
    }
    let waiting: Fiber.Fiber<void, DatagramSocket.DatagramSocketError> | undefined
    const settle = (exit: Exit.Exit<void, DatagramSocket.DatagramSocketError>) => {
      if (waiting !== undefined && writes.delete(waiting)) bytes -= datagram.length
      if (Exit.isSuccess(exit) || onFailure === undefined) return
      const error = Option.getOrElse(Cause.findErrorOption(exit.cause), closedError)
      const reaches = mapped || NetAddress.isInetAddressV4(to.address)
      onFailure(reaches || isClosed(error) ? error : familyError(to.address))
    }
    run(writer.write({ payload: datagram, address: to.target }), context, settle, (write) => {
      waiting = write
      writes.add(write)
      bytes += datagram.length
    })
  }

  return {
    address,
    peer: (address) => new SocketPeer(target(reachable(address), mapped)),
    send,
    run: (onDatagram) => {
      const own = pump(reader, (datagram) => onDatagram(datagram.payload, new SocketPeer(datagram)))
      if (joined.length === 0) return own
      const others = joined.map((reader) =>
        pump(reader, (datagram) => onDatagram(datagram.payload, new SocketPeer(target(datagram.address, mapped)), true))
      )
      return Effect.flatMap(
        Effect.all([own, ...others], { concurrency: "unbounded", discard: true }),
        () => Effect.never
      )
    }
  }
})

const join = Effect.fnUntraced(function*<E, R>({ group, socket }: GroupSocket<E, R>): Effect.fn.Return<
  DatagramSocket.Reader,
  DatagramSocket.DatagramSocketError | E,
  Scope.Scope | R
> {
  const { address } = yield* Effect.mapError(
    Effect.fromResult(NetAddress.inetAddressFromInput(group)),
    (cause) => openError("AddressNotAvailable", cause)
  )
  const context = yield* Layer.build(socket)
  const reader = yield* Context.get(context, DatagramSocket.DatagramSocket).reader
  if (NetAddress.isMulticast(address)) yield* reader.joinMulticast({ group: address })
  return reader
})

const pump = (
  reader: DatagramSocket.Reader,
  onDatagram: (datagram: DatagramSocket.Datagram) => void
): Effect.Effect<never, DatagramSocket.DatagramSocketError> =>
  Effect.forever(
    Effect.map(reader.pull, (datagrams) => {
      for (const datagram of datagrams) onDatagram(datagram)
    }),
    { disableYield: true }
  )

const isClosed = (error: DatagramSocket.DatagramSocketError): boolean =>
  error.reason._tag === "DatagramSocketClosedError"

class SocketPeer implements Peer {
  // A received datagram is its own address: it must be handed back as it is, never copied.
  readonly target: NetAddress.InetAddress | DatagramSocket.Datagram
  #address: NetAddress.InetAddress | undefined
  #host: string | undefined

  constructor(target: NetAddress.InetAddress | DatagramSocket.Datagram) {
    this.target = target
  }

  get address(): NetAddress.InetAddress {
    return this.#address ??= NetAddress.toCanonical("payload" in this.target ? this.target.address : this.target)
  }

  get host(): string {
    return this.#host ??= NetAddress.formatIp(this.address.address)
  }

  equals(that: Peer): boolean {
    return Equal.equals(this.address, that.address)
  }
}
