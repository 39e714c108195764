/** As much of two packages without types as is used here. */

declare module "dht-rpc" {
  export interface Request {
    readonly command: number
    readonly reply: (value: Uint8Array) => void
  }
  export interface To {
    readonly host: string
    readonly port: number
  }
  export interface Session {
    readonly request: (
      message: { readonly command: number; readonly target?: null; readonly value?: Uint8Array },
      to: To
    ) => Promise<{ readonly value: Uint8Array | null }>
    readonly destroy: () => void
  }
  export default class DHT {
    constructor(options: {
      readonly bootstrap: ReadonlyArray<string>
      readonly host: string
      readonly port?: number
      readonly ephemeral: boolean
      readonly firewalled: boolean
      readonly maxWindow?: number
    })
    readonly io: { readonly inflight: ReadonlyArray<unknown>; readonly _pending: { readonly length: number } }
    readonly nodes: { readonly length: number }
    readonly _pendingTimers: ReadonlySet<unknown>
    readonly fullyBootstrapped: () => Promise<void>
    readonly address: () => { readonly port: number }
    readonly request: Session["request"]
    readonly session: () => Session
    readonly on: (event: "request", listener: (request: Request) => void) => void
  }
}

declare module "dht-rpc/lib/peer.js" {
  const peer: { readonly id: (host: string, port: number) => Uint8Array }
  export default peer
}

declare module "k-rpc-socket" {
  export interface Peer {
    readonly address?: string
    readonly host?: string
    readonly port: number
  }
  export interface Query {
    readonly q?: unknown
    readonly t?: unknown
  }
  export default class RPC {
    constructor()
    readonly inflight: number
    readonly _ids: ReadonlyArray<number>
    readonly address: () => { readonly port: number }
    readonly bind: {
      (port: number, address: string): void
      (port: number, bound: () => void): void
    }
    readonly response: (peer: Peer, query: Query, response: object) => void
    readonly query: (
      peer: Peer,
      query: { readonly q: string; readonly a: object },
      answered?: (error: Error | null, message: { readonly r?: { readonly v?: Uint8Array } } | null) => void
    ) => number
    readonly cancel: (id: number) => void
    readonly on: {
      (event: "listening", listener: () => void): void
      (event: "query", listener: (query: Query, peer: Peer) => void): void
    }
  }
}
