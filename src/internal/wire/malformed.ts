import type { Reason } from "./unpack.ts"

/**
 * Why a datagram is not a message.
 *
 * `TooShort`: under 22 bytes. `TooLong`: over 8,213. `UnknownType`: its first byte is none of 0 to 6. `Shape`: the
 * body is not what the type says. The others are faults of its MessagePack: a length past the end (`Truncated`), bytes
 * after the value (`TrailingBytes`), nesting over 32 (`TooDeep`), an extension other than a timestamp (`Extension`), a
 * string that is not UTF-8 (`InvalidUtf8`), the byte 0xc1 (`Reserved`), a key that comes twice (`DuplicateKey`) or that
 * Python could not hash (`UnhashableKey`). `TooMany`: decoded it would take over 64 bytes of memory for each byte of the
 * datagram, which hundreds of the smallest maps or bytes do, or its maps have too many keys that are not strings: 256 in
 * one map, or n(n-1)/2 for each map of n, in all 32,640.
 *
 * @category errors
 * @since 0.1.0
 */
export type Malformed = "TooShort" | "TooLong" | "UnknownType" | "Shape" | Reason
