/** Whether a value can be sent. */
import { Result } from "effect"
import { Codec } from "effect-rpcudp"
import type { Value } from "../Messages.ts"
import { NotStored } from "../NotStored.ts"

/** Why no `store` can carry a value, if that is so. Keys and ids have one length. */
export const unsendable = (value: Value): NotStored | undefined => {
  const encoded = Codec.encodeRequest(noId, "store", [noId, noId, value])
  if (Result.isSuccess(encoded)) return undefined
  const { failure } = encoded
  return failure._tag === "Unencodable"
    ? new NotStored({ reason: "Unencodable", message: `the value cannot be sent: ${failure.problem}` })
    : new NotStored({
      reason: "TooLarge",
      message:
        `the value is too large: with its key it takes ${failure.size} bytes, and a datagram has room for ${Codec.maxBodyBytes}`
    })
}

// As long as any.
const noId = new Uint8Array(Codec.idBytes)
