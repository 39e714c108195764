/** Requests as a raw peer would send them. */
import { Result } from "effect"
import { Codec } from "../../src/index.ts"

/** The id of this number. */
export const idOf = (number: number): Uint8Array => {
  const id = new Uint8Array(Codec.idBytes).fill(7)
  new DataView(id.buffer).setUint32(0, number)
  return id
}

/** A request under the id of this number. */
export const numbered = (number: number, method: string, ...args: ReadonlyArray<unknown>): Uint8Array =>
  Result.getOrThrow(Codec.encodeRequest(idOf(number), method, args))

// Far from the numbers that tests choose.
let last = 1_000_000_000

/** A request under an id of its own. */
export const requestFor = (
  method: string,
  args: ReadonlyArray<unknown> = [],
  trailer?: Codec.Trailer
): Uint8Array => Result.getOrThrow(Codec.encodeRequest(idOf(++last), method, args, trailer))
