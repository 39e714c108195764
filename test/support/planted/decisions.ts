/** A target for tests of the fuzzer: its fault lies behind three decisions. */
export const bodyAt = undefined

export const cost = (): unknown => undefined

export const fuzz = (data: Uint8Array): void => {
  if (data[0] !== 0xd6) return
  if (data[2] !== 0x93) return
  if (data[1] !== 0xc7) return
  throw new Error("planted")
}
