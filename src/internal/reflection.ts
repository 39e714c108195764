/** What a node says of its methods: a group that is called like others, and the pages that it answers. No socket, no clock. */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Codec from "../Codec.ts"
import type { CompiledProcedure, Procedure } from "../Handlers.ts"
import { Service } from "../Handlers.ts"
import { toJsonSchema } from "./schema/jsonSchema.ts"

const Document = Schema.Record(Schema.String, Schema.Unknown)

/** A method, with JSON Schema of what it has on the wire. */
export class MethodDescription extends Schema.Opaque<MethodDescription>()(Schema.Struct({
  group: Schema.String,
  method: Schema.String,
  /** Of the list of arguments. Absent, as is `success`, where the schemas of a method are too long for an answer. */
  args: Schema.optionalKey(Document),
  success: Schema.optionalKey(Document),
  /** Absent, too, where no error is declared. */
  error: Schema.optionalKey(Document)
})) {}

/** Named in full on the wire, as a node may serve a `describe` of its own. Idempotent, so that no answer is remembered. */
export class Reflection extends Service<Reflection>()("rpc.reflection", {
  "rpc.reflection.describe": {
    args: [Schema.Int.annotate({ description: "the number of the page, from 0" })],
    success: Schema.Struct({
      /** How many pages there are. */
      pages: Schema.Int,
      methods: Schema.Array(MethodDescription)
    })
  }
}, { idempotent: true }) {}

/** The most pages that are read of a peer, whatever it says. */
export const maxPages = 128

/** Some methods. */
export type Page = ReadonlyArray<MethodDescription>

/** The pages of these procedures: each procedure is on one of them. Made once for each list. */
export const pagesOf = (procedures: ReadonlyArray<CompiledProcedure>): ReadonlyArray<Page> => {
  const known = made.get(procedures)
  if (known !== undefined) return known
  const pages = paginate(procedures.map(describe))
  made.set(procedures, pages)
  return pages
}

const made = new WeakMap<ReadonlyArray<CompiledProcedure>, ReadonlyArray<Page>>()

/**
 * What an answer takes that IP need not cut in pieces: 1,200 bytes pass nearly everywhere (RFC 9000, section 14). It is
 * little to send to an address that may be forged, too. Only a method that is longer by itself is answered with more.
 */
const preferredBytes = 1200

const paginate = (methods: Page): ReadonlyArray<Page> => {
  const pages: Array<Array<MethodDescription>> = []
  for (const method of methods) {
    const last = pages.at(-1)
    if (last !== undefined && sizeOf([...last, method]) <= preferredBytes) last.push(method)
    else pages.push([method])
  }
  return pages
}

/** The method with its schemas, or its name alone where these do not fit into an answer or have no JSON Schema. */
const describe = ({ group, method, schemas }: CompiledProcedure): MethodDescription => {
  const name = { group, method }
  // A schema may bring functions of its own, which may throw.
  const described = Result.try(() => ({ ...name, ...schemasOf(schemas) }))
  return Result.isSuccess(described) && Number.isFinite(sizeOf([described.success])) ? described.success : name
}

const schemasOf = ({ args = [], error, success }: Procedure): Omit<MethodDescription, "group" | "method"> => ({
  args: toJsonSchema(Schema.Tuple(args)),
  success: toJsonSchema(success ?? Schema.Null),
  ...error === undefined ? {} : { error: toJsonSchema(error) }
})

const id = new Uint8Array(Codec.idBytes)

/** How long the answer is, in bytes: infinite, if there is none. */
const sizeOf = (methods: Page): number =>
  // As many pages as a number can say take the most room.
  Result.match(Codec.encodeResponse(id, { pages: 2 ** 32 - 1, methods }), {
    onFailure: () => Infinity,
    onSuccess: (datagram) => datagram.length
  })
