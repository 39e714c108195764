/** Why a value was not published. */
import { Schema } from "effect"

/**
 * Nothing was kept or sent:
 *
 * - `TooLarge`: with its key and what else a `store` needs the value takes more than 8,192 bytes.
 * - `Unencodable`: MessagePack has no such value: an integer of more than 64 bits, or text with half a surrogate pair.
 * - `NoRoom`: this node has no room for it, and could not publish it again.
 */
export class NotStored extends Schema.TaggedError<NotStored>()("NotStored", {
  reason: Schema.Literals(["TooLarge", "Unencodable", "NoRoom"]),
  message: Schema.String
}) {}
