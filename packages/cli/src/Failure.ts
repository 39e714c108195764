/** What a command ends with when it fails: a line for people, and an exit code for programs. */
import { Data } from "effect"

/** The exit code of each kind of failure. 1 is for what nobody has foreseen. */
export const exitCodes = {
  /** The command line, or a file that it names, makes no sense. Nothing was sent. */
  Usage: 2,
  NoResponse: 3,
  Rejected: 4,
  /** The procedure failed with an error of its own. */
  Failed: 5,
  InvalidResponse: 6,
  Oversize: 7,
  DatagramSocketError: 8,
  TooManyCalls: 9,
  /** The host has no address. Nothing was sent. */
  Unresolved: 10,
  /** A datagram that was to be decoded is malformed. */
  Malformed: 11,
  /** Where metrics were to be, there are none. */
  Unreadable: 12
}

export class Failure extends Data.TaggedError("Failure")<{
  readonly kind: keyof typeof exitCodes
  readonly message: string
  /** What a peer said of it, as a value of the wire. */
  readonly detail?: unknown
}> {}

export const usage = (message: string): Failure => new Failure({ kind: "Usage", message })
