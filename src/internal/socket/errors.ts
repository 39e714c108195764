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

export const closedError = (): DatagramSocket.DatagramSocketError =>
  new DatagramSocket.DatagramSocketError({ reason: new ClosedError() })
