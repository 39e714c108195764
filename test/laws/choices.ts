/** What chance decides in a scenario, drawn from its seed. */
import { Effect, Random } from "effect"

type RandomService = typeof Random.Random.Service

/** Choices that follow from `seed` alone, in the order in which they are made. */
export const choices = (seed: string) => {
  const random: RandomService = Effect.runSync(Random.withSeed(Random.Random, seed))
  const below = (n: number): number => Math.floor(random.nextDoubleUnsafe() * n)
  const chance = (p: number): boolean => random.nextDoubleUnsafe() < p
  const pick = <A>(from: ReadonlyArray<A>): A => from[below(from.length)]!
  return {
    below,
    chance,
    pick,
    between: (min: number, max: number): number => min + below(max - min + 1),
    /** From `min` to `max`, with as many below as above their geometric mean. */
    scaled: (min: number, max: number): number => Math.round(min * (max / min) ** random.nextDoubleUnsafe()),
    bytes: (length: number): Uint8Array => Uint8Array.from({ length }, () => below(256))
  }
}

export type Choices = ReturnType<typeof choices>
