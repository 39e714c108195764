/** @since 0.1.0 */
export * as NativeTransport from "./NativeTransport.ts"
