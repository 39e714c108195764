/** Each kind of value by its name, as JavaScript has it. `peer.py` knows them by the same names, as Python has them. */

/** An object as it arrives: without a prototype. */
const dict = (entries: Record<string, unknown>): object =>
  Object.setPrototypeOf(Object.fromEntries(Object.entries(entries)), null)

const utf8 = (text: string): Uint8Array => new Uint8Array(new TextEncoder().encode(text))

const range = (length: number): ReadonlyArray<number> => Array.from({ length }, (_, i) => i)

const date = (iso: string): Date => new Date(iso)

export const values: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ["nil", null],
  ["true", true],
  ["false", false],
  ["0", 0],
  ["127", 127],
  ["128", 128],
  ["255", 255],
  ["256", 256],
  ["2**16 - 1", 2 ** 16 - 1],
  ["2**16", 2 ** 16],
  ["2**32 - 1", 2 ** 32 - 1],
  ["2**32", 2 ** 32],
  ["2**53 - 1", 2 ** 53 - 1],
  ["2**53", 2 ** 53],
  ["2**53 + 1", 2n ** 53n + 1n],
  ["2**63 - 1", 2n ** 63n - 1n],
  ["2**63", 2n ** 63n],
  ["2**64 - 1", 2n ** 64n - 1n],
  ["-1", -1],
  ["-32", -32],
  ["-33", -33],
  ["-128", -128],
  ["-129", -129],
  ["-2**15", -(2 ** 15)],
  ["-2**15 - 1", -(2 ** 15) - 1],
  ["-2**31", -(2 ** 31)],
  ["-2**31 - 1", -(2 ** 31) - 1],
  ["-2**53", -(2 ** 53)],
  ["-2**53 - 1", -(2n ** 53n) - 1n],
  ["-2**63", -(2n ** 63n)],
  ["0.5", 0.5],
  ["-1.5", -1.5],
  ["pi", Math.PI],
  ["greatest float", Number.MAX_VALUE],
  ["least float", Number.MIN_VALUE],
  ["infinity", Infinity],
  ["-infinity", -Infinity],
  ["nan", NaN],
  ["empty text", ""],
  ["text", "abc"],
  ["text of 31", "x".repeat(31)],
  ["text of 32", "x".repeat(32)],
  ["text of 255", "x".repeat(255)],
  ["text of 256", "x".repeat(256)],
  ["text of 5000", "x".repeat(5000)],
  ["unicode", "Grüße, 世界 🐍 e\u0301 \u0000 \ufeff \u2028"],
  ["empty bytes", new Uint8Array()],
  ["bytes", utf8("abc")],
  ["bytes that are no text", Uint8Array.from(range(256))],
  ["bytes of 5000", new Uint8Array(5000).fill(255)],
  ["empty list", []],
  ["list of 15", range(15)],
  ["list of 16", range(16)],
  ["list of kinds", [null, true, 1, 0.5, "a", utf8("a"), [[]], dict({})]],
  ["nested lists", [1, [2, [3, [4, [5, [6, [7, [8, ["deep"]]]]]]]]]],
  ["empty dict", dict({})],
  ["dict", dict({ a: 1, b: dict({ c: [null, dict({ d: 0.5 })] }) })],
  ["dict of 16", dict(Object.fromEntries(range(16).map((i) => [`key ${i}`, i])))],
  ["names that mean something elsewhere", dict({ ["__proto__"]: 1, constructor: 2, toString: 3, "": 4 })],
  ["dict with int keys", new Map<unknown, unknown>([[1, "one"], [-2, "two"], [2n ** 64n - 1n, "many"]])],
  [
    "dict with bytes keys",
    new Map<unknown, unknown>([[utf8("k"), utf8("v")], [utf8(""), utf8("")], [Uint8Array.of(255, 0), 1]])
  ],
  ["dict with text and bytes of one spelling", new Map<unknown, unknown>([["k", "text"], [utf8("k"), "bytes"]])],
  ["dict with odd keys", new Map<unknown, unknown>([[null, 0], [true, 1], [0.5, 2], ["5", 3], [5, 4]])],
  ["dict with tuple keys", new Map<unknown, unknown>([[[1, "a"], "x"], [[], "y"]])],
  ["dicts in lists in dicts", dict({ rows: [new Map([[1, new Map([[utf8("x"), [dict({ y: 2n ** 63n })]]])]])] })],
  ["timestamp 0", date("1970-01-01T00:00:00Z")],
  ["timestamp", date("2024-02-29T12:34:56Z")],
  ["timestamp with milliseconds", date("2024-02-29T12:34:56.789Z")],
  ["timestamp past 32 bits", date("2200-01-01T00:00:00Z")],
  ["timestamp past 32 bits with milliseconds", date("2200-01-01T00:00:00.001Z")],
  ["timestamp past 34 bits", date("9999-12-31T23:59:59.999Z")],
  ["timestamp before 1970", date("1969-12-31T23:59:59Z")],
  ["timestamp before 1970 with milliseconds", date("1969-12-31T23:59:58.500Z")],
  ["timestamp long before 1970", date("0001-01-01T00:00:00Z")]
])

/** What JavaScript cannot tell from an integer. */
export const lossy: ReadonlyMap<string, unknown> = new Map([["2.0", 2], ["-0.0", -0]])
