/**
 * Bytes to messages and back: the wire of Python's rpcudp, with a failure frame of our own. No socket, no clock, no
 * randomness.
 *
 * ```text
 * request   0x00  id[20]  msgpack([method, args])  [trailer]
 * response  0x01  id[20]  msgpack(value)
 * failure   0x02  id[20]  msgpack([kind, detail])
 * challenge 0x03  id[20]  msgpack(token: 20 bytes)
 * proof     0x04  token[20]  msgpack(nil)
 * cancel    0x05  id[20]  msgpack(nil)
 * gather    0x06  id[20]  msgpack([method, args])  [trailer]
 * ```
 *
 * Source of the first two: `rpcudp/protocol.py` of https://github.com/bmuller/rpcudp, version 5.0.1.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Result from "effect/Result"
import * as Frame from "./internal/wire/frame.ts"
import type { Malformed } from "./internal/wire/malformed.ts"
import { isUnpackable, pack } from "./internal/wire/pack.ts"
import * as RequestBody from "./internal/wire/requestBody.ts"
import type { Trailer } from "./internal/wire/trailer.ts"
import { withTrailer } from "./internal/wire/trailer.ts"
import { unpack } from "./internal/wire/unpack.ts"

export type { Malformed } from "./internal/wire/malformed.ts"
export type { Trailer } from "./internal/wire/trailer.ts"

/**
 * Length of a call's id, in bytes.
 *
 * @category constants
 * @since 0.1.0
 */
export const idBytes: number = Frame.idBytes

/**
 * Length of what precedes the body, in bytes: the type and the id.
 *
 * @category constants
 * @since 0.1.0
 */
export const headerBytes: number = Frame.headerBytes

/**
 * The longest body, in bytes: Python's rpcudp refuses to send a longer request.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxBodyBytes: number = Frame.maxBodyBytes

/**
 * The longest datagram, in bytes.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxDatagramBytes: number = Frame.maxDatagramBytes

/**
 * What a failure frame that carries no declared error may add to the length of the request it answers, in bytes. It
 * keeps a node from being used to amplify traffic (RFC 8085, section 3.1.3; CoAP's RFC 7252, section 11.3).
 *
 * @category constants
 * @since 0.1.0
 */
export const maxFailureGrowth = 64

/**
 * A call.
 *
 * @category models
 * @since 0.1.0
 */
export interface Request {
  readonly _tag: "Request"
  /** 20 bytes. */
  readonly id: Uint8Array
  readonly method: string
  readonly args: ReadonlyArray<unknown>
  /** Left out if it has none. */
  readonly trailer?: Trailer | undefined
}

/**
 * A call's result.
 *
 * @category models
 * @since 0.1.0
 */
export interface Response {
  readonly _tag: "Response"
  /** 20 bytes, those of the request. */
  readonly id: Uint8Array
  readonly value: unknown
}

/**
 * Why a peer did not answer with a result. Python peers neither send nor understand it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Failure {
  readonly _tag: "Failure"
  /** 20 bytes, those of the request. */
  readonly id: Uint8Array
  readonly failure: FailureReason
}

/**
 * The kind of a failure and its detail: for `InvalidArguments` what did not fit, for `Oversize` the length of the
 * response's body in bytes, for `Error` the declared error as its schema encodes it.
 *
 * @category models
 * @since 0.1.0
 */
export type FailureReason =
  | { readonly kind: "UnknownMethod" }
  | { readonly kind: "InvalidArguments"; readonly detail: string }
  | { readonly kind: "Overloaded" }
  | { readonly kind: "Oversize"; readonly detail: number }
  | { readonly kind: "Defect" }
  | { readonly kind: "Error"; readonly detail: unknown }

/**
 * Asks a caller whether it is where its request came from, which a forged sender cannot answer (RFC 9000, section 8.1).
 * Python peers neither send nor understand it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Challenge {
  readonly _tag: "Challenge"
  /** 20 bytes, those of the request. */
  readonly id: Uint8Array
  /** 20 bytes, which nobody else can know. */
  readonly token: Uint8Array
}

/**
 * The answer to a challenge.
 *
 * @category models
 * @since 0.1.0
 */
export interface Proof {
  readonly _tag: "Proof"
  /** 20 bytes: the challenge's token. */
  readonly id: Uint8Array
}

/**
 * Says that the caller of a request waits no longer: whoever runs it may stop. Python peers neither send nor understand it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Cancel {
  readonly _tag: "Cancel"
  /** 20 bytes, those of the request. */
  readonly id: Uint8Array
}

/**
 * A request to all who have joined a group, of which each answers with a response or not at all. Python peers neither send nor
 * understand it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Gather extends Omit<Request, "_tag"> {
  readonly _tag: "Gather"
}

/**
 * Everything that travels.
 *
 * @category models
 * @since 0.1.0
 */
export type Message = Request | Response | Failure | Challenge | Proof | Cancel | Gather

/**
 * The body would be `size` bytes, over the limit of 8,192.
 *
 * @category errors
 * @since 0.1.0
 */
// Not a `Schema.TaggedError`, as it never travels: this module deals in bytes, and needs no schema.
export class TooLarge extends Data.TaggedError("TooLarge")<{ readonly size: number }> {
  override get message(): string {
    return `A body of ${this.size} bytes is over the limit of ${maxBodyBytes}`
  }
}

/**
 * The value at `path` has no MessagePack form that Python's u-msgpack reads.
 *
 * @category errors
 * @since 0.1.0
 */
export class Unencodable extends Data.TaggedError("Unencodable")<{
  readonly path: ReadonlyArray<PropertyKey>
  readonly problem: string
}> {
  override get message(): string {
    const where = this.path.length === 0 ? "" : ` (at ${this.path.map((key) => `[${JSON.stringify(key)}]`).join("")})`
    return `${this.problem}${where}`
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// decoding
// ---------------------------------------------------------------------------------------------------------------------

/**
 * The type of a datagram, judged by its header alone: what is not for us need not be unpacked.
 *
 * A datagram that is too long has a type nevertheless, so a call that waits for it can be told.
 *
 * ```ts
 * import { Result } from "effect"
 * import { Codec } from "effect-rpcudp"
 *
 * const id = crypto.getRandomValues(new Uint8Array(Codec.idBytes))
 * const request = Result.getOrThrow(Codec.encodeRequest(id, "ping", []))
 * Codec.typeOf(request) // "Request"
 * Codec.typeOf(request.subarray(0, 21)) // "TooShort"
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const typeOf = (datagram: Uint8Array): Message["_tag"] | "TooShort" | "UnknownType" => {
  if (datagram.length <= headerBytes) return "TooShort"
  return types[datagram[0]!] ?? "UnknownType"
}

const types: ReadonlyArray<Message["_tag"]> = [
  "Request",
  "Response",
  "Failure",
  "Challenge",
  "Proof",
  "Cancel",
  "Gather"
]

/**
 * The id of a datagram that `typeOf` knows: 20 bytes, a view.
 *
 * ```ts
 * import { Result } from "effect"
 * import { Codec } from "effect-rpcudp"
 *
 * const id = crypto.getRandomValues(new Uint8Array(Codec.idBytes))
 * const request = Result.getOrThrow(Codec.encodeRequest(id, "ping", []))
 * Codec.idOf(request) // equal to id
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const idOf = (datagram: Uint8Array): Uint8Array =>
  // Not `subarray`: of a `Buffer` that is a `Buffer`.
  new Uint8Array(datagram.buffer, datagram.byteOffset + 1, idBytes)

/**
 * Decodes a datagram of any type.
 *
 * ```ts
 * import { Result } from "effect"
 * import { Codec } from "effect-rpcudp"
 *
 * const id = crypto.getRandomValues(new Uint8Array(Codec.idBytes))
 * const request = Result.getOrThrow(Codec.encodeRequest(id, "ping", []))
 * const message = Codec.decode(request)
 * if (Result.isSuccess(message) && message.success._tag === "Request") {
 *   console.log(message.success.method, message.success.args) // ping []
 * }
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const decode = (datagram: Uint8Array): Result.Result<Message, Malformed> => {
  const type = typeOf(datagram)
  switch (type) {
    case "Request":
      return decodeRequest(datagram)
    case "Response":
      return Result.map(decodeResponse(datagram), (value) => ({ _tag: type, id: idOf(datagram), value }))
    case "Failure":
      return Result.map(decodeFailure(datagram), (failure) => ({ _tag: type, id: idOf(datagram), failure }))
    case "Challenge":
      return Result.map(decodeChallenge(datagram), (token) => ({ _tag: type, id: idOf(datagram), token }))
    case "Proof":
    case "Cancel":
      return Result.map(decodeNil(datagram), () => ({ _tag: type, id: idOf(datagram) }))
    case "Gather":
      return decodeGather(datagram)
    default:
      return Result.fail(type)
  }
}

/**
 * Decodes a datagram whose type is `Request`. Its arguments may nest `maxDepth` deep, at most and by default 30: a scalar
 * has depth 0.
 *
 * ```ts
 * import { Result } from "effect"
 * import { Codec } from "effect-rpcudp"
 *
 * const id = crypto.getRandomValues(new Uint8Array(Codec.idBytes))
 * const request = Result.getOrThrow(Codec.encodeRequest(id, "sum", [[1, 2]]))
 * Codec.decodeRequest(request) // a success: method "sum", args [[1, 2]]
 * Codec.decodeRequest(request, 0) // a failure: "TooDeep"
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const decodeRequest = (
  datagram: Uint8Array,
  maxDepth: number = maxArgumentDepth
): Result.Result<Request, Malformed> => decodeAsked("Request", datagram, maxDepth)

const decodeAsked = <Tag extends "Request" | "Gather">(tag: Tag, datagram: Uint8Array, maxDepth: number) => {
  const request = RequestBody.readRequest(datagram, maxDepth)
  if (typeof request === "string") return Result.fail(request)
  const { args, method, trailer } = request
  return Result.succeed({
    _tag: tag,
    id: idOf(datagram),
    method,
    args,
    ...(trailer === undefined ? {} : { trailer })
  })
}

/**
 * Decodes the value of a datagram whose type is `Response`.
 *
 * ```ts
 * import { Result } from "effect"
 * import { Codec } from "effect-rpcudp"
 *
 * const id = crypto.getRandomValues(new Uint8Array(Codec.idBytes))
 * const response = Result.getOrThrow(Codec.encodeResponse(id, "pong"))
 * Codec.decodeResponse(response) // a success: "pong"
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const decodeResponse = (datagram: Uint8Array): Result.Result<unknown, Malformed> => decodeBody(datagram)

/**
 * Decodes the reason of a datagram whose type is `Failure`.
 *
 * ```ts
 * import { Result } from "effect"
 * import { Codec } from "effect-rpcudp"
 *
 * const id = crypto.getRandomValues(new Uint8Array(Codec.idBytes))
 * const failure = Result.getOrThrow(Codec.encodeFailure(id, { kind: "UnknownMethod" }, 28))
 * Codec.decodeFailure(failure) // a success: { kind: "UnknownMethod" }
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const decodeFailure = (datagram: Uint8Array): Result.Result<FailureReason, Malformed> => {
  const body = decodeBody(datagram)
  if (Result.isFailure(body)) return Result.fail(body.failure)
  if (!Array.isArray(body.success) || body.success.length !== 2) return Result.fail("Shape")
  const [kind, detail]: ReadonlyArray<unknown> = body.success
  switch (kind) {
    case "UnknownMethod":
    case "Overloaded":
    case "Defect":
      return detail === null ? Result.succeed({ kind }) : Result.fail("Shape")
    case "InvalidArguments":
      return typeof detail === "string" ? Result.succeed({ kind, detail }) : Result.fail("Shape")
    case "Oversize":
      return typeof detail === "number" && Number.isSafeInteger(detail) && detail > maxBodyBytes
        ? Result.succeed({ kind, detail })
        : Result.fail("Shape")
    case "Error":
      return Result.succeed({ kind, detail })
    default:
      return Result.fail("Shape")
  }
}

/**
 * How deep an argument may nest: a scalar has depth 0.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxArgumentDepth: number = RequestBody.maxArgumentDepth

/**
 * Decodes the token of a datagram whose type is `Challenge`: 20 bytes.
 *
 * ```ts
 * import { Codec } from "effect-rpcudp"
 *
 * const id = crypto.getRandomValues(new Uint8Array(Codec.idBytes))
 * const token = crypto.getRandomValues(new Uint8Array(20))
 * Codec.decodeChallenge(Codec.encodeChallenge(id, token)) // a success: equal to token
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const decodeChallenge = (datagram: Uint8Array): Result.Result<Uint8Array, Malformed> => {
  const body = decodeBody(datagram)
  if (Result.isFailure(body)) return Result.fail(body.failure)
  const token = body.success
  return token instanceof Uint8Array && token.length === idBytes ? Result.succeed(token) : Result.fail("Shape")
}

/**
 * Decodes a datagram whose type is `Proof`. The token that it sends back is its id.
 *
 * ```ts
 * import { Codec } from "effect-rpcudp"
 *
 * const token = crypto.getRandomValues(new Uint8Array(20))
 * const proof = Codec.encodeProof(token)
 * Codec.decodeProof(proof) // a success: null
 * Codec.idOf(proof) // equal to token
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const decodeProof = (datagram: Uint8Array): Result.Result<null, Malformed> => decodeNil(datagram)

/**
 * Decodes a datagram whose type is `Cancel`. Its id is that of the request.
 *
 * ```ts
 * import { Codec } from "effect-rpcudp"
 *
 * const id = crypto.getRandomValues(new Uint8Array(Codec.idBytes))
 * const cancel = Codec.encodeCancel(id)
 * Codec.decodeCancel(cancel) // a success: null
 * Codec.idOf(cancel) // equal to id
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const decodeCancel = (datagram: Uint8Array): Result.Result<null, Malformed> => decodeNil(datagram)

/**
 * Decodes a datagram whose type is `Gather`, as `decodeRequest` does a request.
 *
 * ```ts
 * import { Result } from "effect"
 * import { Codec } from "effect-rpcudp"
 *
 * const id = crypto.getRandomValues(new Uint8Array(Codec.idBytes))
 * const gather = Result.getOrThrow(Codec.encodeGather(id, "whois", ["printer"]))
 * Codec.decodeGather(gather) // a success: method "whois", args ["printer"]
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const decodeGather = (
  datagram: Uint8Array,
  maxDepth: number = maxArgumentDepth
): Result.Result<Gather, Malformed> => decodeAsked("Gather", datagram, maxDepth)

const decodeNil = (datagram: Uint8Array): Result.Result<null, Malformed> => {
  const body = decodeBody(datagram)
  if (Result.isFailure(body)) return Result.fail(body.failure)
  return body.success === null ? Result.succeed(null) : Result.fail("Shape")
}

const decodeBody = (datagram: Uint8Array): Result.Result<unknown, Malformed> => {
  if (datagram.length > maxDatagramBytes) return Result.fail("TooLong")
  const unpacked = unpack(datagram, headerBytes)
  return typeof unpacked === "string" ? Result.fail(unpacked) : Result.succeed(unpacked.value)
}

// ---------------------------------------------------------------------------------------------------------------------
// encoding
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Encodes a call. `id` is 20 bytes. The path of an `Unencodable` begins at the arguments. A trailer that there is no room
 * for is left out.
 *
 * ```ts
 * import { Result } from "effect"
 * import { Codec } from "effect-rpcudp"
 *
 * const id = crypto.getRandomValues(new Uint8Array(Codec.idBytes))
 * Result.getOrThrow(Codec.encodeRequest(id, "ping", [])).length // 28 bytes
 * Codec.encodeRequest(id, "ping", [() => {}]) // a failure: Unencodable, at [0]
 * ```
 *
 * @category encoding
 * @since 0.1.0
 */
export const encodeRequest = (
  id: Uint8Array,
  method: string,
  args: ReadonlyArray<unknown>,
  trailer?: Trailer
): Result.Result<Uint8Array, TooLarge | Unencodable> => encodeAsked(0, id, method, args, trailer)

const encodeAsked = (
  type: number,
  id: Uint8Array,
  method: string,
  args: ReadonlyArray<unknown>,
  trailer: Trailer | undefined
): Result.Result<Uint8Array, TooLarge | Unencodable> => {
  const encoded = encode(type, id, [method, args])
  if (Result.isSuccess(encoded)) {
    return trailer === undefined ? encoded : Result.succeed(withTrailer(encoded.success, trailer))
  }
  if (encoded.failure._tag === "TooLarge") return encoded
  // The caller knows the arguments, not the array around them.
  const { path, problem } = encoded.failure
  return Result.fail(new Unencodable({ problem, path: path.slice(1) }))
}

/**
 * Encodes a call's result. `id` is that of the request.
 *
 * ```ts
 * import { Codec } from "effect-rpcudp"
 *
 * const id = crypto.getRandomValues(new Uint8Array(Codec.idBytes))
 * Codec.encodeResponse(id, { answer: 42 }) // a success: a datagram
 * Codec.encodeResponse(id, new Uint8Array(9000)) // a failure: TooLarge, of 9,003 bytes
 * ```
 *
 * @category encoding
 * @since 0.1.0
 */
export const encodeResponse = (
  id: Uint8Array,
  value: unknown
): Result.Result<Uint8Array, TooLarge | Unencodable> => encode(1, id, value)

/**
 * Encodes a failure that answers a request of `requestBytes` bytes. `id` is that of the request. Unless it carries a
 * declared error, the frame is at most 64 bytes longer than the request: a longer detail is cut.
 *
 * ```ts
 * import { Result } from "effect"
 * import { Codec } from "effect-rpcudp"
 *
 * const id = crypto.getRandomValues(new Uint8Array(Codec.idBytes))
 * const request = Result.getOrThrow(Codec.encodeRequest(id, "ping", []))
 * Codec.encodeFailure(id, { kind: "InvalidArguments", detail: "Expected string" }, request.length)
 * ```
 *
 * @category encoding
 * @since 0.1.0
 */
export const encodeFailure = (
  id: Uint8Array,
  failure: FailureReason,
  requestBytes: number
): Result.Result<Uint8Array, TooLarge | Unencodable> => encode(2, id, [failure.kind, detailOf(failure, requestBytes)])

/**
 * Encodes a challenge to the sender of a request, which has this `id`. `token` is 20 bytes. It takes 43 bytes.
 *
 * ```ts
 * import { Result } from "effect"
 * import { Codec } from "effect-rpcudp"
 *
 * const id = crypto.getRandomValues(new Uint8Array(Codec.idBytes))
 * const request = Result.getOrThrow(Codec.encodeRequest(id, "ping", []))
 * const token = crypto.getRandomValues(new Uint8Array(20))
 * Codec.encodeChallenge(Codec.idOf(request), token).length // 43
 * ```
 *
 * @category encoding
 * @since 0.1.0
 */
export const encodeChallenge = (id: Uint8Array, token: Uint8Array): Uint8Array => {
  const datagram = new Uint8Array(headerBytes + 2 + idBytes)
  datagram[0] = 3
  datagram.set(id, 1)
  datagram[headerBytes] = 0xc4 // bin 8
  datagram[headerBytes + 1] = idBytes
  datagram.set(token, headerBytes + 2)
  return datagram
}

/**
 * Encodes the answer to a challenge. `token` is that of the challenge. It takes 22 bytes.
 *
 * ```ts
 * import { Result } from "effect"
 * import { Codec } from "effect-rpcudp"
 *
 * const proofOf = (challenge: Uint8Array) => Result.map(Codec.decodeChallenge(challenge), Codec.encodeProof)
 * ```
 *
 * @category encoding
 * @since 0.1.0
 */
export const encodeProof = (token: Uint8Array): Uint8Array => encodeNil(4, token)

/**
 * Encodes that the caller of the request with this `id` waits no longer. It takes 22 bytes.
 *
 * ```ts
 * import { Result } from "effect"
 * import { Codec } from "effect-rpcudp"
 *
 * const id = crypto.getRandomValues(new Uint8Array(Codec.idBytes))
 * const request = Result.getOrThrow(Codec.encodeRequest(id, "ping", []))
 * Codec.encodeCancel(Codec.idOf(request)).length // 22
 * ```
 *
 * @category encoding
 * @since 0.1.0
 */
export const encodeCancel = (id: Uint8Array): Uint8Array => encodeNil(5, id)

/**
 * Encodes a request to all who have joined a group. What is said of `encodeRequest` holds.
 *
 * ```ts
 * import { Result } from "effect"
 * import { Codec } from "effect-rpcudp"
 *
 * const id = crypto.getRandomValues(new Uint8Array(Codec.idBytes))
 * Result.getOrThrow(Codec.encodeGather(id, "ping", [])).length // 28 bytes, as of a request
 * ```
 *
 * @category encoding
 * @since 0.1.0
 */
export const encodeGather = (
  id: Uint8Array,
  method: string,
  args: ReadonlyArray<unknown>,
  trailer?: Trailer
): Result.Result<Uint8Array, TooLarge | Unencodable> => encodeAsked(Frame.gatherType, id, method, args, trailer)

const encodeNil = (type: number, id: Uint8Array): Uint8Array => {
  const datagram = new Uint8Array(headerBytes + 1)
  datagram[0] = type
  datagram.set(id, 1)
  datagram[headerBytes] = 0xc0 // nil
  return datagram
}

const detailOf = (failure: FailureReason, requestBytes: number): unknown => {
  if (!("detail" in failure)) return null
  if (failure.kind !== "InvalidArguments") return failure.detail
  // The array, the kind and the heads of the two strings take 5 bytes besides the kind itself.
  const room = Math.min(requestBytes, maxDatagramBytes) + maxFailureGrowth - headerBytes - failure.kind.length - 5
  return truncate(failure.detail, Math.min(room, maxDetailBytes))
}

// A person reads it; more would only cost the sender.
const maxDetailBytes = 512

/** The longest beginning of `text` that is at most `bytes` bytes of UTF-8. */
const truncate = (text: string, bytes: number): string => {
  const buffer = new Uint8Array(bytes)
  const { read } = new TextEncoder().encodeInto(text, buffer)
  return text.slice(0, read).toWellFormed()
}

const encode = (
  type: number,
  id: Uint8Array,
  body: unknown
): Result.Result<Uint8Array, TooLarge | Unencodable> => {
  const datagram = pack(body, headerBytes)
  if (isUnpackable(datagram)) return Result.fail(new Unencodable(datagram))
  const size = datagram.length - headerBytes
  if (size > maxBodyBytes) return Result.fail(new TooLarge({ size }))
  datagram[0] = type
  // All 20 bytes, whatever the length of `id`: none of an earlier datagram stays.
  for (let i = 0; i < idBytes; i++) datagram[1 + i] = id[i]!
  return Result.succeed(datagram)
}
