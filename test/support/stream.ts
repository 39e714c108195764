/** Chance that follows a seed. */
import { Effect, Random } from "effect"

export interface Stream {
  /** A whole number from 0 to `n - 1`. */
  readonly below: (n: number) => number
  /** Fills the bytes that it is given. */
  readonly bytes: <A extends Uint8Array>(bytes: A) => A
}

export const stream = (seed: number): Stream => {
  const random = Effect.runSync(Random.withSeed(Random.Random, String(seed)))
  const below = (n: number) => Math.floor(random.nextDoubleUnsafe() * n)
  const bytes = <A extends Uint8Array>(bytes: A): A => {
    for (let i = 0; i < bytes.length; i++) bytes[i] = below(256)
    return bytes
  }
  return { below, bytes }
}
