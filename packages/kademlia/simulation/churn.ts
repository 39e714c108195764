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

/**
 * Kad, of eDonkey, as it was crawled every five minutes for six months (Steiner, En-Najjary and Biersack, "Long Term Study of Peer
 * Behavior in the KAD DHT", IEEE/ACM Transactions on Networking 17(5), 2009: sessions are Weibull distributed). The parameters are
 * those that PeerfactSim.KOM's KadChurnModel gives for it, of peers that came after the first crawl: 169.5385 minutes, 0.61511.
 */
export const kad: Churn = weibull(0.61511, 169.5385 / 60)
