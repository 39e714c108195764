/** Attacks by requests: repeated, replayed, too many, from everywhere, for a long answer, and for a handler that fails. */
import { randomBytes } from "node:crypto"
import { setTimeout as sleep } from "node:timers/promises"
import { answers, Attacker, flood, forge, type Forged, polite, type Service } from "./Attacker.ts"
import type { Target } from "./Target.ts"
import { counted, growth, logged, memory, number, withTarget } from "./telling.ts"

const runsOf = async (target: Target, method: string): Promise<number> => (await target.stats())?.runs[method] ?? 0

/** One request a hundred times: for a handler that is quick, and for one that takes a second. */
export const repeated = (name: Target["name"]): Promise<string> =>
  withTarget(name, async (target) => {
    const told: Array<string> = []
    for (const method of ["ping", "slow"] as const) {
      const attacker = await Attacker.bind("127.0.5.1")
      const request = target.wire.request(method, randomBytes(20))
      for (let i = 0; i < 100; i++) attacker.send(request, target)
      await sleep(2000)
      told.push(
        `${method === "ping" ? "quick" : "a second long"}: ran ${await runsOf(target, method)} times, ` +
          `${attacker.received.length} answers`
      )
      attacker.close()
    }
    return told.join("; ")
  })

/** A request that somebody recorded, once more after a while. */
export const replayed = (seconds: number) => (name: Target["name"]): Promise<string> =>
  withTarget(name, async (target) => {
    const attacker = await Attacker.bind("127.0.5.1")
    const request = target.wire.request("ping", randomBytes(20))
    attacker.send(request, target)
    await attacker.next(1000)
    await sleep(seconds * 1000)
    const before = await runsOf(target, "ping")
    attacker.send(request, target)
    const answer = await attacker.next(1000)
    // The same bytes as if from elsewhere.
    await (await forge(target, 100, [{ host: "127.0.5.9", port: 999, datagram: request }])).done
    await sleep(300)
    const ran = await runsOf(target, "ping") - before
    attacker.close()
    return `after ${seconds} s: ${
      answer === undefined ? "not answered" : "answered"
    }, and the handler ran ${ran} times ` +
      "for two replays, one from the same and one from another address"
  })

/** One sender asks as fast as it can while another asks politely. */
export const floodOf = (method: "ping" | "slow", rate: number, seconds: number) => (name: Target["name"]) =>
  withTarget(name, async (target) => {
    const before = (await target.stats())!
    const { done } = await flood(target, "127.0.5.1", method, rate, seconds)
    const asking = polite(target, "127.0.5.2", seconds)
    let peak = 0
    const watch = setInterval(() => {
      peak = Math.max(peak, target.usage().rssMiB)
    }, 50)
    const { answers: got, refusals, sent } = await done
    const service = await asking
    clearInterval(watch)
    const { cpuSeconds } = target.usage()
    const after = await target.stats()
    return `of ${sent.toLocaleString("en")} ${got.toLocaleString("en")} answered` +
      `${refusals > 0 ? `, ${refusals.toLocaleString("en")} refused` : ""}` +
      `${method === "slow" ? `, at most ${after?.most.toLocaleString("en")} handlers at once` : ""}; CPU ${
        number(cpuSeconds - before.cpuSeconds)
      } s, ${memory(before, after)}, at most ${number(peak)}; left: ${growth(before, after)}${
        counted(before, after)
      }. ` +
      `The other sender: ${told(service)}; ${logged(target)}`
  })

const told = (service: Service): string =>
  `${Math.round(100 * service.answered / service.asked)}% of ${service.asked} within 1 s, median ${
    number(service.medianMillis)
  } ms, worst ${number(service.worstMillis)} ms`

/** Addresses of 127.0.0.0/8, none twice. */
function* strangers(
  count: number,
  datagram: (sender: { readonly host: string; readonly port: number }) => Buffer
): Generator<Forged> {
  for (let i = 0; i < count; i++) {
    const sender = { host: `127.${20 + (i >> 16)}.${i >> 8 & 255}.${i & 255}`, port: 1024 + i * 7919 % 60_000 }
    yield { ...sender, datagram: datagram(sender) }
  }
}

/** As many senders as requests. */
export const floodFromMany = (method: "ping" | "slow", senders: number, rate: number) => (name: Target["name"]) =>
  withTarget(name, async (target) => {
    const before = (await target.stats())!
    const requests = Array.from(strangers(senders, (sender) => target.wire.request(method, randomBytes(20), sender)))
    const { done } = await forge(target, rate, requests)
    const service = await polite(target, "127.0.5.2", senders / rate)
    await done
    await sleep(1500)
    const { cpuSeconds } = target.usage()
    const after = await target.stats()
    const ran = (after?.runs[method] ?? Number.NaN) - (method === "ping" ? service.answered : 0)
    return `handlers ran ${ran.toLocaleString("en")} times${
      method === "slow" ? `, at most ${after?.most.toLocaleString("en")} at once` : ""
    }; CPU ${number(cpuSeconds - before.cpuSeconds)} s, ${memory(before, after)}; left: ${growth(before, after)}${
      counted(before, after)
    }. The other sender: ${told(service)}`
  })

/** How many bytes come back for one, and how many a second reach an address that never asked. */
export const amplified = (name: Target["name"]): Promise<string> =>
  withTarget(name, async (target) => {
    const { wire } = target
    const attacker = await Attacker.bind("127.0.5.1")
    if (target.name === "dht-rpc") await fillTable(target)
    const methods = ["large", "huge", "missing", "dies"] as const
    const requests: Array<readonly [string, Buffer]> = [
      ...Object.entries(wire.builtIn),
      ...methods.map((method) => [`handler: ${method}`, wire.request(method, randomBytes(20))] as const)
    ]
    const factors: Array<{ name: string; sent: number; received: number; request: Buffer }> = []
    // What ends the process comes elsewhere.
    for (const [name, request] of requests.filter(([name]) => name !== "handler: dies" || target.name === "ours")) {
      attacker.receivedBytes = 0
      attacker.send(request, target)
      await sleep(500)
      factors.push({ name, sent: request.length, received: attacker.receivedBytes, request })
    }
    attacker.close()
    const victim = await Attacker.bind("127.0.5.66")
    victim.onDatagram = () => {}
    const best = factors.reduce((best, next) => next.received / next.sent > best.received / best.sent ? next : best)
    const forged = Array.from({ length: 4000 }, () => ({
      host: victim.host,
      port: victim.port,
      datagram: wire.withId(best.request, randomBytes(20))
    }))
    const { done } = await forge(target, 2000, forged)
    await done
    await sleep(500)
    const perSecond = victim.receivedBytes / 2
    victim.close()
    return `${
      factors.filter(({ received }) => received > 0)
        .map(({ name, received, sent }) => `${name} ${sent} -> ${received} bytes (${number(received / sent)}x)`).join(
          ", "
        )
    }. Forged at 2,000/s (${number(2000 * best.request.length / 1e6)} MB/s): ${
      number(perSecond / 1e6)
    } MB/s reach the address that never asked`
  })

/** Strangers that a table of nodes takes at their word. */
const fillTable = async (target: Target): Promise<void> => {
  const nodes = Array.from(strangers(2000, (sender) => target.wire.request("ping", randomBytes(20), sender)))
  await (await forge(target, 4000, nodes)).done
  await sleep(300)
}

/** A handler that throws. */
export const dying = (name: Target["name"]): Promise<string> =>
  withTarget(name, async (target) => {
    const attacker = await Attacker.bind("127.0.5.1")
    attacker.send(target.wire.request("dies", randomBytes(20)), target)
    const answer = await attacker.next(1500)
    attacker.close()
    const alive = target.died === undefined && await answers(target)
    const leak = answer !== undefined && answer.includes("secret") ? ", with the handler's text" : ""
    return `${answer === undefined ? "no answer" : `answered (${answer.length} bytes${leak})`}, ${logged(target)}, ` +
      (alive ? "the node lives" : "the node is gone")
  })

/** Requests to a handler that never answers, each of its own id. */
export const neverAnswering = (name: Target["name"]): Promise<string> =>
  withTarget(name, async (target) => {
    const before = (await target.stats())!
    const { done } = await flood(target, "127.0.5.1", "never", 5000, 4)
    const { refusals } = await done
    const after = await target.stats()
    await sleep(6000)
    const later = await target.stats()
    return `${after?.running.toLocaleString("en")} run, ${later?.running.toLocaleString("en")} after 6 s more, ` +
      `${refusals.toLocaleString("en")} refused; ${memory(before, later)}${counted(before, later)}; it ${
        await answers(target) ? "answers others" : "answers NOBODY"
      }`
  })

/** What one kind of node alone invites: work put off, for as long as the stranger says. */
export const ownInvitations = (name: Target["name"]): Promise<string> =>
  withTarget(name, async (target) => {
    const delayed = target.wire.builtIn["delayed ping"]
    if (delayed === undefined) return "-"
    const before = (await target.stats())!
    await (await forge(target, 20_000, Array.from(strangers(100_000, () => delayed)))).done
    await sleep(200)
    const after = await target.stats()
    return `100,000 pings to be answered in 10 s: ${growth(before, after)}, ${memory(before, after)}`
  })
