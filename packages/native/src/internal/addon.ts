/** The addon, native/socket.c, as JavaScript sees it: functions, and arrays that both sides read and write. */
import { createRequire } from "node:module"
import { fileURLToPath } from "node:url"

export interface Addon {
  /** A socket bound to the peer of that record. It throws an error whose `code` is the name of an errno. */
  readonly open: (
    record: Int32Array,
    flags: number,
    /** A batch has arrived: its records are in `inbound`, its bytes in this buffer. */
    onBatch: (pool: ArrayBuffer) => void,
    /** That many datagrams were refused: they are in `refused`. */
    onRefused: (count: number) => void
  ) => Handle
  /** Sends what waits in `outbound`. Returns how many were refused: they are in `refused`. */
  readonly flush: (handle: Handle) => number
  /** Asks for a buffer of that many bytes; 0 changes nothing. Returns what the system grants. */
  readonly bufferSize: (handle: Handle, which: 0 | 1, bytes: number) => number
  /** Gives the port back at once. What waits is not sent. A second time it does nothing. */
  readonly close: (handle: Handle) => void
}

/** A socket. */
export interface Handle {
  readonly port: number
  /** A head, then records of what has arrived. */
  readonly inbound: Int32Array
  /** A head, then records of what is to be sent. Their bytes are in `bytes`. */
  readonly outbound: Int32Array
  readonly bytes: Uint8Array
  /** Pairs of the number of a record, and why it was refused: minus an errno. */
  readonly refused: Int32Array
}

// The words of a record, as native/socket.c has them: where its bytes are, and its peer.
export const recordSize = 8
export const record = { offset: 0, length: 1, port: 2, scope: 3, address: 4 } as const

// The words of the heads.
export const inboundHead = { count: 0, dropped: 1 } as const
export const outboundHead = { count: 0, sent: 1 } as const

export const flag = { ipv6: 1, ipv6Only: 2, reuseAddress: 4, reusePort: 8 } as const

export const buffer = { receive: 0, send: 1 } as const

let addon: Addon | undefined

/** Finds what was built here, or the binary of a release for this system. It throws where there is neither. */
export const load = (): Addon => addon ??= require("node-gyp-build")(packageFolder)

const require = createRequire(import.meta.url)

const packageFolder = fileURLToPath(new URL("../..", import.meta.url))
