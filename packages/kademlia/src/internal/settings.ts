/** What a node goes by, where its options leave that open. */
import { Duration } from "effect"
import type { Settings } from "../core/Shared.ts"

/** The settings that are given, as options have them. */
export type Given = {
  readonly [S in keyof Settings]?: (S extends "k" | "alpha" ? number : Duration.Input) | undefined
}

export const settingsOf = (options: Given): Settings => ({
  k: options.k ?? 20,
  alpha: options.alpha ?? 3,
  questionAfter: millis(options.questionAfter, "15 minutes"),
  refreshAfter: millis(options.refreshAfter, "1 hour"),
  republishAfter: millis(options.republishAfter, "1 hour"),
  publishAfter: millis(options.publishAfter, "24 hours"),
  expireAfter: millis(options.expireAfter, "25 hours"),
  every: millis(options.every, "1 minute"),
  keepAlive: millis(options.keepAlive, Infinity)
})

const millis = (input: Duration.Input | undefined, otherwise: Duration.Input): number =>
  Duration.toMillis(Duration.fromInputUnsafe(input ?? otherwise))
