/** The errors of a socket, with messages for people: those of `DatagramSocket` leave them empty. */
import * as NetAddress from "effect/net/NetAddress"
import * as DatagramSocket from "effect/socket/DatagramSocket"

class OpenError extends DatagramSocket.DatagramSocketOpenError {
  override get message(): string {
    return `The socket can't be opened: ${reasonOf(this.kind, this.cause)}`
  }
}

class WriteError extends DatagramSocket.DatagramSocketWriteError {
  override get message(): string {
    const to = this.address === undefined ? "" : ` to ${NetAddress.formatInet(this.address)}`
    return `The socket refused to send${to}: ${reasonOf(this.kind, this.cause)}`
  }
}

class ClosedError extends DatagramSocket.DatagramSocketClosedError {
  override get message(): string {
    return "The socket is closed"
  }
}

const reasonOf = (kind: string, cause: unknown): string =>
  cause instanceof Error && cause.message !== "" ? `${cause.message} (${kind})` : kind

/**
 * A socket that can't be opened, by what the system says: `cause` is its error, whose `code` is the name of an errno.
 *
 * @category implementing
 * @since 0.1.0
 */
export const openErrorOf = (cause: unknown): DatagramSocket.DatagramSocketError => openError(openKind(cause), cause)

/**
 * A datagram that the system refused, by what it says: `cause` is its error, whose `code` is the name of an errno.
 *
 * @category implementing
 * @since 0.1.0
 */
export const writeErrorOf = (cause: unknown, to: NetAddress.InetAddress): DatagramSocket.DatagramSocketError =>
  codeOf(cause) === "EAFNOSUPPORT" ? familyError(to) : writeError(writeKind(cause), to, cause)

/**
 * A socket that has closed.
 *
 * @category implementing
 * @since 0.1.0
 */
export const closedError = (): DatagramSocket.DatagramSocketError =>
  new DatagramSocket.DatagramSocketError({ reason: new ClosedError() })

export const openError = (
  kind: DatagramSocket.DatagramSocketOpenError["kind"],
  cause: unknown
): DatagramSocket.DatagramSocketError =>
  new DatagramSocket.DatagramSocketError({ reason: new OpenError({ kind, cause }) })

export const writeError = (
  kind: DatagramSocket.IoErrorKind,
  address: NetAddress.InetAddress,
  cause: unknown
): DatagramSocket.DatagramSocketError =>
  new DatagramSocket.DatagramSocketError({ reason: new WriteError({ kind, address, cause }) })

/** Of an address that the socket does not reach, whatever the system would say. */
export const familyError = (address: NetAddress.InetAddress): DatagramSocket.DatagramSocketError =>
  writeError(
    "Unreachable",
    address,
    new Error("a socket that is bound to an IPv4 address reaches no IPv6 address; one bound to \"::\" reaches both")
  )

export const codeOf = (cause: unknown): unknown => cause instanceof Error && "code" in cause ? cause.code : undefined

const openKind = (cause: unknown): DatagramSocket.DatagramSocketOpenError["kind"] => {
  if (isNotCapable(cause)) return "PermissionDenied"
  switch (codeOf(cause)) {
    case "EADDRINUSE":
      return "AddressInUse"
    case "EADDRNOTAVAIL":
      return "AddressNotAvailable"
    case "EACCES":
    case "EPERM":
      return "PermissionDenied"
    default:
      return "Unknown"
  }
}

/** Of Deno, where a program may do what its user has allowed. The message says what would allow it. */
const isNotCapable = (cause: unknown): boolean => cause instanceof Error && cause.name === "NotCapable"

const writeKind = (cause: unknown): DatagramSocket.IoErrorKind => {
  switch (codeOf(cause)) {
    case "EMSGSIZE":
      return "MessageTooLarge"
    case "EHOSTUNREACH":
    case "ENETUNREACH":
    case "EHOSTDOWN":
    case "ENETDOWN":
      return "Unreachable"
    case "ECONNREFUSED":
      return "ConnectionRefused"
    case "EACCES":
    case "EPERM":
      return "PermissionDenied"
    default:
      return "Unknown"
  }
}
