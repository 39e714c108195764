/** An Effect that is done before it has started needs no fiber. */
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/** `Exit.isExit`, with the types of the effect: an Exit is the effect that ends with it. */
export const isDone = <A, E, R>(effect: Effect.Effect<A, E, R>): effect is Exit.Exit<A, E> => Exit.isExit(effect)
