/** Who hears what the simulated network carries to many: the members of a multicast group, or all, if it is broadcast. */
import { hostOf, portOf } from "./names.ts"

export class Groups<Member extends { readonly name: string }> {
  readonly #members = new Map<string, Set<Member>>()

  /** Returns what leaves the group again. */
  join(group: string, member: Member): () => void {
    const members = this.#members.get(group) ?? new Set()
    this.#members.set(group, members.add(member))
    return () => {
      members.delete(member)
      if (members.size === 0) this.#members.delete(group)
    }
  }

  /** Whom a datagram to this name is for, of all sockets. Undefined: it is for one alone. */
  receiversOf(to: string, all: Iterable<Member>): ReadonlyArray<Member> | undefined {
    const isBroadcast = to.startsWith(broadcast)
    // Most networks have no groups, and send datagrams by the million.
    if (this.#members.size === 0 && !isBroadcast) return undefined
    const those = isBroadcast ? all : this.#members.get(hostOf(to))
    return those && Array.from(those).filter(({ name }) => portOf(name) === portOf(to))
  }
}

const broadcast = "255.255.255.255:"
