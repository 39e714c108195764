/**
 * Both directions between Python and this library: a Python client calls the greeter, and a client of ours calls a Python
 * server. Needs a python3 with u-msgpack (Debian: python3-u-msgpack) and says so where there is none.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Console, Effect, Layer, Option, Schema } from "effect"
import { Handlers, Protocol, Transport } from "effect-rpcudp"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { runClient, startServer } from "./processes.ts"

// The contract of examples/python/server.py.
class PythonServer extends Handlers.Service<PythonServer>()("example/PythonServer", {
  sayhi: { args: [Schema.String], success: Schema.String },
  describe: { args: [Schema.Unknown], success: Schema.String }
}) {}

const pythonCallsUs = Effect.fn("pythonCallsUs")(function*(python: string) {
  yield* Console.log("Python calls the greeter:")
  const address = yield* startServer(process.execPath, "greeter/server.ts")
  yield* runClient(python, "python/client.py", address)
}, Effect.scoped)

const weCallPython = Effect.fn("weCallPython")(
  function*(python: string) {
    yield* Console.log("We call Python:")
    const address = yield* startServer(python, "python/server.py")
    const server = yield* Protocol.client(PythonServer)
    const peer = server(address)
    yield* Console.log(yield* peer.sayhi("Ada"))
    for (const value of [new Uint8Array([1, 2, 255]), 2n ** 63n, 1.5, [null, true, { name: "Ada" }]]) {
      yield* Console.log(yield* peer.describe(value))
    }
    // A Python peer never says that it has no such method.
    const protocol = yield* Protocol.Protocol
    yield* protocol.call(address, "missing", []).pipe(
      Protocol.withTimeout("300 millis"),
      Effect.catchTag("NoResponse", (error) => Console.log(error.message))
    )
  },
  Effect.scoped,
  Effect.provide(Protocol.layer().pipe(Layer.provide(Transport.layer({ address: "127.0.0.1" }))))
)

const findPython = Effect.gen(function*() {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const hasMsgpack = (python: string) =>
    spawner.exitCode(ChildProcess.make(python, ["-c", "import umsgpack"])).pipe(
      Effect.map((exitCode) => exitCode === 0),
      Effect.orElseSucceed(() => false)
    )
  // The first on the PATH need not be the one that Debian's packages are for.
  return yield* Effect.findFirst(["python3", "/usr/bin/python3"], hasMsgpack)
})

const program = Effect.gen(function*() {
  const python = yield* findPython
  if (Option.isNone(python)) {
    return yield* Console.log("skipped: there is no python3 with u-msgpack (Debian: python3-u-msgpack)")
  }
  yield* pythonCallsUs(python.value)
  yield* weCallPython(python.value)
})

program.pipe(Effect.provide(NodeServices.layer), NodeRuntime.runMain)
