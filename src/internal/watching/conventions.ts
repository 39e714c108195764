/**
 * The attributes that spans and metrics share: those of OpenTelemetry's semantic conventions for RPC, version 1.45.0.
 * https://github.com/open-telemetry/semantic-conventions/blob/v1.45.0/docs/rpc/README.md
 */
import type { CompiledProcedure } from "../../Handlers.ts"

export const system = "rpcudp"

/** What stands for each method that no contract declares: whoever names methods could name them without end. */
export const otherMethod = "_OTHER"

/** The method of a contract by its full name, as "example/Greeter/sayhi". */
export const methodOf = (procedure: CompiledProcedure | undefined): string => procedure?.fullName ?? otherMethod

/** The attributes of a method, known when it is called. */
export const methodAttributes = (method: string): Record<string, string> => ({
  "rpc.system.name": system,
  "rpc.method": method
})

/** The attributes of how it ended. All outcomes but success are errors. */
export const outcomeAttributes = (outcome: string): Record<string, string> => ({
  "rpc.status_code": outcome,
  ...(outcome === "success" ? {} : { "error.type": outcome })
})
