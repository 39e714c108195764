/** Attacks on a node's own calls: answers from elsewhere, too late and too often, and calls that are given up. */
import { setTimeout as sleep } from "node:timers/promises"
import { answers, Attacker, forge } from "./Attacker.ts"
import type { Target } from "./Target.ts"
import { counted, growth, logged, memory, withTarget } from "./telling.ts"

/** Somebody else answers a call whose true answer comes a second later. */
export const forgedAnswer = (name: Target["name"]): Promise<string> =>
  withTarget(name, async (target) => {
    const knowing = {
      "another address": await raced(target, (request, _peer, send) =>
        send("127.0.6.2", target.wire.answer(request, "forged"))),
      "another port of the same address": await raced(target, (request, peer, send) =>
        send(peer.host, target.wire.answer(request, "forged")))
    }
    const took = Object.entries(knowing).filter(([, value]) =>
      value === "forged"
    ).map(([where]) =>
      where
    )
    const guessed = await raced(target, async (request, peer) => {
      const answer = target.wire.answer(request, "forged")
      const forged = Array.from({ length: 65_536 }, (_, n) => ({
        ...peer,
        datagram: target.wire.withId(answer, target.wire.guess(n))
      }))
      await (await forge(target, 60_000, forged)).done
    }, 3000)
    return `knowing the id: ${took.length === 0 ? "not taken" : `taken from ${took.join(" and ")}`}. ` +
      `65,536 guesses with the peer's address forged: ${guessed === "forged" ? "taken" : `not taken (${guessed})`}. ` +
      `One guess, after having been called once: ${await predicted(target)}`
  })

/** What a call of the node's gets whose true answer comes after this many milliseconds, or after the attack. */
const raced = async (
  target: Target,
  attack: (
    request: Buffer,
    peer: { readonly host: string; readonly port: number },
    send: (from: string, datagram: Buffer) => Promise<void>
  ) => Promise<void>,
  millis = 1000
): Promise<string> => {
  const peer = await Attacker.bind("127.0.6.1")
  const call = target.call(peer.host, peer.port)
  const request = await peer.next(2000)
  if (request === undefined) return "no call"
  const send = async (from: string, datagram: Buffer) => {
    const other = await Attacker.bind(from)
    other.send(datagram, target)
    await sleep(100)
    other.close()
  }
  const attacking = attack(request, peer, send)
  await sleep(millis)
  await attacking
  peer.send(target.wire.answer(request, "true"), target)
  const ended = await call
  peer.close()
  return ended?.value ?? ended?.outcome ?? "no end"
}

/** The attacker is called, and from what it saw answers the node's next call, to somebody else, with one datagram. */
const predicted = async (target: Target): Promise<string> => {
  const { next } = target.wire
  if (next === undefined) return "the id cannot be told"
  const attacker = await Attacker.bind("127.0.6.3")
  const first = target.call(attacker.host, attacker.port)
  const seen = await attacker.next(2000)
  if (seen === undefined) return "no call"
  attacker.send(target.wire.answer(seen, "true"), target)
  await first
  attacker.close()
  const outcome = await raced(target, async (_request, peer) => {
    const datagram = target.wire.withId(target.wire.answer(seen, "forged"), next(seen))
    await (await forge(target, 100, [{ ...peer, datagram }])).done
  })
  return outcome === "forged" ? "taken" : "not taken"
}

/** An answer once the caller has given up, and one a hundred times. */
export const lateAndDuplicate = (name: Target["name"]): Promise<string> =>
  withTarget(name, async (target) => {
    const peer = await Attacker.bind("127.0.6.1")
    const late = target.call(peer.host, peer.port)
    const request = (await peer.next(2000))!
    const started = performance.now()
    const ended = await late
    const seconds = (performance.now() - started) / 1000
    const before = target.logBytes
    peer.send(target.wire.answer(request, "late"), target)
    await sleep(300)
    const lateLog = target.logBytes - before
    const often = target.call(peer.host, peer.port)
    const again = (await peer.next(2000))!
    for (let i = 0; i < 100; i++) peer.send(target.wire.answer(again, `${i}`), target)
    const value = (await often)?.value
    await sleep(300)
    const alive = target.died === undefined && await answers(target)
    peer.close()
    return `no answer: \`${ended?.value ?? ended?.outcome}\` after ${seconds.toFixed(1)} s; the late one is dropped` +
      `${lateLog > 0 ? `, ${lateLog} bytes logged` : ""}. 100 answers: the first counts` +
      `${value === "0" ? "" : ` (NOT: ${value})`}, ${logged(target)}${alive ? "" : "; the node is GONE"}`
  })

/** Ten thousand calls that nobody waits for any more. Half of those that were cancelled are answered afterwards. */
export const givenUp = (name: Target["name"]): Promise<string> =>
  withTarget(name, async (target) => {
    const told: Array<string> = []
    for (const how of target.name === "dht-rpc" ? ["cancel", "drop"] as const : ["cancel"] as const) {
      const peer = await Attacker.bind("127.0.6.1")
      const before = (await target.stats())!
      let calls = 0
      peer.onDatagram = (request) => {
        if (how === "cancel" && ++calls % 2 === 0) peer.send(target.wire.answer(request, "too late"), target)
      }
      await target.abandon(how, peer.host, peer.port, 10_000)
      await sleep(500)
      const at = (await target.stats())!
      await sleep(8000)
      const after = await target.stats()
      const asked = performance.now()
      const victim = await Attacker.bind("127.0.6.4")
      victim.onDatagram = (request) => victim.send(target.wire.answer(request, "true"), target)
      const own = await target.call(victim.host, victim.port)
      const ownMillis = performance.now() - asked
      victim.close()
      peer.close()
      told.push(
        `${how === "cancel" ? "cancelled" : "not awaited"}: left at once ${growth(before, at)}; after 8 s ${
          growth(before, after)
        }, ${memory(before, after)}, ${logged(target)}; its next call: ${
          own === undefined ? "no end within 30 s" : `${own.value ?? own.outcome} after ${Math.round(ownMillis)} ms`
        }${counted(before, after)}`
      )
    }
    return told.join(". ")
  })
