/** Suites that need more of a machine than Node. What is missing is never installed here. */
import { describe } from "@effect/vitest"

/** A suite. Where what it needs is missing it is skipped, and its name and a line on stderr say what to install. */
export const suite = (title: string, met: boolean, needs: string) => (tests: () => void): void => {
  if (met) return void describe(title, tests)
  const name = `${title}: skipped, for it needs ${needs}`
  // Vitest's default reporter shows no name of a suite that is skipped.
  process.stderr.write(`${name}\n`)
  describe.skip(name, tests)
}

/** Debian's names of packages come first, for they are what one types. */
export const uMsgpack = "u-msgpack for Python 3 (Debian: python3-u-msgpack; pip: u-msgpack-python)"
export const chromium = "Chromium (Debian: chromium)"
export const tshark = "tshark 4.0 or later (Debian: tshark)"
export const script = "script of util-linux (Debian: bsdutils)"
export const link = "root, network namespaces, ip (Debian: iproute2) and nft (Debian: nftables)"
export const addon = "the addon of packages/native (npm run build:native; Debian: g++, make, python3)"
export const compiler = "a C compiler (Debian: gcc)"
export const namespace = "root, network namespaces and ip (Debian: iproute2)"
export const postgres = "PostgreSQL (Debian: postgresql)"
export const multicast = "an interface with IP multicast (ip link set eth0 multicast on)"
export const prometheus = "prometheus and promtool (Debian: prometheus)"
export const chacha = "ChaCha20-Poly1305 in node:crypto (Node and Deno have it, Bun does not)"
