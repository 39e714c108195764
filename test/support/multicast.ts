/** What of IP multicast this machine has. Nothing that is sent here leaves it. */
import * as Dgram from "node:dgram"
import { networkInterfaces } from "node:os"

/** Groups that no router passes on: IPv4 ones on the loopback interface, and IPv6 ones whose scope is the interface itself. */
export const groups = { ipv4: "239.255.77.1", ipv6: "ff11::7701" } as const

/** Whether what is sent to a group by this interface is heard there. */
const works = (family: "ipv4" | "ipv6", address: string, name: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = Dgram.createSocket(family === "ipv4" ? "udp4" : "udp6")
    const end = (works: boolean) => {
      clearTimeout(timer)
      socket.close(() => resolve(works))
    }
    const timer = setTimeout(() => end(false), 1000)
    socket.on("error", () => end(false))
    socket.on("message", () => end(true))
    const on = family === "ipv4" ? address : `::%${name}`
    socket.bind(0, () => {
      try {
        socket.addMembership(groups[family], on)
        socket.setMulticastInterface(on)
        socket.send("", socket.address().port, groups[family], (error) => error !== null && end(false))
      } catch {
        end(false)
      }
    })
  })

/** The address of an interface where groups of IPv4 can be heard, and of IPv6: undefined where there is none. */
const find = async (family: "ipv4" | "ipv6"): Promise<string | undefined> => {
  for (const [name, addresses = []] of Object.entries(networkInterfaces())) {
    for (const { address, family: own, internal, scopeid } of addresses) {
      if (own.toLowerCase() !== family || (family === "ipv4" && !internal) || (scopeid ?? 0) !== 0) continue
      if (await works(family, address, name)) return address
    }
  }
  return undefined
}

export const ipv4 = await find("ipv4")

export const ipv6 = await find("ipv6")
