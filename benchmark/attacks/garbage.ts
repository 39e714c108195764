/** Bytes that no peer sends. A node that is gone, or hangs, is started again for the next. */
import { randomBytes } from "node:crypto"
import { setTimeout as sleep } from "node:timers/promises"
import { answers, Attacker, forge } from "./Attacker.ts"
import { Target } from "./Target.ts"
import { lastWords, number } from "./telling.ts"

const copies = 100

/** How long a node may be busy with what came before it counts as hung. */
const patienceMillis = 15_000

/** What became of the node, and what it cost. */
interface Verdict {
  readonly name: string
  readonly bytes: number
  readonly end: string | undefined
  /** How long nobody else was answered. Infinite where that did not end while we waited. */
  readonly busyMillis: number
  readonly answers: number
  readonly refusals: number
  readonly cpuMillis: number
  readonly logBytes: number
}

export const garbage = async (name: Target["name"]): Promise<string> => {
  let target = await Target.start(name)
  const verdicts: Array<Verdict> = []
  // A node's first datagrams warm it up: they would be charged with that.
  for (let i = 0; i < 20; i++) await answers(target)
  for (const [what, datagram] of target.wire.garbage) {
    const attacker = await Attacker.bind("127.0.5.1")
    const before = { logBytes: target.logBytes, cpu: target.usage().cpuSeconds }
    for (let i = 0; i < copies; i++) {
      attacker.send(datagram, target)
      // Longer ones than the receive buffer holds at once.
      if (datagram.length > 10_000 || i % 20 === 19) await sleep(10)
    }
    await sleep(300)
    const busyMillis = await untilAnswered(target)
    const verdict: Verdict = {
      name: what,
      bytes: datagram.length,
      end: target.died === undefined ? undefined : `${target.died}, ${lastWords(target)}`,
      busyMillis,
      answers: attacker.received.filter((answer) => !target.wire.isRefusal(answer)).length,
      refusals: attacker.received.filter(target.wire.isRefusal).length,
      cpuMillis: 1000 * (target.usage().cpuSeconds - before.cpu) / copies,
      logBytes: (target.logBytes - before.logBytes) / copies
    }
    verdicts.push(verdict)
    attacker.close()
    if (process.env["ATTACKS_VERBOSE"] !== undefined) console.error(name, verdict)
    if (busyMillis < Infinity) continue
    // Nothing that hangs may go on growing.
    await target.stop()
    target = await Target.start(name)
  }
  const forgedTold = await forgedSources(target)
  await target.stop()
  return tell(verdicts) + forgedTold
}

const untilAnswered = async (target: Target): Promise<number> => {
  const started = performance.now()
  while (target.died === undefined && performance.now() - started < patienceMillis) {
    if (await answers(target)) return performance.now() - started
  }
  return Infinity
}

const tell = (verdicts: ReadonlyArray<Verdict>): string => {
  const dead = verdicts.filter(({ end }) => end !== undefined)
  const hung = verdicts.filter(({ busyMillis, end }) => end === undefined && busyMillis === Infinity)
  const busy = verdicts.filter(({ busyMillis }) => busyMillis > 500 && busyMillis < Infinity)
  const answered = verdicts.filter(({ answers }) => answers > 0)
  const refused = verdicts.filter(({ refusals }) => refusals > 0)
  const dearest = verdicts.filter(({ cpuMillis }) => Number.isFinite(cpuMillis))
    .reduce((most, next) => next.cpuMillis > most.cpuMillis ? next : most)
  const loudest = verdicts.reduce((most, next) => next.logBytes > most.logBytes ? next : most)
  const list = (of: ReadonlyArray<Verdict>, more: (verdict: Verdict) => string = () => "") =>
    of.map((verdict) => `${verdict.name}${more(verdict)}`).join("; ")
  return `${verdicts.length} kinds, each ${copies} times. ` +
    (dead.length === 0 ? "Died of none. " : `**Died of: ${list(dead, ({ end }) => ` (${end})`)}**. `) +
    (hung.length === 0 ? "" : `**Answered nobody any more after: ${list(hung)}**. `) +
    (busy.length === 0
      ? ""
      : `Answered nobody for a while after: ${list(busy, ({ busyMillis }) => ` (${number(busyMillis / 1000)} s)`)}. `) +
    `Answered ${answered.length}${answered.length === 0 ? "" : ` (${list(answered)})`}, refused ${refused.length}${
      refused.length === 0 ? "" : ` (${list(refused)})`
    }. Dearest: ${dearest.name}, ${dearest.cpuMillis.toFixed(2)} ms of CPU each. Log: ${
      loudest.logBytes < 1
        ? "nothing"
        : `up to ${Math.round(loudest.logBytes).toLocaleString("en")} bytes each (${loudest.name})`
    }`
}

/** A source port of 0, and the node's own address as the sender. */
const forgedSources = async (target: Target): Promise<string> => {
  const request = target.wire.request("ping", randomBytes(20))
  const runs = async () => (await target.stats())?.runs["ping"] ?? Number.NaN
  const before = await runs()
  await (await forge(target, 1000, [{ host: "127.0.5.1", port: 0, datagram: request }])).done
  await sleep(300)
  const fromZero = await runs() - before
  const idle = target.usage().cpuSeconds
  const own = Array.from({ length: 100 }, () => ({
    host: "127.0.0.1",
    port: target.port,
    datagram: target.wire.withId(request, randomBytes(20))
  }))
  await (await forge(target, 1000, own)).done
  await sleep(2000)
  const cpu = target.usage().cpuSeconds - idle
  const fromItself = await runs() - before - fromZero
  return `. Source port 0: the handler ran ${fromZero} time(s). Its own address as the sender of 100: ran ${fromItself} ` +
    `times, ${number(1000 * cpu)} ms of CPU in the next 2 s, so ${cpu > 1 ? "IT LOOPS" : "no loop"}; it ${
      await answers(target) ? "lives" : "answers NOBODY"
    }`
}
