/** What fuzzing has found worth keeping, and each datagram that an audit has broken a node with, once more. */
import { describe, expect, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import * as Node from "../../fuzz/targets/node.ts"
import * as Schemas from "../../fuzz/targets/schemas.ts"
import * as Sealed from "../../fuzz/targets/sealed.ts"
import type { Target } from "../../fuzz/targets/target.ts"
import * as Unpack from "../../fuzz/targets/unpack.ts"

const targets: Readonly<Record<string, Target>> = { node: Node, schemas: Schemas, sealed: Sealed, unpack: Unpack }

const folder = new URL("../../fuzz/", import.meta.url)

const filesOf = (path: string): ReadonlyArray<readonly [name: string, data: Uint8Array]> =>
  readdirSync(new URL(path, folder)).map((file) => {
    const name = `${path}/${file}`
    return [name, readFileSync(new URL(name, folder))]
  })

const broken = (target: Target, data: Uint8Array): unknown => {
  try {
    target.fuzz(data)
    return undefined
  } catch (cause) {
    return cause
  }
}

describe("no input of the corpus breaks a law", () => {
  for (const [name, target] of Object.entries(targets)) {
    it(name, () => {
      const files = [...filesOf(`corpus/${name}`), ...filesOf("regressions")]
      expect(files.filter(([, data]) => broken(target, data) !== undefined).map(([file]) => file)).toStrictEqual([])
    })
  }

  it("each target has a test", () => {
    expect(readdirSync(new URL("corpus", folder)).sort()).toStrictEqual(Object.keys(targets).sort())
  })
})
