/**
 * What tests of programs that speak UDP need.
 *
 * @since 0.2.0
 */
export * as SimulatedNetwork from "./SimulatedNetwork.ts"
