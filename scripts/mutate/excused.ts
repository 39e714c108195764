/** Mutants that no test catches, and why that is right. `npm run mutate` fails once one of them no longer exists or is caught. */
export interface Excused {
  readonly file: string
  /** The line where the mutant begins, without its indentation. */
  readonly code: string
  /** What the mutant replaces, and by what. */
  readonly original: string
  readonly replacement: string
  readonly reason: string
}

/** The mutants of files that are right for one reason: each a line of code, what is replaced in it, and by what. */
const of = (
  reason: string,
  files: Readonly<Record<string, ReadonlyArray<readonly [code: string, original: string, replacement: string]>>>
): ReadonlyArray<Excused> =>
  Object.entries(files).flatMap(([file, mutants]) =>
    mutants.map(([code, original, replacement]) => ({ file, code, original, replacement, reason }))
  )

/** The lines of metrics.ts that name labels: each an object's, which the compiler knows to have them all. */
const labels = [
  ...`success error no_response rejected oversize invalid_response socket_error too_many_calls interrupted
    unknown_method unserved invalid_arguments repeated overloaded throttled defect cancelled TooShort
    TooLong UnknownType Shape Truncated TrailingBytes TooDeep Extension InvalidUtf8 Reserved
    DuplicateKey UnhashableKey TooMany UnknownId ForeignSender PortZero Misaddressed NotSealed UnknownKey Stale
    Reflected Replayed Forged`
    .split(/\s+/u).map((name) => `${name}: true,`),
  "defect: true",
  "expired: true",
  "TooManySessions: true",
  "{ request: true, answer: true }",
  "{ sent: true, answered: true, proven: true, resumed: true }"
]

/** The line of unpack.ts that says where a key is kept, and other places for it. */
const slot =
  "const slot = (length * 31 + source[position + 1]! * 7 + last * 3 + source[position + (length >> 1)]!) & " +
  "(keySlots - 1)"
const sum = "length * 31 + source[position + 1]! * 7 + last * 3"
const slots = [
  [`${sum} + source[position + (length >> 1)]!`, `${sum} - source[position + (length >> 1)]!`],
  [sum, "length * 31 + source[position + 1]! * 7 - last * 3"],
  ["length * 31 + source[position + 1]! * 7", "length * 31 - source[position + 1]! * 7"],
  ["length * 31", "length / 31"],
  ["source[position + 1]! * 7", "source[position + 1]! / 7"],
  ["position + 1", "position - 1"],
  ["last * 3", "last / 3"],
  ["position + (length >> 1)", "position - (length >> 1)"],
  ["keySlots - 1", "keySlots + 1"]
] as const

export const excused: ReadonlyArray<Excused> = [
  ...of("the compiler alone asks", {
    "src/internal/recentMap.ts": [
      ["if (oldest !== undefined) this.#newer.delete(oldest)", "oldest !== undefined", "true"]
    ],
    "src/internal/slots.ts": [
      [
        "while (before !== undefined && before.nextInSlot !== thing) before = before.nextInSlot",
        "before !== undefined",
        "true"
      ],
      ["if (before !== undefined) before.nextInSlot = thing.nextInSlot", "before !== undefined", "true"]
    ],
    "src/internal/socket/effect.ts": [
      ["if (waiting !== undefined && writes.delete(waiting)) bytes -= datagram.length", "waiting !== undefined", "true"]
    ],
    "src/testing/nat.ts": [
      [
        "if (mapping === undefined || sentAt === undefined || now - sentAt >= this.#timeout) return undefined",
        "mapping === undefined",
        "false"
      ]
    ],
    "src/internal/time/deadlines.ts": [
      ["return this.#heap[0]?.first?.due", "this.#heap[0]?.first?.due", "this.#heap[0]?.first.due"],
      ["if (last === undefined || last === queue) return", "last === undefined", "false"]
    ],
    "src/internal/wire/unpack.ts": [
      [
        "if (codes === undefined) return latin1Slice?.call(source, start, position)",
        "latin1Slice?.call",
        "latin1Slice.call"
      ]
    ],
    "src/internal/wire/pack.ts": [
      ["walk.refusal?.path.unshift(key)", "walk.refusal?.path", "walk.refusal.path"]
    ],
    "src/internal/serving/replies.ts": [
      ["if (Result.isSuccess(encoded)) this.send(encoded.success, asked, at)", "Result.isSuccess(encoded)", "true"],
      ["if (Result.isFailure(encoded)) return", "Result.isFailure(encoded)", "false"]
    ],
    "src/internal/serving/suspended.ts": [
      ["if (share === undefined) return", "share === undefined", "false"]
    ],
    "src/internal/socket/errors.ts": [
      [
        "const to = this.address === undefined ? \"\" : ` to ${NetAddress.formatInet(this.address)}`",
        "this.address === undefined",
        "false"
      ],
      [
        "const to = this.address === undefined ? \"\" : ` to ${NetAddress.formatInet(this.address)}`",
        "\"\"",
        "\"Stryker was here!\""
      ]
    ],
    "src/internal/socket/network.ts": [
      ["const [high = \"0\", low = \"0\"] = groups.slice(6)", "\"0\"", "\"\""],
      ["const [head = \"\", tail] = host.split(\"::\")", "\"\"", "\"Stryker was here!\""]
    ],
    "src/internal/serving/handling.ts": [
      ["if (running === undefined || request.abandoned !== undefined) return false", "running === undefined", "false"]
    ],
    "src/internal/calling/caller.ts": [
      [
        "const encoded = Codec.encodeRequest(noId, method, Array.isArray(args) ? args : [])",
        "[]",
        "[\"Stryker was here\"]"
      ]
    ],
    "src/internal/calling/retransmission.ts": [
      [
        "if (retransmission.step !== undefined) this.#next(retransmission, retransmission.step)",
        "retransmission.step !== undefined",
        "true"
      ]
    ],
    "src/internal/calling/peers.ts": [
      [
        "return reason === undefined ? Effect.failCause(cause) : Effect.fail(reason.error)",
        "reason === undefined",
        "false"
      ]
    ],
    "src/Codec.ts": [
      [
        "return typeof detail === \"number\" && Number.isSafeInteger(detail) && detail > maxBodyBytes",
        "typeof detail === \"number\"",
        "true"
      ]
    ]
  }),
  ...of("either is right where both are equal", {
    "src/internal/wire/packSmall.ts": [
      [
        "const pool = free === undefined || free.bytes.length - free.used < reserve + mostBytes ? emptyPool() : free",
        "free.bytes.length - free.used < reserve + mostBytes",
        "free.bytes.length - free.used <= reserve + mostBytes"
      ],
      ["if (end - offset < 3) return notSmall", "end - offset < 3", "end - offset <= 3"],
      ["bytes[offset] = value + 0x100", "value + 0x100", "value - 0x100"]
    ],
    "src/internal/wire/mapKeys.ts": [
      [
        "Math.abs(number) > 2 ** 53 && Math.abs(number) < 2 ** 64 ? BigInt(number) : number",
        "Math.abs(number) > 2 ** 53",
        "Math.abs(number) >= 2 ** 53"
      ],
      [
        "Math.abs(number) > 2 ** 53 && Math.abs(number) < 2 ** 64 ? BigInt(number) : number",
        "Math.abs(number) < 2 ** 64",
        "Math.abs(number) <= 2 ** 64"
      ]
    ],
    "src/internal/wire/pack.ts": [
      ["if (token < 0xa0) return 0", "token < 0xa0", "token <= 0xa0"],
      ["if (token < 0xc0) return token & 0x1f", "token < 0xc0", "token <= 0xc0"]
    ],
    "src/internal/wire/unpack.ts": [
      ["walk.deepest = depth < maxDepth ? depth : maxDepth", "depth < maxDepth", "depth <= maxDepth"]
    ],
    "src/internal/serving/senders.ts": [
      ["if (credit > known.credit) {", "credit > known.credit", "credit >= known.credit"]
    ],
    "src/internal/sealing/seal.ts": [
      [
        "if (known === undefined && (age + 1) * Now.millisecond > now - ownSessions.forgottenUntil) return \"Stale\"",
        "(age + 1) * Now.millisecond > now - ownSessions.forgottenUntil",
        "(age + 1) * Now.millisecond >= now - ownSessions.forgottenUntil"
      ]
    ],
    "src/internal/time/agenda.ts": [
      ["if (ticks[child]! >= last) break", "ticks[child]! >= last", "ticks[child]! > last"],
      [
        "if (child + 1 < ticks.length && ticks[child + 1]! < ticks[child]!) child++",
        "ticks[child + 1]! < ticks[child]!",
        "ticks[child + 1]! <= ticks[child]!"
      ],
      ["if (ticks[parent]! <= tick) break", "ticks[parent]! <= tick", "ticks[parent]! < tick"]
    ],
    "src/internal/time/deadlines.ts": [
      [
        "if (child === undefined || dueOf(queue) <= dueOf(child)) return",
        "dueOf(queue) <= dueOf(child)",
        "dueOf(queue) < dueOf(child)"
      ],
      [
        "const child = right !== undefined && dueOf(right) < dueOf(left!) ? right : left",
        "dueOf(right) < dueOf(left!)",
        "dueOf(right) <= dueOf(left!)"
      ],
      ["if (dueOf(parent) <= dueOf(queue)) return", "dueOf(parent) <= dueOf(queue)", "dueOf(parent) < dueOf(queue)"]
    ],
    "src/internal/deadline.ts": [
      ["return Duration.nanos(left > 0n ? left : 0n)", "left > 0n", "left >= 0n"]
    ]
  }),
  ...of("what is counted too high is read to find out, which takes time alone", {
    "src/internal/wire/pack.ts": [
      ["const walk: Walk = { wide: false, heap: 0, keyPairs: 0, places: 0, refusal: undefined }", "false", "true"],
      ["if (walk.wide) unsign(bytes, reserve)", "walk.wide", "true"],
      [
        "const rich = walk.heap > (maxHeapPerByte - maxLeafHeapPerByte) * bytes.length || walk.keyPairs > maxKeyPairs ||",
        "walk.heap > (maxHeapPerByte - maxLeafHeapPerByte) * bytes.length",
        "walk.heap >= (maxHeapPerByte - maxLeafHeapPerByte) * bytes.length"
      ],
      [
        "const rich = walk.heap > (maxHeapPerByte - maxLeafHeapPerByte) * bytes.length || walk.keyPairs > maxKeyPairs ||",
        "walk.keyPairs > maxKeyPairs",
        "walk.keyPairs >= maxKeyPairs"
      ],
      ["8 * walk.places > maxIndexHeap", "8 * walk.places > maxIndexHeap", "8 * walk.places >= maxIndexHeap"],
      ["let indices = false", "false", "true"],
      ["if (isIndex(key)) {", "isIndex(key)", "true"],
      ["if (isIndex(key)) greatest = Math.max(greatest, placesFor(key))", "isIndex(key)", "true"],
      ["else if (!others) {", "!others", "true"],
      ["walk.keyPairs += map.size * (map.size - 1) / 2", "map.size - 1", "map.size + 1"],
      [
        "walk.heap += objectHeap(map.size) + (indices ? indicesHeap(map.size) + lateIndicesHeap : 0)",
        "indicesHeap(map.size) + lateIndicesHeap",
        "indicesHeap(map.size) - lateIndicesHeap"
      ]
    ]
  }),
  ...of("what is not done here is done by the way that serves all, which takes time alone", {
    "src/testing/nat.ts": [
      ["if (this.#boxes.size === 0) return undefined", "this.#boxes.size === 0", "false"],
      ["if (this.#boxes.size === 0) return to", "this.#boxes.size === 0", "false"]
    ],
    "src/internal/socket/node.ts": [
      [
        "if (this.#turns.gathers) this.#turns.send(() => this.#sendNow(datagram, host, port, onFailure))",
        "this.#turns.gathers",
        "true"
      ]
    ],
    "src/internal/socket/turns.ts": [
      ["if (waiting === 1) setImmediate(this.#handOver)", "waiting === 1", "true"]
    ],
    "src/internal/wire/pack.ts": [
      ["if (small !== undefined) return small", "small !== undefined", "false"]
    ],
    "src/internal/wire/packSmall.ts": [
      [
        "const pool = free === undefined || free.bytes.length - free.used < reserve + mostBytes ? emptyPool() : free",
        "free === undefined || free.bytes.length - free.used < reserve + mostBytes",
        "true"
      ],
      [
        "const pool = free === undefined || free.bytes.length - free.used < reserve + mostBytes ? emptyPool() : free",
        "free.bytes.length - free.used < reserve + mostBytes",
        "free.bytes.length - free.used >= reserve + mostBytes"
      ],
      ["const notSmall = -1", "-1", "+1"]
    ],
    "src/internal/wire/unpack.ts": [
      [
        "const text = (length <= mostAscii ? readAscii(walk, start) : undefined) ?? decodeUtf8(walk, start)",
        "length <= mostAscii",
        "true"
      ],
      [
        "const text = (length <= mostAscii ? readAscii(walk, start) : undefined) ?? decodeUtf8(walk, start)",
        "length <= mostAscii",
        "length < mostAscii"
      ],
      ["for (let i = start; i < position; i++) {", "i < position", "i <= position"],
      [
        "const latin1Slice: ((this: Uint8Array, start: number, end: number) => string) | undefined = typeof Buffer === \"function\"",
        "typeof Buffer === \"function\"",
        "true"
      ],
      [
        "const latin1Slice: ((this: Uint8Array, start: number, end: number) => string) | undefined = typeof Buffer === \"function\"",
        "typeof Buffer === \"function\"",
        "false"
      ],
      [
        "const latin1Slice: ((this: Uint8Array, start: number, end: number) => string) | undefined = typeof Buffer === \"function\"",
        "typeof Buffer === \"function\"",
        "typeof Buffer !== \"function\""
      ],
      [
        "const latin1Slice: ((this: Uint8Array, start: number, end: number) => string) | undefined = typeof Buffer === \"function\"",
        "\"function\"",
        "\"\""
      ],
      ["? Reflect.get(Buffer.prototype, \"latin1Slice\")", "\"latin1Slice\"", "\"\""]
    ]
  }),
  ...of("undefined is no finite number either", {
    "src/internal/reflection.ts": [["onFailure: () => Infinity,", "() => Infinity", "() => undefined"]]
  }),
  ...of("it saves time alone", {
    "src/internal/wire/pack.ts": [
      [
        "return copy ?? (value.constructor === Array ? value : Array.from(value))",
        "value.constructor === Array",
        "false"
      ]
    ],
    "src/internal/wire/unpack.ts": [
      ["if (!indices) hashIndices(object)", "!indices", "true"],
      ["const array = new Array<unknown>(length)", "new Array<unknown>(length)", "new Array()"]
    ],
    "src/internal/sealing/session.ts": [
      [
        "for (let word = Math.max(from + 1, to - this.#seen.length + 1); word <= to; word++) {",
        "to - this.#seen.length + 1",
        "to - this.#seen.length - 1"
      ],
      ["if (this.#sessions.size === 0) this.#occupied.set(this.#name, this)", "this.#sessions.size === 0", "true"]
    ],
    "src/internal/serving/handling.ts": [
      ["if (isDone(handler)) return this.#encode(request, handler)", "isDone(handler)", "false"],
      ["if (isDone(effect)) return next(request, effect)", "isDone(effect)", "false"]
    ],
    "src/internal/serving/senders.ts": [
      ["if (budget.seen !== this.#noted) {", "budget.seen !== this.#noted", "true"]
    ],
    "src/internal/serving/suspended.ts": [
      ["if (this.#all.requests === 0) return least(this.#all.room, this.#fresh)", "this.#all.requests === 0", "false"],
      ["if (this.#all.requests === 0) return undefined", "this.#all.requests === 0", "false"]
    ],
    "src/internal/socket/node.ts": [
      [
        "if (onFailure === undefined) return this.#socket.send(datagram, port, host)",
        "onFailure === undefined",
        "false"
      ]
    ],
    "src/internal/socket/nodePeer.ts": [
      ["if (peer === undefined) {", "peer === undefined", "true"],
      [
        "if (last !== undefined && last.port === port && last.nativeHost === host) return last",
        "last !== undefined && last.port === port && last.nativeHost === host",
        "false"
      ],
      [
        "if (that instanceof NodePeer && this.nativeHost === that.nativeHost) return this.port === that.port",
        "that instanceof NodePeer && this.nativeHost === that.nativeHost",
        "false"
      ]
    ],
    "src/internal/watching/series.ts": [
      ["if (known === undefined) this.#size++", "known === undefined", "true"]
    ],
    "src/internal/watching/logs.ts": [
      [
        "if (LogLevel.isGreaterThan(Context.get(context, References.MinimumLogLevel), \"Debug\")) return () => {}",
        "LogLevel.isGreaterThan(Context.get(context, References.MinimumLogLevel), \"Debug\")",
        "false"
      ]
    ],
    "src/internal/schema/wireSchema.ts": [
      [
        "if (encoding.every((link) => native(link.to) === link.to)) return encoding",
        "(link) => native(link.to) === link.to",
        "() => undefined"
      ],
      [
        "if (encoding.every((link) => native(link.to) === link.to)) return encoding",
        "encoding.every((link) => native(link.to) === link.to)",
        "false"
      ],
      ["return encoding === ast.encoding ? ast : withEncoding(ast, encoding)", "encoding === ast.encoding", "false"],
      [
        "if (encoding.every((link) => native(link.to) === link.to)) return encoding",
        "native(link.to) === link.to",
        "false"
      ]
    ],
    "src/internal/calling/caller.ts": [
      ["const call = isDone(encoded) && Exit.isSuccess(encoded)", "isDone(encoded) && Exit.isSuccess(encoded)", "false"]
    ],
    "src/internal/calling/pendingCall.ts": [
      ["if (isDone(answer)) {", "isDone(answer)", "false"]
    ],
    "src/internal/time/alarm.ts": [
      ["return this.#set !== undefined", "this.#set !== undefined", "true"]
    ],
    "src/internal/time/deadlines.ts": [
      ["if (recent?.length === length) return recent", "recent?.length === length", "false"]
    ],
    "src/internal/time/timetable.ts": [
      ["if (due.length > 0) this.#options.onDue(due)", "due.length > 0", "due.length >= 0"],
      ["if (due.length > 0) this.#options.onDue(due)", "due.length > 0", "true"],
      ["this.#idleCheck = true", "true", "false"],
      [
        "if (this.#deadlines.earliest !== undefined || this.#idleCheck || !this.#alarm.isSet) return",
        "this.#deadlines.earliest !== undefined",
        "false"
      ],
      [
        "if (this.#deadlines.earliest !== undefined || this.#idleCheck || !this.#alarm.isSet) return",
        "this.#deadlines.earliest !== undefined || this.#idleCheck",
        "this.#deadlines.earliest !== undefined && this.#idleCheck"
      ],
      [
        "if (this.#deadlines.earliest !== undefined || this.#idleCheck || !this.#alarm.isSet) return",
        "this.#deadlines.earliest !== undefined || this.#idleCheck",
        "false"
      ],
      [
        "if (this.#deadlines.earliest !== undefined || this.#idleCheck || !this.#alarm.isSet) return",
        "this.#deadlines.earliest !== undefined || this.#idleCheck || !this.#alarm.isSet",
        "(this.#deadlines.earliest !== undefined || this.#idleCheck) && !this.#alarm.isSet"
      ],
      [
        "if (this.#deadlines.earliest !== undefined || this.#idleCheck || !this.#alarm.isSet) return",
        "this.#deadlines.earliest !== undefined || this.#idleCheck || !this.#alarm.isSet",
        "false"
      ]
    ],
    "src/internal/eager.ts": [
      ["if (exit !== undefined) return onExit(exit)", "exit !== undefined", "false"],
      ["if (isDone(effect)) return onExit(effect)", "isDone(effect)", "false"],
      [
        "Object.getPrototypeOf(effect) === success || Exit.isExit(effect)",
        "Object.getPrototypeOf(effect) === success",
        "false"
      ]
    ],
    "src/Handlers.ts": [
      ["return length === values.length ? values : values.slice(0, length)", "length === values.length", "false"]
    ],
    "src/Protocol.ts": [
      [
        "return fiber.getRef(Deadline) === undefined ? own : Duration.min(own, timeLeftOf(fiber))",
        "fiber.getRef(Deadline) === undefined",
        "false"
      ]
    ]
  }),
  ...of("nothing stands there", {
    "src/internal/wire/pack.ts": [
      ["for (let offset = start; offset < bytes.length;) {", "offset < bytes.length", "offset <= bytes.length"]
    ],
    "src/internal/serving/memory.ts": [
      [
        "while (this.#oldest !== none && this.#isOver(this.#oldest, now)) this.#forget(this.#oldest)",
        "this.#oldest !== none",
        "true"
      ],
      [
        "while (held !== none && this.#records[held + lengthWord] === gone) held = this.#records[held + newer]!",
        "held !== none",
        "true"
      ],
      [
        "for (let entry = before; entry < this.#records.length; entry += words) {",
        "entry < this.#records.length",
        "entry <= this.#records.length"
      ],
      [
        "for (let from = 0, block = first; from < length; from += this.#blockBytes, block = this.#next[block]!) {",
        "from < length",
        "from <= length"
      ],
      [
        "for (let block = before; block < size; block++) this.#next[block] = block + 1 < size ? block + 1 : none",
        "block < size",
        "block <= size"
      ]
    ],
    "src/internal/serving/keyedHash.ts": [
      ["const length = Math.min(text.length, rows)", "Math.min(text.length, rows)", "Math.max(text.length, rows)"],
      [
        "for (let i = 0; i < length; i++) hash ^= words[i << 8 | text.charCodeAt(i) & 0xff]!",
        "i < length",
        "i <= length"
      ]
    ],
    "src/internal/time/agenda.ts": [
      ["if (child + 1 < ticks.length && ticks[child + 1]! < ticks[child]!) child++", "child + 1", "child - 1"],
      [
        "if (child + 1 < ticks.length && ticks[child + 1]! < ticks[child]!) child++",
        "child + 1 < ticks.length",
        "child + 1 <= ticks.length"
      ],
      [
        "if (child + 1 < ticks.length && ticks[child + 1]! < ticks[child]!) child++",
        "child + 1 < ticks.length",
        "true"
      ],
      ["if (tick === undefined || tick > now) return undefined", "tick === undefined", "false"]
    ],
    "src/internal/socket/network.ts": [
      ["const after = tail === \"\" ? [] : tail.split(\":\").flatMap(groupsOfPart)", "tail === \"\"", "false"],
      ["const after = tail === \"\" ? [] : tail.split(\":\").flatMap(groupsOfPart)", "\"\"", "\"Stryker was here!\""],
      ["const after = tail === \"\" ? [] : tail.split(\":\").flatMap(groupsOfPart)", "[]", "[\"Stryker was here\"]"]
    ],
    "src/internal/calling/caller.ts": [
      ["const refresh = request === bare || timeout === Infinity", "request === bare", "false"]
    ]
  }),
  ...of("a ring the other way round", {
    "src/internal/recentMap.ts": [
      ["members.next = (members.next + 1) % Math.ceil(share * this.#least)", "members.next + 1", "members.next - 1"]
    ]
  }),
  ...of("nobody has that name", {
    "src/internal/recentMap.ts": [
      ["const members = this.#groups.get(group) ?? { names: [], next: 0 }", "[]", "[\"Stryker was here\"]"]
    ]
  }),
  ...of("any that nothing else is or has will do", {
    "src/internal/sealing/keyRing.ts": [
      [
        "const name = hmac(held, \"effect-rpcudp name 1\").digest().toString(\"latin1\", 0, 16)",
        "\"effect-rpcudp name 1\"",
        "\"\""
      ]
    ],
    "src/internal/sealing/session.ts": [
      ["this.#all = new Shares(sizes.sessions).of(\"all\")", "\"all\"", "\"\""],
      ["#highest = -1", "-1", "+1"]
    ],
    "src/internal/serving/memory.ts": [
      ["export const forgotten = \"forgotten\"", "\"forgotten\"", "\"\""]
    ],
    "src/internal/serving/rates.ts": [
      ["#second = -Infinity", "-Infinity", "+Infinity"]
    ],
    "src/internal/sizes.ts": [
      [
        "export const Sizes = Context.Reference<Sizes>(\"effect-rpcudp/internal/Sizes\", {",
        "\"effect-rpcudp/internal/Sizes\"",
        "\"\""
      ]
    ],
    "src/testing/SimulatedNetwork.ts": [
      [
        "}>()(\"effect-rpcudp/testing/SimulatedNetwork\") {}",
        "\"effect-rpcudp/testing/SimulatedNetwork\"",
        "\"\""
      ]
    ],
    "src/internal/serving/request.ts": [
      [
        "export class Running extends Context.Service<Running, Admitted>()(\"effect-rpcudp/internal/request/Running\") {}",
        "\"effect-rpcudp/internal/request/Running\"",
        "\"\""
      ]
    ],
    "src/internal/serving/senders.ts": [
      ["#last = \"\"", "\"\"", "\"Stryker was here!\""],
      ["this.#challengedAt = new Float64Array(sizes.challengedSenders).fill(-Infinity)", "-Infinity", "+Infinity"],
      ["#otherAt = -Infinity", "-Infinity", "+Infinity"]
    ],
    "src/internal/deadline.ts": [
      [
        "export const Deadline = Context.Reference<bigint | undefined>(\"effect-rpcudp/Handlers/Deadline\", {",
        "\"effect-rpcudp/Handlers/Deadline\"",
        "\"\""
      ]
    ],
    "src/Handlers.ts": [
      [
        "export class Sender extends Context.Service<Sender, NetAddress.InetAddress>()(\"effect-rpcudp/Handlers/Sender\") {}",
        "\"effect-rpcudp/Handlers/Sender\"",
        "\"\""
      ]
    ],
    "src/Transport.ts": [
      [
        "export class Transport extends Context.Service<Transport, Socket>()(\"effect-rpcudp/Transport\") {}",
        "\"effect-rpcudp/Transport\"",
        "\"\""
      ]
    ],
    "src/Protocol.ts": [
      ["\"effect-rpcudp/Protocol/CurrentRetransmit\",", "\"effect-rpcudp/Protocol/CurrentRetransmit\"", "\"\""],
      ["\"effect-rpcudp/Protocol/CurrentTimeout\",", "\"effect-rpcudp/Protocol/CurrentTimeout\"", "\"\""],
      ["}>()(\"effect-rpcudp/Protocol\") {}", "\"effect-rpcudp/Protocol\"", "\"\""]
    ]
  }),
  ...of("what is no number comes back as it is, too", {
    "src/internal/wire/pack.ts": [
      ["case \"undefined\":", "case \"undefined\":\n      return value", "case \"undefined\":"]
    ]
  }),
  ...of("it is Node's own default", {
    "src/internal/sealing/cipher.ts": [
      [
        "crypto.createCipheriv(algorithm, new Uint8Array(32), new Uint8Array(12), { authTagLength: tagBytes })",
        "{ authTagLength: tagBytes }",
        "{}"
      ],
      [
        "const cipher = Builtin.crypto().createCipheriv(algorithm, this.#key, nonce, { authTagLength: tagBytes })",
        "{ authTagLength: tagBytes }",
        "{}"
      ],
      [
        "const decipher = Builtin.crypto().createDecipheriv(algorithm, this.#key, nonce, { authTagLength: tagBytes })",
        "{ authTagLength: tagBytes }",
        "{}"
      ]
    ]
  }),
  ...of("only ciphers that this is none of take it", {
    "src/internal/sealing/cipher.ts": [
      ["cipher.setAAD(header, { plaintextLength: datagram.length })", "{ plaintextLength: datagram.length }", "{}"],
      ["decipher.setAAD(header, { plaintextLength: length })", "{ plaintextLength: length }", "{}"]
    ]
  }),
  ...of("another place for a key that is kept, which is compared wherever it is", {
    "src/internal/wire/unpack.ts": [
      ...slots.map(([original, replacement]) => [slot, original, replacement] as const),
      ["const last = source[position + length]!", "position + length", "position - length"],
      [
        "const knownKeys: Array<string | undefined> = Array.from({ length: keySlots }, () => undefined)",
        "{ length: keySlots }",
        "{}"
      ],
      ["if (length < 2 || length > 31) return read(walk, depth)", "length > 31", "length >= 31"]
    ]
  }),
  ...of("it saves time, and is read anew to the same", {
    "src/internal/calling/caller.ts": [
      ["if (last?.context === context) return last", "last?.context === context", "false"],
      ["if (fiber.getRef(Deadline) === undefined) last = settings", "fiber.getRef(Deadline) === undefined", "false"]
    ]
  }),
  ...of("nothing is added to them", {
    "src/internal/schema/wireSchema.ts": [
      ["known === undefined ? annotations : { ...annotations, ...known },", "known === undefined", "false"]
    ]
  }),
  ...of("it ends never, whatever is made of its end", {
    "src/internal/socket/effect.ts": [
      ["if (joined.length === 0) return own", "joined.length === 0", "false"],
      ["Effect.all([own, ...others], { concurrency: \"unbounded\", discard: true }),", "true", "false"],
      ["() => Effect.never", "() => Effect.never", "() => undefined"]
    ]
  }),
  ...of("Linux has what is for a group heard by all sockets of its port, by whichever option they share it", {
    "src/internal/socket/node.ts": [
      ["const shared = { ipv6Only: ipv6, reuseAddr: true, reusePort: false }", "false", "true"]
    ]
  }),
  ...of("to wait for no time is to go on", {
    "src/internal/serving/handling.ts": [
      ["if (leisure <= 0) return effect", "leisure <= 0", "false"],
      ["if (leisure <= 0) return effect", "leisure <= 0", "leisure < 0"]
    ]
  }),
  ...of("what is due at no time is never due", {
    "src/internal/serving/handling.ts": [
      ["if (request.expiresAt === Infinity) return", "request.expiresAt === Infinity", "false"]
    ]
  }),
  ...of("the trace is written over it", {
    "src/internal/wire/trailer.ts": [
      ["if (millisLeft !== undefined) {", "millisLeft !== undefined", "true"]
    ]
  }),
  ...of("there is no trailer in no bytes", {
    "src/internal/wire/requestBody.ts": [
      [
        "const trailer = end === datagram.length ? undefined : readTrailer(datagram, end)",
        "end === datagram.length",
        "false"
      ]
    ]
  }),
  ...of("undefined bytes are over no bound either", {
    "src/internal/socket/node.ts": [
      ["} catch {", "{\n      // It has closed, which `send` says.\n      return 0\n    }", "{}"]
    ]
  }),
  ...of("it is undefined either way", {
    "src/internal/sealing/cipher.ts": [
      ["} catch {", "{\n    return false\n  }", "{}"],
      ["} catch {", "{\n      return undefined\n    }", "{}"]
    ]
  }),
  ...of("Node does not read the family", {
    "src/internal/socket/node.ts": [
      ["): void => callback(null, host, host.includes(\":\") ? 6 : 4)", "\":\"", "\"\""]
    ]
  }),
  ...of("a table of up to 65,535 instead of 1,024: room alone, and bounded", {
    "src/internal/socket/nodePeer.ts": [
      ["const heard: Array<NodePeer | undefined> = Array.from({ length: 1024 })", "{ length: 1024 }", "{}"],
      ["const slot = port % heard.length", "port % heard.length", "port * heard.length"]
    ]
  }),
  ...of("the delay of the base settings is drawn once to save time, and is the same whenever it is drawn", {
    "src/testing/SimulatedNetwork.ts": [
      ["way.delay = way.settings === base ? baseDelay : drawDelay(way.settings)", "way.settings === base", "false"]
    ]
  }),
  ...of("it saves time, and what follows comes to the same", {
    "src/testing/SimulatedNetwork.ts": [
      ["if (way.version !== version) {", "way.version !== version", "true"],
      [
        "const name = nats.size === 0 ? packet.to : nats.enter(packet.from, packet.to, nanos())",
        "nats.size === 0",
        "false"
      ],
      [
        "if (name !== packet.to && stopped.has(hostOf(name))) return note(packet, \"stopped\")",
        "name !== packet.to",
        "true"
      ],
      ["return nats.size === 0 ? send(packet, bound) : leave(packet, bound)", "nats.size === 0", "false"]
    ],
    "src/testing/nat.ts": [
      ["get size(): number {", "{\n    return this.#boxes.size\n  }", "{}"]
    ]
  }),
  ...of("other chances, as good", {
    "src/testing/SimulatedNetwork.ts": [
      [
        "for (let i = 0; i < bytes.length; i++) bytes[i] = random.nextDoubleUnsafe() * 256",
        "i < bytes.length",
        "i <= bytes.length"
      ],
      ["wayOf(source, name).count = forged++", "forged++", "forged--"]
    ]
  }),
  ...of("once in 4,294,967,296", {
    "src/testing/SimulatedNetwork.ts": [
      [
        "const chance = (dice: Dice, probability: number | undefined): boolean => dice.next() < (probability ?? 0)",
        "dice.next() < (probability ?? 0)",
        "dice.next() <= (probability ?? 0)"
      ]
    ]
  }),
  ...of("an address has brackets nowhere else", {
    "src/testing/SimulatedNetwork.ts": [
      [
        ": NetAddress.inetAddressFromIpStringUnsafe(end.replace(/^\\[|\\]$/gu, \"\"), 0)",
        "/^\\[|\\]$/gu",
        "/\\[|\\]$/gu"
      ],
      [
        ": NetAddress.inetAddressFromIpStringUnsafe(end.replace(/^\\[|\\]$/gu, \"\"), 0)",
        "/^\\[|\\]$/gu",
        "/^\\[|\\]/gu"
      ]
    ]
  }),
  ...of("a NAT lets in nobody who was sent to too long ago, whether it remembers them or not: it is memory alone", {
    "src/testing/nat.ts": [
      [
        "for (const [other, sentAt] of sentTo) {",
        "{\n      if (now - sentAt < this.#timeout) break\n      sentTo.delete(other)\n    }",
        "{}"
      ],
      ["if (now - sentAt < this.#timeout) break", "now - sentAt < this.#timeout", "true"],
      ["if (now - sentAt < this.#timeout) break", "now - sentAt < this.#timeout", "now - sentAt <= this.#timeout"],
      ["sentTo.delete(other)", "sentTo.delete(other)", ";"],
      ["sentTo.delete(part)", "sentTo.delete(part)", ";"]
    ]
  }),
  ...of("one key for all, whichever it is", {
    "src/testing/nat.ts": [
      ["case \"endpoint-independent\":", "\"endpoint-independent\"", "\"\""],
      ["return \"\"", "\"\"", "\"Stryker was here!\""],
      [
        "return { outside: this.#outside(port), port, inside, keys: [], sentTo: new Map(), usedAt: 0 }",
        "[]",
        "[\"Stryker was here\"]"
      ]
    ]
  }),
  ...of("the first port is looked at twice", {
    "src/testing/nat.ts": [
      ["for (let i = 0; i < portCount; i++) {", "i < portCount", "i <= portCount"]
    ]
  }),
  ...of("any other error of a socket closes it, and a closed one refuses all peers", {
    "src/internal/calling/peers.ts": [
      [
        "const isRefused = DatagramSocket.isDatagramSocketError(error) && error.reason._tag === \"DatagramSocketWriteError\"",
        "error.reason._tag === \"DatagramSocketWriteError\"",
        "true"
      ]
    ]
  }),
  ...of("it is set before anybody reads it", {
    "src/internal/time/deadlines.ts": [
      ["queue = { length, first: undefined, last: undefined, index: -1 }", "-1", "+1"]
    ]
  }),
  ...of("its test runs a bundle in a context of its own, where no mutant is switched on", {
    "src/internal/builtin.ts": [
      [
        "if (module === undefined) throw new TypeError(`this runtime has no ${id}`)",
        "`this runtime has no ${id}`",
        "``"
      ],
      ["if (module === undefined) throw new TypeError(`this runtime has no ${id}`)", "module === undefined", "false"],
      [
        "const module = typeof process === \"undefined\" ? undefined : process.getBuiltinModule?.(id)",
        "process.getBuiltinModule?.(id)",
        "process.getBuiltinModule(id)"
      ],
      [
        "const module = typeof process === \"undefined\" ? undefined : process.getBuiltinModule?.(id)",
        "\"undefined\"",
        "\"\""
      ],
      [
        "const module = typeof process === \"undefined\" ? undefined : process.getBuiltinModule?.(id)",
        "typeof process === \"undefined\"",
        "false"
      ]
    ]
  }),
  ...of("a label is its name", {
    "src/internal/watching/metrics.ts": labels.map((code) => [code, "true", "false"] as const)
  }),
  ...of("all but two others mean it", {
    "src/Protocol.ts": [
      ["remoteSpans: options.remoteSpans ?? \"link\",", "\"link\"", "\"\""]
    ]
  }),
  ...of("undefined is packed as null is", {
    "src/Codec.ts": [
      ["if (!(\"detail\" in failure)) return null", "!(\"detail\" in failure)", "false"]
    ]
  }),
  ...of("what is not written is zero", {
    "src/internal/watching/spans.ts": [
      ["const hex = `${span.traceId}${span.spanId}${span.sampled ? \"01\" : \"00\"}`", "\"00\"", "\"\""]
    ]
  })
]
