/** A target with a fault of each kind, for tests of the fuzzer. */
export const bodyAt = undefined

export const cost = (data: Uint8Array): unknown => {
  switch (String.fromCharCode(...data.subarray(0, 4))) {
    case "spin":
      for (;;) data[4] = 0
    case "grow": {
      const held: Array<unknown> = []
      for (;;) held.push(Array.from({ length: 1000 }, (_, i) => ({ i })))
    }
    default:
      // Ever more heap for one kind of byte, and no more of the program that runs.
      return Array.from({ length: 2 ** Math.min(10, data.filter((byte) => byte === 0xc5).length) }, (_, i) => ({ i }))
  }
}

export const fuzz = (data: Uint8Array): void => {
  if (data[0] !== 0xd6) return
  if (data[2] !== 0x93) return
  if (data[1] !== 0xc7) return
  if (data[3] !== 0x7f) return
  throw new Error("planted")
}
