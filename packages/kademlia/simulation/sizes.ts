/** How many bytes of UDP payload each message takes, where none is encoded. */
import { Result } from "effect"
import { Codec } from "effect-rpcudp"
import type { Contact } from "../src/Contact.ts"
import type { Found, Identified, Lost, Output, Taken } from "../src/core/Shared.ts"

const id = new Uint8Array(20)

const bytesOf = (value: unknown): number =>
  Result.getOrThrow(Codec.encodeResponse(new Uint8Array(Codec.idBytes), value)).length

const requestBytesOf = (method: string, ...args: ReadonlyArray<unknown>): number =>
  Result.getOrThrow(Codec.encodeRequest(new Uint8Array(Codec.idBytes), method, args)).length

const request = {
  Ping: requestBytesOf("ping", id),
  node: requestBytesOf("find_node", id, id),
  value: requestBytesOf("find_value", id, id),
  Store: requestBytesOf("store", id, id, "")
}

const answer = {
  Id: bytesOf(id),
  Taken: bytesOf(true),
  Value: bytesOf({ value: "" }),
  none: bytesOf([]),
  Lost: bytesOf(null)
}

/** Of a pair the value is a text of up to 31 bytes, as all of a simulation are. */
export const ofRequest = (output: Extract<Output, { readonly _tag: "Ping" | "Find" | "Store" }>): number => {
  switch (output._tag) {
    case "Ping":
      return request.Ping
    case "Find":
      return request[output.kind]
    case "Store":
      return request.Store + String(output.value).length
  }
}

export const ofAnswer = (told: Identified | Found | Taken | Lost): number => {
  if (told._tag === "Value") return answer.Value + String(told.value).length
  return told._tag === "Contacts" ? ofContacts(told.contacts) : answer[told._tag]
}

/** A list of over 15 has a longer head. Each contact is a list of an id, an IPv4 address and a port over 255. */
const ofContacts = (contacts: ReadonlyArray<Contact>): number => {
  let bytes = answer.none + (contacts.length > 15 ? 2 : 0)
  for (const { name } of contacts) bytes += 27 + name.lastIndexOf(":")
  return bytes
}
