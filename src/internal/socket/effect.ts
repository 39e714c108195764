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
import type { Peer, Socket, SocketMembership } from "./contract.ts"
import { closedError, familyError, writeError } from "./errors.ts"
import { reachable, target } from "./family.ts"
import { toJoin } from "./membership.ts"

// Writes that may wait for a socket that is stuck: more than any burst, and not without end.
const maxWrites = 16_384

export const make = Effect.fnUntraced(function*<E, R>(
  memberships: ReadonlyArray<SocketMembership<E, R>>
): Effect.fn.Return<
  Socket,
  DatagramSocket.DatagramSocketError | E,
  DatagramSocket.DatagramSocket | R | Scope.Scope
> {
  const socket = yield* DatagramSocket.DatagramSocket
  const context = yield* Effect.context<never>()
  const reader = yield* socket.reader
  const writer = yield* socket.writer
  const address = NetAddress.toCanonical(reader.address)
  const mapped = NetAddress.isInetAddressV6(reader.address)
  const members = yield* Effect.forEach(memberships, (membership) => join(membership, address.address))

  // A write waits for ever once its reader has closed, so none outlives this scope.
  let open = true
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
    if (writes.size >= maxWrites) {
      return onFailure?.(writeError("Unknown", to.address, new Error("too many writes wait")))
    }
    let waiting: Fiber.Fiber<void, DatagramSocket.DatagramSocketError> | undefined
    const settle = (exit: Exit.Exit<void, DatagramSocket.DatagramSocketError>) => {
      if (waiting !== undefined) writes.delete(waiting)
      if (Exit.isSuccess(exit) || onFailure === undefined) return
      const error = Option.getOrElse(Cause.findErrorOption(exit.cause), closedError)
      const reaches = mapped || NetAddress.isInetAddressV4(to.address)
      onFailure(reaches || isClosed(error) ? error : familyError(to.address))
    }
    run(writer.write({ payload: datagram, address: to.target }), context, settle, (write) => {
      waiting = write
      writes.add(write)
    })
  }

  return {
    address,
    peer: (address) => new SocketPeer(target(reachable(address), mapped)),
    send,
    run: (onDatagram) => {
      const hearing = each(reader, (datagram) => onDatagram(datagram.payload, new SocketPeer(datagram)))
      const inGroups = members.map((member) =>
        // Its answers leave by the other socket, which knows this one's datagrams by nothing but their address.
        each(member, ({ address, payload }) => onDatagram(payload, new SocketPeer(target(address, mapped)), true))
      )
      return inGroups.reduce((all, hears) => Effect.raceFirst(all, hears), hearing)
    }
  }
})

const each = (
  reader: DatagramSocket.Reader,
  act: (datagram: DatagramSocket.Datagram) => void
): Effect.Effect<never, DatagramSocket.DatagramSocketError> =>
  Effect.forever(Effect.map(reader.pull, (datagrams) => datagrams.forEach(act)), { disableYield: true })

/** Opens the socket that hears what is sent to a group. */
const join = Effect.fnUntraced(function*<E, R>(
  { socket, ...membership }: SocketMembership<E, R>,
  local: NetAddress.IpAddress
): Effect.fn.Return<DatagramSocket.Reader, DatagramSocket.DatagramSocketError | E, R | Scope.Scope> {
  const group = yield* Effect.fromResult(toJoin(membership, local))
  const reader = yield* Context.get(yield* Layer.build(Layer.fresh(socket)), DatagramSocket.DatagramSocket).reader
  const { address } = group.address
  if (NetAddress.isMulticast(address)) yield* reader.joinMulticast({ group: address, interface: membership.interface })
  return reader
})

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
