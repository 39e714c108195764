#!/usr/bin/env node
/** The command `rpcudp`: what it can do, and how it says that it cannot. */
// One by one: all of the package would load Redis, HTTP and more.
import * as NodeAddressResolver from "@effect/platform-node/NodeAddressResolver"
import * as NodeDns from "@effect/platform-node/NodeDns"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Layer, References } from "effect"
import { CliConfig, CliOutput, Command, GlobalFlag } from "effect/cli"
import { call } from "./call.ts"
import { decode } from "./decode.ts"
import { describe } from "./describe.ts"
import { gather } from "./gather.ts"
import { load } from "./load.ts"
import * as Output from "./output.ts"
import { ping } from "./ping.ts"
import { serve } from "./serve.ts"
import { watch } from "./watch.ts"

/** Set by `build.ts`. */
declare const VERSION: string

/** The whole help for a mistyped flag would push what one needs out of sight. */
const presenter: CliOutput.Presenter = {
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? Effect.forEach(
        event.errors,
        (error) => Output.complain(`${error.message} (${event.commandPath.join(" ")} --help)`),
        { discard: true }
      )
      : CliOutput.defaultPresenter.present(event)
}

// Whoever reads stdout may leave before all is said, as `head` does. That is no failure to talk of.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error
  process.exit(Output.brokenPipe)
})

Command.make("rpcudp").pipe(
  Command.withDescription("Calls, serves and looks at RPC over UDP as Python's rpcudp and effect-rpcudp speak it"),
  Command.withSubcommands([call, ping, describe, gather, serve, load, decode, watch]),
  Command.run({ version: VERSION }),
  Effect.tapCause(Output.cause),
  Effect.provide([
    NodeServices.layer,
    Layer.provide(NodeAddressResolver.layer, NodeDns.layer),
    CliOutput.layerPresenter(presenter),
    CliConfig.layer({
      builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions, GlobalFlag.LogLevel]
    })
  ]),
  Effect.provideService(References.LogToStderr, true),
  NodeRuntime.runMain({
    disableErrorReporting: true,
    teardown: (exit, onExit) => onExit(Output.exitCode(exit))
  })
)
