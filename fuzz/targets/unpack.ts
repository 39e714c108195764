/** Any datagram, decoded: what is understood can be said again, means the same, and msgpackr reads it likewise. */
import { Result } from "effect"
import { Packr, Unpackr } from "msgpackr/pack"
import { Codec } from "../../src/index.ts"
import { law, same } from "./target.ts"

export const bodyAt = Codec.headerBytes

export const cost = (data: Uint8Array): unknown => Codec.decode(data)

export const fuzz = (data: Uint8Array): void => {
  const decoded = Codec.decode(data)
  if (Result.isFailure(decoded)) return
  const message = decoded.success
  const again = encode(message, data.length)
  if (Result.isSuccess(again)) {
    const once = Codec.decode(again.success)
    law(Result.isSuccess(once) && same(once.success, message), () => "what was decoded is not what it is encoded to")
    // A float of 32 bits is written with 64, and what is cut is the detail of a failure.
    law(again.success.length <= 2 * data.length, () => `${data.length} bytes are encoded to ${again.success.length}`)
  } else {
    law(
      again.failure._tag === "TooLarge" || shortestOf(message) < data.length,
      () => `what was decoded can't be encoded: ${again.failure.message}`
    )
  }
  if (message._tag === "Response" || message._tag === "Request") {
    const body = message._tag === "Response" ? message.value : [message.method, message.args]
    // A request may have a trailer.
    const [first] = reader.unpackMultiple(data.subarray(bodyAt))
    law(same(first, body), () => "msgpackr reads something else")
  }
}

/**
 * How long a message would be whose numbers and lengths all take their shortest form. Where that is shorter than what was
 * read, what it holds may be too much for it.
 */
const shortestOf = (message: Codec.Message): number =>
  message._tag === "Response"
    ? bodyAt + writer.pack(message.value).length
    : message._tag === "Request" || message._tag === "Gather"
    ? bodyAt + writer.pack([message.method, message.args]).length
    : Infinity

const writer = new Packr({ useRecords: false, variableMapSize: true })

const reader = new Unpackr({ useRecords: false, mapsAsObjects: false, int64AsType: "auto" })

const encode = (
  message: Codec.Message,
  requestBytes: number
): Result.Result<Uint8Array, Codec.TooLarge | Codec.Unencodable> => {
  switch (message._tag) {
    case "Request":
      return Codec.encodeRequest(message.id, message.method, message.args, message.trailer)
    case "Response":
      return Codec.encodeResponse(message.id, message.value)
    case "Failure":
      // As long as a detail may be.
      return Codec.encodeFailure(message.id, message.failure, Math.max(requestBytes, Codec.maxDatagramBytes))
    case "Challenge":
      return Result.succeed(Codec.encodeChallenge(message.id, message.token))
    case "Proof":
      return Result.succeed(Codec.encodeProof(message.id))
    case "Cancel":
      return Result.succeed(Codec.encodeCancel(message.id))
    case "Gather":
      return Codec.encodeGather(message.id, message.method, message.args, message.trailer)
  }
}
