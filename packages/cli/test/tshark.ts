/** What Wireshark makes of packets with our dissector, by way of tshark. */
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Packet } from "./pcap.ts"
import { pcap } from "./pcap.ts"

const dissector = fileURLToPath(new URL("../wireshark/rpcudp.lua", import.meta.url))

export const isThere = spawnSync("tshark", ["--version"], { encoding: "utf8" }).status === 0

/** The values of these fields in each packet, in their order. */
export const dissect = (
  packets: ReadonlyArray<Packet>,
  fields: ReadonlyArray<string>,
  ...options: ReadonlyArray<string>
): ReadonlyArray<Readonly<Record<string, ReadonlyArray<string>>>> => {
  const folder = mkdtempSync(join(tmpdir(), "rpcudp-"))
  try {
    const file = join(folder, "capture.pcap")
    writeFileSync(file, pcap(packets))
    return show(file, fields, options)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const show = (file: string, fields: ReadonlyArray<string>, options: ReadonlyArray<string>) => {
  // Twice through the capture, as Wireshark goes: only then is it known what was never answered.
  const args = [
    "-2",
    "-n",
    "-r",
    file,
    "-X",
    `lua_script:${dissector}`,
    ...options,
    "-T",
    "fields",
    "-E",
    "aggregator=\u0001"
  ]
  const { error, status, stderr, stdout } = spawnSync(
    "tshark",
    [...args, ...fields.flatMap((field) => ["-e", field])],
    {
      encoding: "utf8",
      env: { ...process.env, TZ: "UTC" },
      maxBuffer: 2 ** 28
    }
  )
  if (error !== undefined) throw error
  // It warns where it runs as root; whatever else it says is an error of the dissector.
  const complaints = stderr.replace(/^Running as user "root".*\n/m, "")
  if (status !== 0 || complaints !== "") throw new Error(`tshark ended with ${status}: ${complaints}`)
  return stdout.trimEnd().split("\n").map((line) => {
    const columns = line.split("\t")
    return Object.fromEntries(
      fields.map((field, i) => [field, (columns[i] ?? "") === "" ? [] : columns[i]!.split("\u0001")])
    )
  })
}
