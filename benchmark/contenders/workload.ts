/** What all contenders do: one method with a 16-byte string for an argument, and a 40-byte reply. */

export const argument = "0123456789abcdef"

/** 24 bytes before the argument. */
export const replyTo = (argument: string): string => `a reply of forty bytes: ${argument}`

/** For those that carry bytes alone. */
export const argumentBytes = Buffer.from(argument)
export const replyBytes = Buffer.from(replyTo(argument))
