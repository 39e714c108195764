/**
 * Declares procedures and implements them as a schema-validated map behind a tag. No bytes, no socket, no clock.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type * as NetAddress from "effect/net/NetAddress"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import type * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaParser from "effect/SchemaParser"
import type * as Scope from "effect/Scope"
import { Deadline } from "./internal/deadline.ts"
import type { AnySchema } from "./internal/schema/wireSchema.ts"
import { toCodecWire } from "./internal/schema/wireSchema.ts"

export { Deadline, timeLeft } from "./internal/deadline.ts"

// ---------------------------------------------------------------------------------------------------------------------
// declaring
// ---------------------------------------------------------------------------------------------------------------------

/**
 * What a procedure takes and gives. All three are optional: `{}` takes nothing, replies nil and never fails. Without
 * `success` a caller ignores what it is answered.
 *
 * `args` are positional, as in Python; trailing ones may be `Schema.optionalKey`, which a caller leaves out, or
 * `Schema.optional`, which may also be nil (Python's None).
 *
 * @category models
 * @since 0.1.0
 */
export interface Procedure {
  readonly args?: ReadonlyArray<AnySchema>
  readonly success?: AnySchema
  readonly error?: AnySchema
}

/**
 * Procedures by the name of their method.
 *
 * @category models
 * @since 0.1.0
 */
export interface Procedures {
  readonly [method: string]: Procedure
}

/**
 * The arguments of a procedure, as a handler receives them.
 *
 * @category utility types
 * @since 0.1.0
 */
export type Args<P extends Procedure> = P extends { readonly args: infer A extends Schema.Tuple.Elements }
  ? Schema.Tuple.Type<A>
  : readonly []

/**
 * The result of a procedure.
 *
 * @category utility types
 * @since 0.1.0
 */
export type Success<P extends Procedure> = P extends { readonly success: infer S extends AnySchema } ? S["Type"] : void

/**
 * The declared error of a procedure.
 *
 * @category utility types
 * @since 0.1.0
 */
export type Error<P extends Procedure> = P extends { readonly error: infer E extends AnySchema } ? E["Type"] : never

/**
 * A handler for each of the procedures. What a handler requires becomes a requirement of its layer, `Sender` excepted.
 *
 * @category utility types
 * @since 0.1.0
 */
export type HandlersFrom<P extends Procedures> = {
  readonly [M in keyof P]: (...args: Args<P[M]>) => Effect.Effect<Success<P[M]>, Error<P[M]>, unknown>
}

/**
 * The services that handlers require, `Sender` excepted.
 *
 * @category utility types
 * @since 0.1.0
 */
export type HandlersServices<H> = {
  readonly [
    // The result apart: a handler that only throws gives `never`, and requires nothing.
    M in keyof H
  ]: H[M] extends (...args: never) => infer Result ? Exclude<Effect.Services<Result>, Sender>
    : never
}[keyof H]

/**
 * The address that sent the request which a handler answers.
 *
 * UDP senders can be forged: it says where the answer goes, not who asked.
 *
 * @category services
 * @since 0.1.0
 */
export class Sender extends Context.Service<Sender, NetAddress.InetAddress>()("effect-rpcudp/Handlers/Sender") {}

/**
 * A group of procedures: the contract that both sides share, and the tag of its implementation.
 *
 * @category models
 * @since 0.1.0
 */
export interface Group<in out Self, out Id extends string, in out P extends Procedures>
  extends Context.Key<Self, Implementation>
{
  new(_: never): Context.ServiceClass.Shape<Id, Implementation>

  readonly key: Id
  readonly procedures: P
  /** Whether its handlers may run again for a request that comes again. */
  readonly idempotent: boolean
  readonly contract: Contract
  /** The handlers that the tag stands for. */
  readonly implementation: Effect.Effect<Implementation, never, Self>

  /**
   * Implements the procedures. Takes the handlers, or an Effect that builds them (with a `Scope` that lives as long as
   * the layer). A handler that is missing or mistyped does not compile, nor one that is not declared; in what an Effect
   * builds, an undeclared handler is found only by `of`.
   */
  readonly toLayer: <H extends Partial<HandlersFrom<P>>, EX = never, RX = never>(
    handlers: Complete<H, P> & ((H & NoExtra<H, P>) | Effect.Effect<H, EX, RX>)
  ) => Layer.Layer<Self, EX, Exclude<RX, Scope.Scope> | HandlersServices<H>>

  /** The handlers, checked against the contract, for those that are built apart from their layer. */
  readonly of: <H extends Partial<HandlersFrom<P>>>(handlers: Complete<H, P> & H & NoExtra<H, P>) => H
}

/** Names what is missing, so that the first line of the compiler's message does. */
type Complete<H, P> = [Exclude<keyof P, keyof H>] extends [never] ? unknown
  : `Missing handler: ${Exclude<keyof P, keyof H> & string}`

type NoExtra<H, P> = { readonly [M in Exclude<keyof H, keyof P>]: never }

/**
 * Settings of a group.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServiceOptions {
  /**
   * Whether its handlers may run again for a request that comes again, as it then does no harm: nothing is remembered of
   * their answers. False by default: a repeated request is answered as it was the first time. Either way, one that its caller has
   * cancelled is not run again.
   */
  readonly idempotent?: boolean | undefined
}

/**
 * Declares a group of procedures, as a class that is its own tag:
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Handlers } from "effect-rpcudp"
 *
 * export class Greeter extends Handlers.Service<Greeter>()("example/Greeter", {
 *   sayhi: { args: [Schema.String], success: Schema.String },
 *   poke: {} // no arguments, replies nil
 * }) {}
 *
 * export const GreeterLive = Greeter.toLayer({
 *   sayhi: (name) => Effect.succeed(`Hello ${name}`),
 *   poke: () => Effect.void
 * })
 * ```
 *
 * On the wire, values take the form of their schema's canonical JSON codec, but bytes, bigints, dates and `ReadonlyMap`s
 * stay native to MessagePack.
 *
 * @category constructors
 * @since 0.1.0
 */
export const Service = <Self = never>() =>
<const Id extends string, const P extends Procedures>(
  id: Id,
  procedures: P,
  options?: ServiceOptions
): [Self] extends [never] ? MissingSelf : Group<Self, Id, P> =>
  // Where `Self` is missing, there is a group all the same: it is the type alone that says so.
  makeGroup<Self, Id, P>(id, procedures, options) as [Self] extends [never] ? MissingSelf : Group<Self, Id, P>

type MissingSelf = "Missing `Self` generic - use `class Self extends Handlers.Service<Self>()(...)`"

const makeGroup = <Self, const Id extends string, const P extends Procedures>(
  id: Id,
  procedures: P,
  options: ServiceOptions | undefined
): Group<Self, Id, P> => {
  const key = Context.Service<Self, Implementation>()(id)
  const contract = compile(id, procedures)
  const idempotent = options?.idempotent ?? false
  return Object.assign(key, {
    procedures,
    idempotent,
    contract,
    implementation: Effect.service(key),
    toLayer: <H extends Partial<HandlersFrom<P>>, EX, RX>(handlers: H | Effect.Effect<H, EX, RX>) =>
      Layer.effect(
        key,
        Effect.map(
          Effect.zip(
            Effect.isEffect(handlers) ? handlers : Effect.succeed(handlers),
            Effect.context<HandlersServices<H>>()
          ),
          ([handlers, context]) => implement(id, contract, idempotent, handlers, context)
        )
      ),
    of: <H extends Partial<HandlersFrom<P>>>(handlers: H): H => handlers
  })
}

// ---------------------------------------------------------------------------------------------------------------------
// what Protocol needs
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Any group, its type parameters aside.
 *
 * @category utility types
 * @since 0.1.0
 */
export interface AnyGroup {
  readonly key: string
  readonly procedures: Procedures
  readonly idempotent: boolean
  readonly contract: Contract
  readonly implementation: Effect.Effect<Implementation, never, unknown>
}

/**
 * What serving a group requires: its tag.
 *
 * @category utility types
 * @since 0.1.0
 */
export type Identifier<G extends AnyGroup> = Effect.Services<G["implementation"]>

/**
 * The handlers of a group, ready to be served: made by `toLayer`, consumed by `Protocol.serve`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Implementation {
  /** The id of the group. */
  readonly group: string
  /** Whether a handler may run again for a request that comes again. */
  readonly idempotent: boolean
  readonly handlers: ReadonlyMap<string, Handler>
}

/**
 * One handler with its procedure.
 *
 * @category models
 * @since 0.1.0
 */
export interface Handler {
  readonly procedure: CompiledProcedure
  /** Runs the handler with arguments that the procedure has decoded, in `context` and a `Sender`. */
  readonly run: (args: ReadonlyArray<unknown>) => Effect.Effect<unknown, unknown, Sender>
  /** What the handler's layer was built with. */
  readonly context: Context.Context<never>
}

/**
 * The compiled procedures of a group, by the name of their method. A `Map`: the names are looked up for strangers.
 *
 * @category models
 * @since 0.1.0
 */
export type Contract = ReadonlyMap<string, CompiledProcedure>

/**
 * A procedure as functions between its values and their wire form.
 *
 * @category models
 * @since 0.1.0
 */
export interface CompiledProcedure {
  /** The id of the group. */
  readonly group: string
  readonly method: string
  /** What traces and metrics call it: `example/Greeter/sayhi`. */
  readonly fullName: string
  /** What it was compiled from. */
  readonly schemas: Procedure
  readonly args: Coder<ReadonlyArray<unknown>>
  readonly success: Coder<unknown>
  readonly error: Coder<unknown> | undefined
}

/**
 * Decodes from, and encodes to, a value that MessagePack holds. Both return an `Exit` where the schema is synchronous:
 * no fiber is needed then.
 *
 * @category models
 * @since 0.1.0
 */
export interface Coder<out A> {
  readonly decode: (wire: unknown) => Effect.Effect<A, SchemaIssue.Issue>
  readonly encode: (value: unknown) => Effect.Effect<unknown, SchemaIssue.Issue>
}

const compile = (group: string, procedures: Procedures): Contract =>
  new Map(
    Object.entries(procedures).map(([method, procedure]) => [method, {
      group,
      method,
      fullName: `${group}/${method}`,
      schemas: procedure,
      args: argsCoder(procedure.args ?? []),
      success: procedure.success === undefined ? nothing : coder(procedure.success),
      error: procedure.error === undefined ? undefined : coder(procedure.error)
    }])
  )

// What a Python method returns where nobody asks for it must not fail the call.
const nothing: Coder<void> = { decode: () => Exit.void, encode: () => Exit.succeed(null) }

/** A trailing argument that may be left out may also be undefined: a wrapper then passes on what it was not given. */
const argsCoder = (args: ReadonlyArray<AnySchema>): Coder<ReadonlyArray<unknown>> => {
  const { decode, encode } = coder(Schema.Tuple(args))
  const required = args.findLastIndex((arg) => !SchemaAST.isOptional(arg.ast)) + 1
  const trim = (values: ReadonlyArray<unknown>) => {
    let length = values.length
    while (length > required && length <= args.length && values[length - 1] === undefined) length--
    return length === values.length ? values : values.slice(0, length)
  }
  return { decode, encode: (values) => encode(Array.isArray(values) ? trim(values) : values) }
}

const coder = <S extends AnySchema>(schema: S): Coder<S["Type"]> => {
  const codec = toCodecWire(schema)
  return { decode: SchemaParser.decodeUnknownEffect(codec), encode: SchemaParser.encodeUnknownEffect(codec) }
}

const implement = <P extends Procedures, R>(
  group: string,
  contract: Contract,
  idempotent: boolean,
  handlers: Partial<HandlersFrom<P>>,
  context: Context.Context<R>
): Implementation => ({
  group,
  idempotent,
  handlers: new Map(
    // A deadline under which the layer was built is not that of its requests.
    [...contract].map(([method, procedure]) => [method, {
      procedure,
      run: erase(handlers[method]),
      context: Context.add(context, Deadline, undefined)
    }])
  )
})

// The one place where a handler's types are dropped. Its arguments come out of the decoder of the same procedure, and
// what it requires is in the context that its layer was built with.
const erase = (handler: unknown): Handler["run"] => {
  if (!Predicate.isFunction(handler)) throw new TypeError("a handler must be a function that returns an Effect")
  return (args) => {
    const effect: unknown = handler(...args)
    if (!Effect.isEffect(effect)) throw new TypeError("a handler must return an Effect")
    return effect as Effect.Effect<unknown, unknown, Sender>
  }
}
