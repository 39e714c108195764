/** What an attacker says to each kind of node: requests, answers, and bytes that are neither. No socket. */
import nodeId from "dht-rpc/lib/peer.js"
import { pack } from "msgpackr"
import { randomBytes } from "node:crypto"

export type Method = "ping" | "slow" | "never" | "dies" | "large" | "huge" | "missing"

export interface Wire {
  /** A request, with an id made of these 20 bytes. */
  readonly request: (
    method: Method,
    id: Uint8Array,
    sender?: { readonly host: string; readonly port: number }
  ) => Buffer
  /** The answer to a request. */
  readonly answer: (request: Uint8Array, value: string) => Buffer
  /** The bytes by which an answer finds its call, so that answers to a request can be told apart. */
  readonly idOf: (datagram: Uint8Array) => string
  /** The id that this request's sender will use next, if that can be told. */
  readonly next: ((request: Uint8Array) => Uint8Array) | undefined
  /** Whether an answer says no, or asks for something first. */
  readonly isRefusal: (answer: Uint8Array) => boolean
  /** What a node says of itself when it is asked whether a request came from it. */
  readonly proofOf?: (challenge: Uint8Array) => Buffer | undefined
  /** A request as sent, under an id of one's own. */
  readonly withId: (request: Uint8Array, id: Uint8Array) => Buffer
  /** `n` ids to guess with: all there are, where there are no more than that. */
  readonly guess: (n: number) => Buffer
  /** Requests that the library answers by itself, by name. */
  readonly builtIn: Record<string, Buffer>
  readonly garbage: ReadonlyArray<readonly [name: string, datagram: Buffer]>
}

const maxPayload = 65_507

const repeat = (bytes: ReadonlyArray<number>, times: number): Buffer =>
  Buffer.concat(Array.from({ length: times }, () => Buffer.from(bytes)))

const replaceAt = (bytes: Uint8Array, at: number, by: Uint8Array): Buffer => {
  const copy = Buffer.from(bytes)
  copy.set(by, at)
  return copy
}

const ofAnyWire: Wire["garbage"] = [
  ["nothing at all", Buffer.alloc(0)],
  ["one byte", Buffer.of(0)],
  ["21 bytes", Buffer.alloc(21)],
  ["22 zeroes", Buffer.alloc(22)],
  ["65,507 zeroes", Buffer.alloc(maxPayload)],
  ["65,507 random bytes", randomBytes(maxPayload)],
  ["200 random bytes", randomBytes(200)],
  ["65,507 bytes of 0xff", Buffer.alloc(maxPayload, 0xff)]
]

// ---------------------------------------------------------------------------------------------------------------------
// rpcudp
// ---------------------------------------------------------------------------------------------------------------------

const messagePackRequest = (body: Uint8Array, type = 0): Buffer =>
  Buffer.concat([Buffer.of(type), randomBytes(20), body])

const called = (method: string, args: Uint8Array = Buffer.of(0x90)): Buffer =>
  messagePackRequest(Buffer.concat([Buffer.of(0x92), pack(method), args]))

/** One argument, of these bytes. */
const argument = (...parts: ReadonlyArray<ReadonlyArray<number> | Uint8Array>): Buffer =>
  called("ping", Buffer.concat([Buffer.of(0x91), ...parts.map((part) => Uint8Array.from(part))]))

const text = (value: string): Uint8Array => pack(value)

export const rpcudp: Wire = {
  request: (method, id) => Buffer.concat([Buffer.of(0), id, pack([method, []])]),
  answer: (request, value) => Buffer.concat([Buffer.of(1), request.subarray(1, 21), pack(value)]),
  idOf: (datagram) => Buffer.from(datagram.subarray(1, 21)).toString("hex"),
  next: undefined,
  // Python sends none of these.
  isRefusal: (answer) => answer[0] !== 1,
  proofOf: (challenge) =>
    challenge[0] === 3 ? Buffer.concat([Buffer.of(4), challenge.subarray(23, 43), Buffer.of(0xc0)]) : undefined,
  withId: (request, id) => replaceAt(request, 1, id.subarray(0, 20)),
  guess: () => randomBytes(20),
  builtIn: {},
  garbage: [
    ...ofAnyWire,
    ["a request cut short", called("ping").subarray(0, 24)],
    ["a request without a body", Buffer.alloc(21)],
    ["a body that is no list", messagePackRequest(Buffer.of(0x2a))],
    ["a list of one", messagePackRequest(Buffer.concat([Buffer.of(0x91), text("ping")]))],
    ["arguments that are no list", called("ping", Buffer.of(0x2a))],
    ["a number as the method", messagePackRequest(Buffer.of(0x92, 0x2a, 0x90))],
    ["1,200 lists in each other", argument(repeat([0x91], 1200), [0xc0])],
    ["10,000 lists in each other", argument(repeat([0x91], 10_000), [0xc0])],
    ["10,000 maps in each other", argument(repeat([0x81, 0xa1, 0x61], 10_000), [0xc0])],
    ["a list said to hold 4,294,967,295", argument([0xdd, 0xff, 0xff, 0xff, 0xff])],
    ["a map said to hold 4,294,967,295", argument([0xdf, 0xff, 0xff, 0xff, 0xff])],
    ["a string said to be 4,294,967,295 long", argument([0xdb, 0xff, 0xff, 0xff, 0xff])],
    ["bytes said to be 4,294,967,295 long", argument([0xc6, 0xff, 0xff, 0xff, 0xff])],
    ["an extension said to be 4,294,967,295 long", argument([0xc9, 0xff, 0xff, 0xff, 0xff, 1])],
    ["60,000 nils", argument([0xdc, 60_000 >> 8, 60_000 & 0xff], repeat([0xc0], 60_000))],
    ["text that is not UTF-8", argument([0xa2, 0xc3, 0x28])],
    ["a method that is not UTF-8", messagePackRequest(Buffer.of(0x92, 0xa2, 0xc3, 0x28, 0x90))],
    ["a record extension (0x72)", argument([0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 0x01])],
    ["a record named as code", argument([0xd4, 0x72, 0x40, 0x91], text("a;process.exit(3)//"), [0x01])],
    ["a Set extension (0x73)", argument([0xd4, 0x73, 0x00, 0x91, 0x01])],
    ["an unknown extension", argument([0xd4, 0x2a, 0x00])],
    ["a timestamp out of range", argument([0xc7, 12, 0xff], repeat([0xff], 12))],
    ["the method __proto__", called("__proto__")],
    ["the method constructor", called("constructor")],
    ["the method toString", called("toString")],
    ["the method __class__", called("_class__")],
    ["a map with __proto__", argument([0x81], text("__proto__"), [0x81], text("polluted"), [0xc3])],
    ["a map with a list as key", argument([0x81, 0x91, 0x01, 0x01])],
    ["a map with a key twice", argument([0x82, 0xa1, 0x61, 0x01, 0xa1, 0x61, 0x02])],
    ["bytes after the value", Buffer.concat([called("ping"), Buffer.of(1, 2, 3)])],
    ["the reserved byte 0xc1", argument([0xc1])],
    ["an answer to nothing", messagePackRequest(Buffer.of(0x01), 1)],
    ["an answer of 10,000 lists", messagePackRequest(Buffer.concat([repeat([0x91], 10_000), Buffer.of(0xc0)]), 1)],
    ["a failure to nothing", messagePackRequest(Buffer.concat([Buffer.of(0x92), text("Defect"), Buffer.of(0xc0)]), 2)],
    ["a datagram of an unknown type", messagePackRequest(Buffer.of(0x92), 77)],
    ["too many arguments", called("slow", Buffer.of(0x93, 1, 2, 3))]
  ]
}

// ---------------------------------------------------------------------------------------------------------------------
// dht-rpc
// ---------------------------------------------------------------------------------------------------------------------

const commands: Record<Method, number> = {
  ping: 100,
  slow: 101,
  never: 102,
  dies: 103,
  large: 104,
  huge: 105,
  missing: 120
}

const dhtRequest = (
  command: number,
  tid: Uint8Array,
  more: {
    readonly internal?: boolean
    readonly id?: Uint8Array
    readonly target?: Uint8Array
    readonly value?: Uint8Array
  } = {}
): Buffer => {
  const { id, internal, target, value } = more
  const flags = (id ? 1 : 0) | (internal ? 4 : 0) | (target ? 8 : 0) | (value ? 16 : 0)
  const length = value === undefined
    ? Buffer.alloc(0)
    : value.length < 253
    ? Buffer.of(value.length)
    : Buffer.of(0xfd, value.length & 0xff, value.length >> 8)
  return Buffer.concat([
    Buffer.of(0x03, flags, tid[0]!, tid[1]!, 127, 0, 0, 1, 0, 0),
    id ?? Buffer.alloc(0),
    Buffer.of(command),
    target ?? Buffer.alloc(0),
    length,
    value ?? Buffer.alloc(0)
  ])
}

const tid = Buffer.of(1, 2)

const uint32 = (n: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(n)
  return bytes
}

const dhtRaw = (flags: number, ...rest: ReadonlyArray<number>): Buffer =>
  Buffer.of(0x03, flags, 1, 2, 127, 0, 0, 1, 0, 0, ...rest)

export const dhtRpc: Wire = {
  request: (method, id, sender) =>
    dhtRequest(commands[method], id, sender === undefined ? {} : { id: nodeId.id(sender.host, sender.port) }),
  answer: (request, value) => {
    const bytes = Buffer.from(value)
    return Buffer.concat([Buffer.of(0x13, 16), request.subarray(2, 10), Buffer.of(bytes.length), bytes])
  },
  idOf: (datagram) => Buffer.from(datagram.subarray(2, 4)).toString("hex"),
  isRefusal: (answer) => (answer[1]! & 8) !== 0,
  next: (request) => {
    const next = Buffer.alloc(2)
    next.writeUInt16LE((Buffer.from(request).readUInt16LE(2) + 1) & 0xffff)
    return next
  },
  withId: (request, id) => replaceAt(request, 2, id.subarray(0, 2)),
  guess: (n) => Buffer.of(n & 0xff, n >> 8 & 0xff),
  builtIn: {
    "find_node": dhtRequest(2, tid, { internal: true, target: Buffer.alloc(32) }),
    "ping": dhtRequest(0, tid, { internal: true }),
    "unknown command": dhtRequest(77, tid, { target: Buffer.alloc(32) }),
    "delayed ping": dhtRequest(4, tid, { internal: true, value: uint32(10_000) })
  },
  garbage: [
    ...ofAnyWire,
    ["a request cut short", dhtRequest(100, tid).subarray(0, 6)],
    ["a value said to be 4,294,967,295 long", dhtRaw(16, 100, 0xfe, 0xff, 0xff, 0xff, 0xff)],
    ["a value said to be 2^64-1 long", dhtRaw(16, 100, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)],
    ["a command of 2^53", dhtRaw(0, 0xff, 0, 0, 0, 0, 0, 0, 0x20, 0)],
    ["every flag, nothing behind", dhtRaw(0xff)],
    ["a token that is wrong", Buffer.concat([dhtRaw(2), randomBytes(32), Buffer.of(100)])],
    ["an id that is wrong", Buffer.concat([dhtRaw(1), randomBytes(32), Buffer.of(100)])],
    ["an unknown internal command", dhtRequest(99, tid, { internal: true })],
    ["find_node without a target", dhtRequest(2, tid, { internal: true })],
    ["ping_nat to port 1", dhtRequest(1, tid, { internal: true, value: Buffer.of(1, 0) })],
    ["down_hint of a short value", dhtRequest(3, tid, { internal: true, value: Buffer.of(1) })],
    ["a delayed ping of 2^32-1 ms", dhtRequest(4, tid, { internal: true, value: uint32(0xffff_ffff) })],
    ["a 60,000-byte value", dhtRequest(100, tid, { value: Buffer.alloc(60_000) })],
    ["an answer to nothing", Buffer.of(0x13, 0, 1, 2, 127, 0, 0, 1, 0, 0)],
    ["an answer with 4,294,967,295 nodes", Buffer.of(0x13, 4, 1, 2, 127, 0, 0, 1, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0xff)],
    ["a datagram of an unknown type", Buffer.concat([Buffer.of(77), randomBytes(60)])]
  ]
}

// ---------------------------------------------------------------------------------------------------------------------
// k-rpc-socket
// ---------------------------------------------------------------------------------------------------------------------

const id20 = Buffer.alloc(20, 0x61)

const bencoded = (...parts: ReadonlyArray<string | Uint8Array>): Buffer =>
  Buffer.concat(parts.map((part) => typeof part === "string" ? Buffer.from(part, "latin1") : part))

const asBytes = (value: string): string => `${value.length}:${value}`

const query = (method: string, tid: Uint8Array, args = ""): Buffer =>
  bencoded("d1:ad2:id20:", id20, args, `e1:q${asBytes(method)}1:t2:`, tid.subarray(0, 2), "1:y1:qe")

/** Where the two bytes of the transaction's id begin: nothing else that we, or they, send contains this. */
const tidAt = (datagram: Uint8Array): number => Buffer.from(datagram).lastIndexOf("1:t2:") + 5

export const kRpcSocket: Wire = {
  request: (method, id) => query(method, id),
  answer: (request, value) => {
    const at = tidAt(request)
    return bencoded("d1:rd2:id20:", id20, `1:v${asBytes(value)}e1:t2:`, request.subarray(at, at + 2), "1:y1:re")
  },
  idOf: (datagram) => {
    const at = tidAt(datagram)
    return Buffer.from(datagram.subarray(at, at + 2)).toString("hex")
  },
  isRefusal: (answer) => Buffer.from(answer).toString("latin1").endsWith("1:y1:ee"),
  next: (request) => {
    const next = Buffer.alloc(2)
    next.writeUInt16BE((Buffer.from(request).readUInt16BE(tidAt(request)) + 1) & 0xffff)
    return next
  },
  withId: (request, id) => replaceAt(request, tidAt(request), id.subarray(0, 2)),
  guess: (n) => Buffer.of(n >> 8 & 0xff, n & 0xff),
  builtIn: {},
  garbage: [
    ...ofAnyWire,
    ["a request cut short", query("ping", tid).subarray(0, 30)],
    ["10,000 lists in each other", bencoded("l".repeat(10_000), "e".repeat(10_000))],
    ["65,507 lists in each other", bencoded("l".repeat(maxPayload))],
    ["10,000 dictionaries in each other", bencoded("d1:a".repeat(10_000), "e".repeat(10_000))],
    ["a string said to be 4,294,967,295 long", bencoded("4294967295:a")],
    ["a string of a length of 60,000 digits", bencoded("9".repeat(60_000), ":a")],
    ["an integer of 60,000 digits", bencoded("i", "9".repeat(60_000), "e")],
    ["a list that does not end", bencoded("l1:a")],
    ["20,000 empty strings", bencoded("l", "0:".repeat(20_000), "e")],
    ["a query that is not UTF-8", query("\xc3\x28", tid)],
    ["the method __proto__", query("__proto__", tid)],
    ["a dictionary with __proto__", query("ping", tid, "9:__proto__d8:polluted1:1e")],
    ["a type that is a number", bencoded("d1:yi1ee")],
    ["a type that is a list", bencoded("d1:yl1:qee")],
    ["a query without a method", bencoded("d1:t2:aa1:y1:qe")],
    ["a query whose id is a list", bencoded("d1:ad2:id20:", id20, "e1:q4:ping1:tl1:a1:be1:y1:qe")],
    ["an answer without an id", bencoded("d1:y1:re")],
    ["an answer with an id of one byte", bencoded("d1:t1:a1:y1:re")],
    ["an answer to nothing", bencoded("d1:rde1:t2:zz1:y1:re")],
    ["an error to nothing", bencoded("d1:eli201e1:xe1:t2:zz1:y1:ee")],
    ["an unknown type", bencoded("d1:t2:aa1:y1:xe")]
  ]
}
