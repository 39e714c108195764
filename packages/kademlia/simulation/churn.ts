/** For how long nodes stay, in hours: distributions that were assumed or measured. */

export interface Churn {
  /** How long one stays that comes. */
  readonly session: (random: () => number) => number
  /** How much longer one stays that is there when the observation begins: long sessions are met more often. */
  readonly residual: (random: () => number) => number
}

/** Whoever has stayed long is not more likely to stay. */
export const exponential = (mean: number): Churn => {
  const session = (random: () => number) => -mean * Math.log(1 - random())
  return { session, residual: session }
}

/** With a shape under 1 most leave soon, and who has stayed long stays. */
export const weibull = (shape: number, scale: number): Churn => {
  const session = (random: () => number) => scale * (-Math.log(1 - random())) ** (1 / shape)
  return {
    session,
    // One came after the other for so long that the beginning no longer matters.
    residual: (random) => {
      let left = 500 * scale
      while (left >= 0) left -= session(random)
      return -left
    }
  }
}

/** The public network of IPFS: 87.6% of the sessions are shorter than 8 hours, and 2.5% are longer than a day. */
export const ipfs: Churn = weibull(0.52, 1.93)
