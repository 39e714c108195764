/** Bare `node:dgram` with a receive buffer like ours, so that nothing is lost at 512 calls in flight. */
import { make } from "./dgram.ts"

export const contender = make(4 * 1024 * 1024)
