/** What the simulation by events counts as bytes is what nodes send. */
import { expect, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { Codec } from "effect-rpcudp"
import * as Sizes from "../simulation/sizes.ts"
import { Contact, Contacts } from "../src/Contact.ts"
import * as Id from "../src/Id.ts"
import { Found } from "../src/Messages.ts"
import { inet } from "./nodes.ts"

const callId = new Uint8Array(Codec.idBytes)
const id = Id.ofKey("id")
const key = Id.ofKey("key")
const wire = Schema.encodeSync(Id.Id)

const response = <S extends Schema.Codec<unknown, unknown>>(schema: S, value: S["Type"]): number =>
  Result.getOrThrow(Codec.encodeResponse(callId, Schema.encodeUnknownSync(schema)(value))).length

const request = (method: string, ...args: ReadonlyArray<unknown>): number =>
  Result.getOrThrow(Codec.encodeRequest(callId, method, args)).length

it("a request has the size that its encoding has", () => {
  const to = { address: inet("10.0.0.1:8468"), told: () => {} }
  const value = "value of key 2499"
  expect(Sizes.ofRequest({ _tag: "Ping", ...to })).toBe(request("ping", wire(id)))
  for (const kind of ["node", "value"] as const) {
    expect(Sizes.ofRequest({ _tag: "Find", kind, target: key, ...to })).toBe(
      request(`find_${kind}`, wire(id), wire(key))
    )
  }
  expect(Sizes.ofRequest({ _tag: "Store", key, value, ...to })).toBe(request("store", wire(id), wire(key), value))
})

it("an answer has the size that its encoding has, however many contacts it names", () => {
  expect(Sizes.ofAnswer({ _tag: "Id", id })).toBe(response(Id.Id, id))
  expect(Sizes.ofAnswer({ _tag: "Taken", taken: true })).toBe(response(Schema.Boolean, true))
  const value = "value of key 0"
  expect(Sizes.ofAnswer({ _tag: "Value", value })).toBe(response(Found, { value }))
  const all = Array.from(
    { length: 20 },
    (_, i) => new Contact(Id.ofKey(`${i}`), inet(`10.${i}.${13 * i}.${100 + i}:${300 * (i + 1)}`))
  )
  for (const count of [0, 1, 15, 16, 20]) {
    const contacts = all.slice(0, count)
    expect(Sizes.ofAnswer({ _tag: "Contacts", contacts })).toBe(response(Contacts, contacts))
  }
})
