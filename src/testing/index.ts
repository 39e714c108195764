/**
 * What tests of programs that speak UDP need.
 *
 * @since 0.1.0
 */
export * as SimulatedNetwork from "./SimulatedNetwork.ts"
export { whileTimePasses } from "./whileTimePasses.ts"
