/** What a row says of two readings of a node's metrics. */
import { describe, expect, it } from "@effect/vitest"
import { isOurs, parse, rowOf } from "../src/rates.ts"

const reading = (counts: Readonly<Record<string, number>>) =>
  parse(["# TYPE x counter", ...Object.entries(counts).map(([series, value]) => `${series} ${value}`)].join("\n"))

const cellsOf = (row: string) => row.trim().split(/  +/)

const duration = `rpc_server_call_duration`
const poke = `{rpc_system_name="rpcudp",rpc_method="test/Greeter/poke",rpc_status_code="success"}`
const lookup = `{rpc_system_name="rpcudp",rpc_method="test/Greeter/lookup",rpc_status_code="error",error_type="error"}`

describe("a row", () => {
  it("has what was counted, a second, and what runs and waits now", () => {
    const before = reading({
      [`rpcudp_requests_total{outcome="success"}`]: 100,
      [`rpcudp_requests_total{outcome="error"}`]: 5,
      [`rpcudp_calls_total{outcome="success"}`]: 0,
      rpcudp_datagrams_received_total: 10,
      rpcudp_datagrams_sent_total: 10,
      [`${duration}_sum${poke}`]: 1,
      [`${duration}_count${poke}`]: 100,
      [`${duration}_bucket{le="+Inf"}`]: 100
    })
    const after = reading({
      [`rpcudp_requests_total{outcome="success"}`]: 300,
      [`rpcudp_requests_total{outcome="error"}`]: 6,
      [`rpcudp_calls_total{outcome="success"}`]: 60,
      [`rpcudp_calls_total{outcome="no_response"}`]: 40,
      [`rpcudp_datagrams_dropped_total{reason="TooShort"}`]: 3,
      rpcudp_datagrams_received_total: 610,
      rpcudp_datagrams_sent_total: 410,
      // Of OpenMetrics.
      rpcudp_datagrams_sent_total_created: 1_700_000_000,
      rpcudp_requests_in_flight: 7,
      rpcudp_calls_in_flight: 8,
      [`${duration}_sum${poke}`]: 1.3,
      [`${duration}_count${poke}`]: 250,
      [`${duration}_sum${lookup}`]: 0.1,
      [`${duration}_count${lookup}`]: 50,
      [`${duration}_bucket{le="+Inf"}`]: 400
    })
    const cells = cellsOf(rowOf(before, after, 2))
    expect(cells.slice(0, 11)).toEqual(["101", "0.5", "2.00", "7", "50", "20", "-", "8", "300", "200", "1.5"])
    expect(cells.slice(11)).toEqual(["requests: error 0.5", "calls: no_response 20", "dropped: TooShort 1.5"])
  })

  it("counts from 0 again where the process has begun anew", () => {
    const series = `rpcudp_requests_total{outcome="success"}`
    expect(cellsOf(rowOf(reading({ [series]: 1000 }), reading({ [series]: 30 }), 1))[0]).toBe("30")
  })

  it("says nothing in words where nothing fails", () => {
    const [before, after] = [0, 9].map((count) => reading({ [`rpcudp_requests_total{outcome="success"}`]: count }))
    expect(cellsOf(rowOf(before!, after!, 1))).toEqual(["9.0", "0", "-", "0", "0", "0", "-", "0", "0", "0", "0"])
  })

  it("is made of this library's metrics alone", () => {
    expect([reading({ rpcudp_requests_in_flight: 0 }), reading({ go_goroutines: 1 })].map(isOurs)).toEqual([
      true,
      false
    ])
  })
})
