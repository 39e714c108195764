/** The errors of a socket that more than one module raises. */
import * as DatagramSocket from "effect/socket/DatagramSocket"

export const closedError = (): DatagramSocket.DatagramSocketError =>
  new DatagramSocket.DatagramSocketError({ reason: new DatagramSocket.DatagramSocketClosedError() })
