/** The process of a flood from one sender: `flood.ts NAME FROM PORT METHOD RATE SECONDS`. */
import { randomBytes } from "node:crypto"
import { setTimeout as sleep } from "node:timers/promises"
import { Attacker } from "./Attacker.ts"
import { names, wireOf } from "./Target.ts"
import type { Method } from "./wires.ts"

const [name, from, port, method, rate, seconds] = process.argv.slice(2)
const wire = wireOf[names.find((known) => known === name)!]
const attacker = await Attacker.bind(from!)
let answers = 0
let refusals = 0
attacker.onDatagram = (datagram) => {
  if (wire.isRefusal(datagram)) refusals++
  else answers++
}

const template = wire.request(method as Method, Buffer.alloc(20))
const ids = randomBytes(1 << 16)
const total = Math.round(Number(rate) * Number(seconds))
process.stdout.write("ready\n")
const started = performance.now()
let sent = 0
while (sent < total) {
  const due = Math.min(total, Math.floor((performance.now() - started) / 1000 * Number(rate)) + 1)
  for (; sent < due; sent++) {
    const at = sent * 7 % ((1 << 16) - 20)
    attacker.send(wire.withId(template, ids.subarray(at, at + 20)), { port: Number(port) })
  }
  await sleep(1)
}
await sleep(1500)
process.stdout.write(`${JSON.stringify({ sent, answers, refusals })}\n`)
attacker.close()
