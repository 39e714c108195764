/** What commands say: values to stdout, all else to stderr. Colours are for terminals, and not where NO_COLOR is set. */
import { Cause, Console, Effect, Exit, Stdio } from "effect"
import { CliError } from "effect/cli"
import { styleText } from "node:util"
import { exitCodes, Failure } from "./Failure.ts"
import * as Value from "./value.ts"

/** A value of the wire: over several lines for who reads it on a terminal, in one for programs. */
export const value = Effect.fnUntraced(function*(value: unknown) {
  const { stdoutIsTerminal } = yield* Stdio.Stdio
  yield* Console.log(Value.format(value, (yield* stdoutIsTerminal) ? 2 : undefined))
})

/** A line of JSON, for programs. */
export const json = (value: object): Effect.Effect<void> => Console.log(Value.format(value))

/** A line on the side. */
export const note = (line: string): Effect.Effect<void> => Console.error(coloured("dim", line))

const coloured = (style: "dim" | "red", text: string): string =>
  hasColours() ? styleText(style, text, { validateStream: false }) : text

// Node itself lets FORCE_COLOR win over NO_COLOR, and prints a warning: https://no-color.org says otherwise.
const hasColours = (): boolean => {
  const { FORCE_COLOR = "", NO_COLOR = "", TERM } = process.env
  return NO_COLOR === "" && (!["", "0", "false"].includes(FORCE_COLOR) || process.stderr.isTTY && TERM !== "dumb")
}

/** Why a command failed, in one line. A defect keeps its stack: it is to be reported. */
export const cause = <E>(cause: Cause.Cause<E>): Effect.Effect<void> => {
  if (Cause.hasInterruptsOnly(cause)) return Effect.void
  const error = Cause.squash(cause)
  // These have been told.
  if (CliError.isCliError(error)) return Effect.void
  return error instanceof Failure ? complain(`${error.kind}: ${error.message}`) : say(Cause.pretty(cause))
}

/** Says what is wrong in one line, however many the message has. */
export const complain = (message: string): Effect.Effect<void> => say(message.replace(/\s*\n\s*/g, " "))

const say = (text: string): Effect.Effect<void> => Console.error(`${coloured("red", "rpcudp:")} ${Value.visible(text)}`)

/** What a shell reports of a process that SIGPIPE ended. */
export const brokenPipe = 128 + 13

/** What the process exits with. */
export const exitCode = <A, E>(exit: Exit.Exit<A, E>): number => {
  if (Exit.isSuccess(exit)) return 0
  if (Cause.hasInterruptsOnly(exit.cause)) return 130
  const error = Cause.squash(exit.cause)
  if (error instanceof Failure) return exitCodes[error.kind]
  if (CliError.isCliError(error)) return error._tag === "ShowHelp" && error.errors.length === 0 ? 0 : exitCodes.Usage
  return 1
}

/** 0.42 ms */
export const millis = (ms: number): string => `${ms < 10 ? ms.toFixed(2) : ms.toFixed(1)} ms`
