/** A Kademlia node. */
export * as Contact from "./Contact.ts"
export * as Event from "./Event.ts"
export * as Id from "./Id.ts"
export * as Lookup from "./Lookup.ts"
export * as Messages from "./Messages.ts"
export * as Node from "./Node.ts"
export * as RoutingTable from "./RoutingTable.ts"
export * as Storage from "./Storage.ts"
