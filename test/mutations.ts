/**
 * One-line changes of src, of the tool and of examples, each with the test that it must make fail: `npm run mutate -- --named` tries them
 * all, and `npm run check` sees that each still applies. A law without a change that breaks it may be no law.
 */

export interface Mutation {
  /** The file that is changed, from the project's root. */
  readonly file: string
  /** What is replaced: it stands in the file once. */
  readonly find: string
  readonly replace: string
  readonly test: {
    /** From the project's root. */
    readonly file: string
    /** What the names of the tests contain that are run: those of all seeds, say. */
    readonly name: string
  }
}

type Change = readonly [find: string, replace: string]

/** By the name of a test and the file that is changed. */
type Laws = Readonly<Record<string, Readonly<Record<string, ReadonlyArray<Change>>>>>

/** For one file of tests, where a file is `place(name)`. */
const breaksAt = (place: (file: string) => string, test: string, laws: Laws): ReadonlyArray<Mutation> =>
  Object.entries(laws).flatMap(([name, files]) =>
    Object.entries(files).flatMap(([file, changes]) =>
      changes.map(([find, replace]) => ({ file: place(file), find, replace, test: { file: test, name } }))
    )
  )

const breaks = (test: string, laws: Laws): ReadonlyArray<Mutation> =>
  breaksAt((file) => `src/${file}.ts`, `test/${test}.test.ts`, laws)

const breaksTool = (test: string, laws: Laws): ReadonlyArray<Mutation> =>
  breaksAt((file) => `packages/cli/${file}`, `packages/cli/test/${test}.test.ts`, laws)

const ofCalling: ReadonlyArray<Mutation> = [
  ...breaks("Errors", {
    "show a peer's text with nothing that a terminal obeys, in one line, and not all of it": {
      "internal/errors": [
        ["visible(Formatter.format(this.detail).slice(0, 200))", "Formatter.format(this.detail).slice(0, 200)"],
        ["visible(JSON.stringify(String(detail).slice(0, 200)))", "JSON.stringify(String(detail).slice(0, 200))"],
        ["visible(this.issue", "(this.issue"],
        ["\\p{Cc}\\p{Cf}", "\\p{Cc}"]
      ]
    }
  }),
  ...breaks("calling/RoundTrips", {
    "estimates as the RFC does": {
      "internal/calling/roundTrips": [
        ["estimate.variation = roundTrip / 2", "estimate.variation = roundTrip"],
        [
          "estimate.variation = 0.75 * estimate.variation + 0.25 * Math.abs(estimate.smoothed - roundTrip)",
          "estimate.variation = 0.75 * estimate.variation"
        ]
      ]
    },
    "waits twice as long once an answer is overdue, until it is measured again": {
      "internal/calling/roundTrips": [
        ["clamp(2 * timeout)", "clamp(timeout)"],
        ["    estimate.timeout = estimate.measured\n", ""]
      ]
    },
    "waits no longer because one call waits long, nor less because another began with less": {
      "internal/calling/roundTrips": [
        ["clamp(2 * timeout)", "clamp(2 * (now - sentAt))"],
        ["estimate.timeout = Math.max(estimate.timeout, clamp(2 * timeout))", "estimate.timeout = clamp(2 * timeout)"]
      ]
    },
    "waits no longer for what a schedule sends again before it is overdue": {
      "internal/calling/roundTrips": [["now - sentAt >= timeout", "true"]]
    },
    "is not made longer by a datagram that was lost before the last measurement": {
      "internal/calling/roundTrips": [
        ["if (estimate.measuredAt > sentAt) return", ""],
        ["if (estimate.measuredAt > sentAt) return", "if (estimate.measuredAt >= sentAt) return"]
      ]
    },
    "doubles what was measured since, where a call began with more than that": {
      "internal/calling/roundTrips": [["estimate.measuredAt > begunAt ? estimate.measured : begunWith", "begunWith"]]
    },
    "within the timeout of the last one says nothing": {
      "internal/calling/roundTrips": [["now - sentAt <= estimate.measured", "now - begunAt <= estimate.measured"]]
    },
    "after that shows that the peer has become slow: it is given as long as the answer can have taken": {
      "internal/calling/roundTrips": [
        ["clamp(now - begunAt)", "clamp(now - sentAt)"],
        [
          "estimate.timeout = Math.max(estimate.timeout, clamp(now - begunAt))",
          "estimate.timeout = clamp(now - begunAt)"
        ]
      ]
    },
    "of a call that began before the last measurement says nothing": {
      "internal/calling/roundTrips": [["estimate.measuredAt > begunAt || ", ""]]
    },
    "of a peer of which nothing is known says nothing": {
      "internal/calling/roundTrips": [[
        "const estimate = this.#estimates.get(peer)\n",
        "const estimate = this.#use(peer)\n"
      ]]
    },
    "never gives less than 50 ms nor more than a minute": {
      "internal/calling/roundTrips": [
        ["Math.min(Math.max(Math.round(nanos), min), max)", "Math.max(Math.round(nanos), min)"],
        ["Math.min(Math.max(Math.round(nanos), min), max)", "Math.min(Math.round(nanos), max)"],
        ["Math.round(nanos)", "nanos"]
      ]
    },
    "remembers the peers that were used last, and not all of the others": {
      "internal/calling/roundTrips": [["    this.#estimates.set(peer, estimate)\n", ""]]
    }
  }),
  ...breaks("calling/Retransmission", {
    "over a transport that copies, requests are written over each other, but not those that are sent again": {
      "internal/calling/caller": [["schedule === undefined ? wire.sendOnce : wire.send", "wire.sendOnce"]],
      "internal/endpoint": [["transport.copies === true", "transport.copies !== false"], [
        "        release(datagram)\n",
        ""
      ]]
    },
    "of two requests that are due at once, the second is not sent again if the first one's sending ends its call": {
      "internal/calling/retransmission": [["    if (retransmission.stopped) return\n    const at", "    const at"]]
    },
    "what is known of a peer says nothing of another on the same host": {
      "internal/calling/retransmission": [["`${peer.host} ${peer.address.port}`", "peer.host"]]
    }
  }),
  ...breaks("calling/CallTable", {
    "holds what was added and not removed": {
      "internal/calling/callTable": [
        ["this.id4 === wordAt(bytes, start + 16)", "true"],
        ["    this.id4 = wordAt(bytes, start + 16)\n", ""],
        ["while (call !== undefined && !call.hasId(bytes, start)) call = call.nextInSlot", ""],
        [".sort((a, b) => a.serial! - b.serial!)", ""]
      ],
      "internal/slots": [
        ["before.nextInSlot = thing.nextInSlot", "before.nextInSlot = undefined"],
        ["    this.#size--\n", ""]
      ]
    },
    "grows, and finds each call": {
      "internal/slots": [["for (const thing of things) this.#put(thing)", ""]]
    },
    "looks at few calls to find one, however many there are": {
      "internal/slots": [["if (2 * this.#size === this.#slots.length) this.#grow()", ""]]
    },
    "sleeps for no call that waits until it is removed": {
      "internal/calling/callTable": [["if (timeout !== Infinity) ", ""]]
    }
  }),
  ...breaks("calling/Interruption", {
    "interrupts its handler: 22 bytes, and nothing is answered or logged": {
      "internal/calling/caller": [[
        "if (calls.interrupt(call) && options.cancel",
        "if (calls.interrupt(call) && false"
      ]],
      "internal/serving/admission": [[
        "this.#hashOf(datagram, from, hash.ofText(from.host))",
        "hash.ofId(datagram, idOffset)"
      ]],
      "internal/serving/handling": [
        ["    running.interruptUnsafe()\n", ""],
        [
          "      if (request.abandoned !== undefined) return this.#finish(request, request.abandoned, undefined)\n",
          ""
        ]
      ]
    },
    "only it: nothing is sent at a deadline, after an answer, or with `cancel: false`": {
      "internal/calling/caller": [
        [" && options.cancel && hear", " && hear"]
      ]
    },
    "is not run again, nor answered, when a copy of it comes": {
      "internal/serving/handling": [
        ["  request.abandoned !== undefined ||\n", ""],
        [
          "  request.abandoned !== undefined ||\n",
          "  (request.abandoned !== undefined && !request.method.served.idempotent) ||\n"
        ]
      ]
    },
    "is over once its handler has cleaned up": {
      "internal/serving/handling": [[" || request.abandoned !== undefined) return false", ") return false"]]
    },
    "for nothing, from elsewhere, or for an answered request changes nothing, and is not answered": {
      "internal/serving/admission": [[
        "if (request === undefined || !handling.abandon(request, \"cancelled\")) wire.drop(\"UnknownId\", from)",
        "if (request !== undefined) handling.abandon(request, \"cancelled\")"
      ]]
    },
    "no handler outlives its caller by more than the way of a cancel": {
      "internal/serving/handling": [["    running.interruptUnsafe()\n", ""], [
        "  request.abandoned !== undefined ||\n",
        ""
      ]]
    }
  }),
  ...breaks("calling/Gather", {
    "is answered by each who has joined, from where it may be called, and ends at the deadline": {
      "internal/calling/pendingCall": [
        ["call.isHeard ? Exit.void : Exit.fail(noResponse(call))", "Exit.fail(noResponse(call))"]
      ],
      "internal/calling/gather": [
        ["      Effect.andThen(Queue.end(queue))\n", "      Effect.andThen(Effect.never)\n"],
        ["return heard.size === answers", "return heard.size > 0"]
      ],
      "internal/socket/effect": [["target(datagram.address, mapped)), true)", "target(datagram.address, mapped)))"]]
    },
    "has one answer of each, however often its datagrams arrive": {
      "internal/calling/gather": [["    heard.add(sender)\n", ""]],
      "internal/serving/handling": [
        ["const kept = isGather ? undefined : answer", "const kept = answer"]
      ]
    },
    "of an idempotent group is not answered again either": {
      "internal/serving/handling": [["  request.isGather ||\n", ""]]
    },
    "takes nothing after its deadline, and is empty where nobody answers": {
      "internal/calling/gather": [["      Effect.catchTag(\"NoResponse\", () => Effect.void),\n", ""]],
      "internal/calling/caller": [
        ["wholeNanosOf(timeout(fiber))", "wholeNanosOf(timeout(fiber)) + 2_000_000"]
      ]
    },
    "ends with its consumer, whose interruption frees its place and is told to nobody": {
      "internal/calling/caller": [[" && hear === undefined) wire.send(", ") wire.send("]]
    },
    "takes no more answers than it may, whoever forges their senders": {
      "internal/calling/pendingCall": [["    if (isLast) this.end(call, Exit.void)\n", ""]],
      "Protocol": [
        ["if (!(answers >= 1))", "if (!(answers >= 0))"],
        ["if (!(answers >= 1))", "if (answers < 1)"]
      ]
    },
    "drops what does not fit its contract, and takes the true answer of the same sender": {
      "internal/calling/caller": [
        [" || call.hear !== undefined) return wire.drop", ") return wire.drop"],
        ["type === \"Response\" ? call.hear(datagram, from) : \"UnknownId\"", "call.hear(datagram, from)"]
      ],
      "internal/calling/gather": [
        [
          "    if (Result.isFailure(response)) return response.failure\n",
          "    if (Result.isFailure(response)) return true\n"
        ],
        ["    if (isDone(decoded) && Exit.isFailure(decoded)) return \"Shape\"\n", ""]
      ]
    },
    "proves nothing: who answers one may be anybody": {
      "internal/calling/caller": [[
        "    return typeof heard === \"string\" ? wire.drop(heard, from) : calls.heard(call, heard)\n",
        "    options.onAddressProven(from, wire.now())\n    return typeof heard === \"string\" ? wire.drop(heard, from) : calls.heard(call, heard)\n"
      ]]
    },
    "answers no gather that came to it alone, and at a group nothing but gathers": {
      "Protocol": [
        ["if (toGroup !== (type === \"Gather\")) return", "if (toGroup && type !== \"Gather\") return"],
        ["if (toGroup !== (type === \"Gather\")) return", "if (!toGroup && type === \"Gather\") return"]
      ]
    },
    "is silent where it would refuse or fail": {
      "internal/serving/handling": [["isGather && outcome !== \"success\" ? undefined : ownAnswer", "ownAnswer"]],
      "internal/serving/replies": [[
        "    if (asked.isGather) return\n    const encoded = Codec.encodeFailure(asked.id",
        "    const encoded = Codec.encodeFailure(asked.id"
      ]]
    },
    "answers within its leisure, each when chance has it, and at once without": {
      "internal/serving/handling": [
        ["this.#random.nextDoubleUnsafe() * leisure", "leisure"],
        ["this.#random.nextDoubleUnsafe() * leisure", "this.#random.nextDoubleUnsafe() * 2 * leisure"]
      ]
    },
    "answers in half of the time that its caller has, if that says so": {
      "internal/serving/handling": [["(expiresAt - at) / 2", "expiresAt - at"]]
    },
    "sends no more to a forged sender, its network and all of them than their budgets, and challenges none": {
      "internal/serving/replies": [
        ["    if (isGather) return\n    const resume", "    const resume"],
        [
          "if (this.#senders.spend(budget, answer.length, at)) return",
          "if (asked.isGather || this.#senders.spend(budget, answer.length, at)) return"
        ]
      ],
      "internal/serving/admission": [
        ["if (!isGather && senders.isDoubted", "if (senders.isDoubted"],
        [
          "metrics.requestRefused(\"throttled\")\n      return isGather ? undefined : ",
          "metrics.requestRefused(\"throttled\")\n      return "
        ]
      ]
    },
    "runs no gather that it has no room for": {
      "internal/serving/admission": [[
        "if (room === \"none\" || (room === \"proven\" && !proven))",
        "if (!isGather && (room === \"none\" || (room === \"proven\" && !proven)))"
      ]]
    }
  }),
  ...breaks("calling/Propagation", {
    "leaves less to each call that is made under it, one after the other": {
      "internal/calling/caller": [[
        "    if (fiber.getRef(Deadline) === undefined) last = settings\n",
        "    last = settings\n"
      ]]
    },
    "crosses: a handler is interrupted at it, and a copy of its request is not run": {
      "internal/serving/handling": [
        ["        this.#expire(request)\n", ""],
        ["  request.abandoned !== undefined ||\n", ""]
      ]
    },
    "is told to the handler, as the time that is left": {
      "internal/serving/handling": [
        [
          "    return Context.add(context, Deadline, this.#clock",
          "    return context ?? Context.add(context, Deadline, this.#clock"
        ]
      ]
    },
    "is inherited by the calls that the handler makes, from node to node, and never grows": {
      Protocol: [["return fiber.getRef(Deadline) === undefined ? own", "return true ? own"]]
    },
    "is inherited without being told on, and a shorter time-out stays as it is": {
      Protocol: [["Duration.min(own, timeLeftOf(fiber))", "timeLeftOf(fiber)"]]
    },
    "is as far away as it is by then, when a request is sent again": {
      "internal/calling/retransmission": [["    retransmission.refresh?.()\n", ""]]
    },
    "goes on while its request waits for a proof of its sender's address": {
      "internal/serving/admission": [["expiresAt: (heldSince ?? at) +", "expiresAt: at +"]]
    },
    "of a request that has ended leaves no timer behind": {
      "internal/serving/handling": [
        ["        this.#expiries.remove(request.expiry)\n", ""],
        ["        this.#expiries.disarmIfIdle()\n", ""]
      ]
    },
    "under which a node was built is not that of its requests": {
      Handlers: [["context: Context.add(context, Deadline, undefined)", "context"]]
    },
    "is what it was, byte for byte, unless its layer propagates": {
      "internal/calling/caller": [["options.propagate ? withTrailer", "!options.propagate ? withTrailer"]]
    },
    "has no trailer where there is no room": {
      "internal/wire/trailer": [["length > maxDatagramBytes", "length >= maxDatagramBytes"]]
    },
    "crosses as W3C's trace context has it, and links the span of the request to that of the call": {
      "internal/watching/spans": [
        ["span.sampled ? \"01\" : \"00\"", "\"00\""],
        ["hex.slice(32, 48)]", "hex.slice(33, 49)]"]
      ]
    },
    "makes it a child where the layer says so, or nothing": {
      "internal/watching/spans": [
        ["remote === \"parent\" ? { parent: span }", "remote !== \"parent\" ? { parent: span }"],
        [" || remote === \"none\") return", ") return"]
      ]
    },
    "of zeros is none, as W3C's trace context has it": {
      "internal/watching/spans": [
        ["if (/^0*$/.test(traceId) || ", "if ("],
        [" || /^0*$/.test(spanId)) return", ") return"]
      ]
    },
    "that is not sampled says so": {
      "internal/watching/spans": [["span.sampled ? \"01\" : \"00\"", "\"01\""]]
    },
    "is nothing to tell where nobody traces": {
      "internal/watching/spans": [[
        "isTraced([fiber.context]) ? Context.getOrUndefined(fiber.context, Tracer.ParentSpan)",
        "true ? Context.getOrUndefined(fiber.context, Tracer.ParentSpan)"
      ]]
    }
  }),
  ...breaks("calling/Peers", {
    "are asked in turn": { "internal/calling/peers": [["this.#next++", "this.#next"]] },
    "after an equal share of the time-out the next one is asked, and the others stop once it has answered": {
      "internal/calling/peers": [[" / order.length", ""]]
    },
    "who lets calls wait is passed over for a while, and asked if nobody else is left": {
      "internal/calling/peers": [
        ["Effect.andThen(Effect.sleep(after), Effect.sync(() => this.#avoid(member)))", "Effect.sleep(after)"],
        ["avoidedUntil > at", "avoidedUntil >= at"]
      ]
    },
    "among those that are passed over, who has been so for longest is asked first": {
      "internal/calling/peers": [[".sort((a, b) => a.avoidedUntil - b.avoidedUntil)", ""]]
    },
    "who has answered is not passed over, however late it was": {
      "internal/calling/peers": [["    else member.avoidedUntil = -Infinity\n", ""]]
    },
    "if the time is over before the next one's turn, it is not asked": {
      "internal/calling/peers": [["now() < due ? askFrom(index + 1) : Effect.fail(error)", "askFrom(index + 1)"]]
    },
    "a request that must not run twice is made to one of them": {
      "internal/calling/peers": [[
        "mayRunTwice ? wait : Infinity",
        "wait"
      ]]
    },
    "nor to another one that has room, as a copy of it may still run at one that had none": {
      "internal/calling/peers": [["(isSilent && mayRunTwice)", "isSilent"]]
    },
    "where the socket refuses to send, nothing has run, and the next one is asked at once": {
      "internal/calling/peers": [["return isRefused || (isSilent", "return (isSilent"]]
    },
    "one that is overloaded is followed by the next at once, where the request may run twice": {
      "internal/calling/peers": [[" || (error instanceof Rejected && error.reason === \"Overloaded\")", ""]]
    }
  }),
  ...breaks("calling/Addresses", {
    "that is no address is a defect, whose message has the input and says what looks names up": {
      "Protocol": [
        ["const address = peerAddress(peer)", "const address = NetAddress.inetAddressFromInputUnsafe(peer as never)"],
        ["call(peerAddress(peer), method, args)", "call(NetAddress.inetAddressFromInputUnsafe(peer), method, args)"]
      ]
    },
    "that has a host name is resolved to the first address that the socket reaches": {
      "Protocol": [["resolver.resolve(peer, { family })", "resolver.resolve(peer, {})"]]
    },
    "on IPv6 is told from one that cannot be reached, where the socket is on IPv4": {
      "internal/socket/node": [[
        "    if (!this.ipv6 && host.includes(\":\")) return familyError(this.addressOf(host, port))\n",
        ""
      ]]
    }
  }),
  ...breaks("time/Deadlines", {
    "of lengths that nobody waits for nothing is kept, however many there were": {
      "internal/time/deadlines": [
        ["if (recent !== undefined && recent.first === undefined) this.#queues.delete(recent.length)", ""],
        ["if (queue !== this.#recent) this.#queues.delete(queue.length)", ""]
      ]
    }
  }),
  ...breaks("time/Deadlines", {
    "of lengths that others choose few are looked up, and all are due in their order": {
      "internal/time/deadlines": [["if (this.#queues.size < maxLookedUp) ", ""]]
    }
  }),
  ...breaks("time/Time", {
    "a layer's time-out is its calls', and withTimeout's is that of the calls inside": {
      "internal/calling/caller": [["last?.context === context", "last !== undefined"]]
    },
    "a negative time-out is a defect, and none waits for ever": {
      "internal/calling/caller": [["if (timeout < 0) return", "if (false) return"]],
      "internal/limits": [["if (Duration.toMillis(duration) < 0) throw", "if (false) throw"]]
    },
    "one more sleeps for all calls that are sent again, and none once no call waits": {
      "internal/calling/retransmission": [["    this.#timetable.disarmIfIdle()\n", ""]]
    }
  })
]

const ofServing: ReadonlyArray<Mutation> = [
  ...breaks("serving/Memory", {
    "is that of a list, whatever comes and when": {
      "internal/serving/memory": [
        ["this.#options.window <= now", "this.#options.window < now"],
        ["amounts[place]! > amounts", "amounts[place]! >= amounts"],
        ["    this.#bytesOfSenders[place] = this.#bytesOfSenders[place]! - length\n", ""],
        ["      this.#unchain(entry)\n", ""],
        ["return this.#isKept(serial) && (", "return (this.#isKept(serial) || "],
        ["this.#isKept(serial) && (this.#records[entry + serialWord]! - serial | 0) > 0", "this.#isKept(serial)"],
        [
          "while (held !== none && this.#records[held + lengthWord] === gone) held = this.#records[held + newer]!",
          ""
        ],
        ["this.#taken + this.#count(length) <= this.#most", "this.#taken <= this.#most"]
      ]
    },
    "who fills it makes itself be forgotten, and nobody who asks less": {
      "internal/serving/memory": [["? first[place]! : oldest", "? oldest : oldest"]]
    },
    "an id of one sender says nothing of the same id of another": {
      "internal/serving/memory": [["this.#records[entry + hashWord] === hash && ", ""]]
    },
    "takes for each of its places": {
      "internal/serving/memory": [
        ["Math.min(Math.max(2 * before / words, minEntries), this.#options.maxEntries)", "this.#options.maxEntries"],
        ["Math.min(Math.max(2 * before, minEntries), this.#most)", "this.#most"],
        ["4 * this.#records.length", "3 * this.#records.length"]
      ]
    },
    "ids that begin alike are found as fast as others": {
      "internal/serving/keyedHash": [["i < idBytes", "i < 8"]]
    }
  }),
  ...breaks("serving/HeldRequests", {
    "is the newest, as many and as long as there is room for, and each is taken once": {
      "internal/serving/held": [
        ["this.#waiting.size >= this.#maxRequests", "this.#waiting.size > this.#maxRequests"],
        ["    this.#bytes += bytes\n", ""],
        ["this.#dropOldest(this.#ofSenders.get(sender)!.numbers)", "this.#dropOldest(this.#waiting)"],
        ["    has.numbers.delete(number)\n", ""],
        ["    has.bytes += bytes\n", ""]
      ]
    },
    "may be a sixteenth of the requests and of the bytes, and not one more": {
      "internal/serving/held": [
        ["has.bytes + bytes > share", "has.bytes + bytes >= share"],
        ["has.numbers.size + 1 > share", "has.numbers.size + 1 >= share"],
        ["has.numbers.size + 1 > share", "has.numbers.size > share"]
      ]
    },
    "is not made to give way by another sender, however much that has": {
      "internal/serving/held": [[
        "    while (this.#isOverShare(sender, length)) this.#dropOldest(this.#ofSenders.get(sender)!.numbers)\n",
        ""
      ]]
    }
  }),
  ...breaks("serving/Suspended", {
    "the last quarter of the requests is for the proven, and over it there is no room": {
      "internal/serving/suspended": [["this.requests >= requests ||", "this.requests > requests ||"]]
    },
    "holds what was added and not removed, however their hashes collide": {
      "internal/serving/suspended": [
        ["known.hash === hash && ", ""],
        [" && sameIds(known.id, 0, datagram, start)", ""]
      ],
      "internal/slots": [
        ["for (const thing of things) this.#put(thing)", ""],
        ["while (before !== undefined && before.nextInSlot !== thing) before = before.nextInSlot", ""]
      ]
    }
  }),
  ...breaks("serving/KeyedHash", {
    "spreads ${name} over both rows of buckets": {
      "internal/serving/keyedHash": [["words[i << 8 | text", "words[(i & 7) << 8 | text"]]
    },
    "spreads ids that differ in two bytes, wherever those are": {
      "internal/serving/keyedHash": [["words[i << 8 | bytes[start + i]!]", "words[bytes[start + i]!]"]]
    },
    "is another one under other tables": {
      "internal/serving/keyedHash": [["  random.getRandomValues(bytes)\n", ""]]
    }
  }),
  ...breaks("serving/Senders", {
    "no sender, no network and not all together are sent more than their budget": {
      "internal/serving/rates": [["    this.#takeAt(this.#second(hash), tokens, now)\n", ""]],
      "internal/serving/senders": [
        ["    this.#ofNetworks.take(budget.networkHash, bytes, now)\n", ""],
        ["    this.#ofAll.take(0, bytes, now)\n", ""]
      ]
    },
    "who finds one of its two buckets emptied by another is still served": {
      "internal/serving/rates": [
        ["return Math.min(this.#fullAt", "return Math.max(this.#fullAt"],
        ["((hash >>> 16) & this.#mask)", "(hash & this.#mask)"]
      ]
    },
    "what others take from both of one's buckets is no debt": {
      "internal/serving/rates": [["Math.min(fullAt, now + this.#depth)", "fullAt"]]
    },
    "what the proven send while they are alone is not held against them when they are not": {
      "internal/serving/senders": [["Math.min(fullAt, now + requestSeconds * second)", "fullAt"]]
    },
    "a proof is no second burst": {
      "internal/serving/senders": [["known?.fullAt ?? this.#requests.fullAt(budget.hash)", "now"]]
    },
    "a token proves the address that was challenged with it, and no other": {
      "internal/serving/senders": [["${serial} ${name}`", "${serial}`"]]
    },
    "a token may stand in the middle of a datagram": {
      "internal/serving/senders": [[
        "Buffer.from(token.buffer, token.byteOffset, serialBytes)",
        "Buffer.from(token.buffer, 0, serialBytes)"
      ]]
    },
    "a token is good for 10 seconds, and no longer than 20": {
      "internal/serving/senders": [
        ["!isOf(age) && !isOf(age - 1)", "!isOf(age) && !isOf(age - 1) && !isOf(age - 2)"],
        ["!isOf(age) && !isOf(age - 1)", "!isOf(age)"]
      ]
    },
    "a proof holds for 10 minutes, and anew once it is a minute old": {
      "internal/serving/senders": [
        ["proven.until > now", "proven.until >= now"],
        ["known.until - provenFor + renewAfter > now", "known.until > now"]
      ]
    },
    "whoever uses up what may be sent to an address leaves it 6,000 challenges a second": {
      "internal/serving/senders": [["this.#challenges.take(", "this.#replies.take("]]
    },
    "who has had less than half of what it may have is not doubted": {
      "internal/serving/rates": [["this.#depth / 2", "this.#depth / 4"]]
    },
    "counts once, however often it is sent, and not after a newer one": {
      "internal/serving/senders": [
        ["if (serial > (this.#lastProof(budget)?.serial ?? -1)) this.#prove", "this.#prove"],
        ["serial > (this", "serial >= (this"],
        ["      known.serial = serial\n", ""],
        ["Math.max(answered, known?.serial ?? -1)", "answered"]
      ]
    },
    "one network makes its own be forgotten, and nobody else's": {
      "internal/serving/senders": [[", budget.networkHash)", ")"]]
    },
    "of a million proofs the newest are kept, at least 8,192 and at most 16,384": {
      "internal/recentMap": [["this.#older = this.#newer", "this.#older = new Map(this.#older)"]]
    },
    "an IPv6 sender is its first 64 bits, unless these say nothing of whose it is": {
      "internal/socket/network": [
        ["slice(0, 4)", "slice(0, 3)"],
        ["linkLocal.test(host) || host.startsWith(translated)", "host.startsWith(translated)"]
      ]
    },
    "are the same however many others there were": {
      "internal/serving/senders": [["const name = senderOf(host)", "const name = host"]]
    }
  }),
  ...breaks("socket/Network", {
    "a network is a /24, a /48, or a link": {
      "internal/socket/network": [["groups.slice(0, 3)", "groups.slice(0, 4)"], [" >> 8)", ")"], [
        "(a << 8 | b)",
        "(0)"
      ]]
    }
  }),
  ...breaks("RecentMap", {
    "": {
      "internal/recentMap": [
        ["    this.#older.delete(name)\n", ""],
        ["this.#newer.size >= this.#least", "this.#newer.size > this.#least"],
        ["if (!this.#newer.has(name)) {", "{"]
      ]
    },
    "holds of a group a quarter of what is new, the newest": {
      "internal/recentMap": [
        ["        this.#groups.clear()\n", ""],
        ["if (oldest !== undefined) this.#newer.delete(oldest)", ""],
        ["(members.next + 1) % ", "(members.next + 2) % "]
      ]
    }
  }),
  ...breaks("serving/Admission", {
    "while handlers run, too, the same id of another address or port is another request, run once": {
      "internal/serving/admission": [
        [" ^ Math.imul(hostHash, 0x9e3779b1) ^ from.address.port", ""],
        [" ^ from.address.port", ""]
      ]
    },
    "nobody makes a quieter sender be forgotten": {
      "internal/serving/memory": [["? first[place]! : oldest", "? oldest : oldest"]]
    }
  }),
  ...breaks("serving/Challenges", {
    "an answer that its budget has no room for is sent once the caller has proven that it asked": {
      "internal/serving/replies": [[
        "    this.#challenges.ask(id, from, budget, at, { bytes: answer, resume })",
        "    void resume"
      ]]
    },
    "each challenge has a number of its own, whether something waits for it or not": {
      "internal/serving/challenges": [["++this.#sent", "held === undefined ? 0 : ++this.#sent"]]
    },
    "nor is a remembered answer kept from who proves that it asks again": {
      "internal/serving/admission": [["    if (!proven) this.#hold(id, datagram, from, budget, at)\n", ""]]
    }
  }),
  ...breaks("serving/Admission", {
    "a repeated request over its rate is not said to have been refused: it was run": {
      "internal/serving/admission": [[
        "if (!proven) this.#hold(id, datagram, from, budget, at)",
        "replies.refuseOverloaded({ id, bytes: datagram.length, from, budget }, at)"
      ]]
    },
    "who is alone from the start, and proves its address, is not held to its rate in the first second either": {
      "internal/serving/senders": [["this.#otherAt = this.#lastAt", "this.#otherAt = now"]]
    },
    "what waiting handlers hold is bounded in bytes: of one sender, and of all": {
      "internal/serving/suspended": [[" || this.#bytes >= bytes", ""]]
    },
    "one network's senders leave handlers to others, however many they are and whatever they prove": {
      "internal/serving/suspended": [["this.#networks.get(networkHash)?.room ?? \"any\"", "\"any\""]]
    },
    "handlers of a sender are counted on every way to their end": {
      "internal/serving/suspended": [
        ["    this.requests--\n", ""]
      ]
    }
  }),
  ...breaks("calling/Caller", {
    "an answer from elsewhere proves no address, not even where it counts": {
      "internal/calling/caller": [["if (own) options", "options"]]
    },
    "a challenge is answered to who was called only, and only while the call waits": {
      "internal/calling/caller": [["options.matchSender && !call.peer.equals(from)", "false"]]
    }
  }),
  ...breaks("serving/Challenges", {
    "a forged proof proves nothing, and a true one only for where it came from": {
      "internal/serving/senders": [["if (!isOf(age) && !isOf(age - 1)) return undefined", ""]]
    }
  }),
  ...breaks("serving/Handling", {
    "whatever a transport throws, no request stays in flight": {
      "internal/serving/handling": [[
        "    } finally {\n      // Even",
        "    } catch (error) {\n      throw error\n    }\n    {\n      // Even"
      ]]
    },
    "what waits keeps nothing of the buffer that its datagram was read into": {
      "internal/serving/admission": [[
        "(copy, from, at)\n    }\n    return",
        "(datagram, from, at)\n    }\n    return"
      ]],
      "internal/serving/handling": [["        request.id = new Uint8Array(request.id)\n", ""]],
      "internal/serving/held": [["bytes: new Uint8Array(bytes)", "bytes"]],
      "internal/serving/replies": [["{ id: Codec.idOf(copy), from", "{ id, from"]]
    }
  }),
  ...breaks("Protocol", {
    "a setting that makes no sense is a defect of the build": {
      Protocol: [["durationOf(\"leisure\"", "durationOf(\"\""]]
    },
    "of what a transport throws, 100 lines a second are logged": {
      "Protocol": [["      if (!defects.hasRoom(at)) return\n", ""]]
    }
  }),
  ...breaks("serving/Closing", {
    "a handler closes the scope that serves it ${how}": {
      "internal/serving/groups": [
        ["(closer?.method.served === served ? 1 : 0)", "0"],
        ["if (request !== closer) others.push(running)", "others.push(running)"]
      ]
    }
  }),
  ...breaks("serving/Reflection", {
    "says so where what a peer says describes nothing": {
      "internal/reflection": [
        ["  group: Schema.String,\n", ""],
        ["  method: Schema.String,\n", "  method: Schema.Unknown,\n"],
        ["args: Schema.optionalKey(Document)", "args: Schema.optionalKey(Schema.Unknown)"]
      ]
    },
    "has each method exactly once, in pages of 1,200 bytes or of one method, within 8,192 bytes": {
      "internal/reflection": [
        ["<= preferredBytes) last.push(method)", "<= Codec.maxDatagramBytes) last.push(method)"],
        ["else pages.push([method])", "else pages.unshift([method])"],
        [" && Number.isFinite(sizeOf([described.success]))", ""]
      ]
    },
    "fills them to the byte": {
      "internal/reflection": [["<= preferredBytes) last.push(method)", "< preferredBytes) last.push(method)"]]
    },
    "fills its pages": {
      "internal/reflection": [["const preferredBytes = 1200", "const preferredBytes = 600"]]
    },
    "names a method without its schemas where these do not fit into an answer": {
      "internal/reflection": [
        ["Number.isFinite(sizeOf([described.success]))", "sizeOf([described.success]) < 8192"],
        ["pages: 2 ** 32 - 1, methods", "pages: 1, methods"]
      ]
    },
    "names a method without its schemas where one of them throws": {
      "internal/reflection": [[
        "Result.try(() => ({ ...name, ...schemasOf(schemas) }))",
        "Result.succeed({ ...name, ...schemasOf(schemas) })"
      ]]
    },
    "is made once for a list of procedures": {
      "internal/reflection": [["  made.set(procedures, pages)\n", ""]]
    },
    "describes all groups that it serves, the reflection included, by their own schemas": {
      "internal/reflection": [
        ["\"the number of the page, from 0\"", "\"\""],
        ["  ...error === undefined ? {} : { error: toJsonSchema(error) }", ""],
        ["success ?? Schema.Null", "success ?? Schema.Unknown"]
      ]
    },
    "describes many methods over several pages, each once": {
      "Protocol": [
        ["Math.min(first.pages, maxPages) - 1", "Math.min(first.pages, maxPages) - 2"],
        ["(_, i) => i + 1)", "(_, i) => i)"],
        ["pages[page] ?? []", "pages[page] ?? pages[0]!"]
      ]
    },
    "describes what it begins to serve, and no longer what it has ceased to, also to a request that comes again": {
      "internal/serving/groups": [
        ["    this.#procedures = undefined\n    return served", "    return served"],
        ["this.#methods.delete(method)\n    this.#procedures = undefined", "this.#methods.delete(method)"]
      ],
      "internal/reflection": [["}, { idempotent: true }) {}", "}) {}"]]
    },
    "reads no more than 128 pages of a peer, whatever that says": {
      "Protocol": [["Math.min(first.pages, maxPages)", "Math.min(first.pages, 2 * maxPages)"]]
    }
  })
]

const ofKeys: ReadonlyArray<Mutation> = breaks("sealing/Keys", {
  "the third datagram of a session is, to the bit, what another implementation makes of it": {
    "internal/sealing/keyRing": [["effect-rpcudp sealed 1", "effect-rpcudp sealed 2"]],
    "internal/sealing/seal": [[
      "header.subarray(counterOffset, headerBytes)",
      "header.subarray(counterOffset - 1, headerBytes - 1)"
    ]]
  },
  "a datagram of each length up to the longest comes back, 42 bytes longer on its way": {
    "internal/sealing/seal": [
      ["length < 1 ||", "length < 2 ||"],
      ["length > maxDatagramBytes", "length >= maxDatagramBytes"]
    ]
  },
  "whichever bit is flipped, the datagram is refused, nothing is kept of it, and the true one is still read": {
    "internal/sealing/cipher": [["    } catch {\n      return undefined", "    } catch {\n      return opened"]]
  },
  "whatever bytes come, and wherever a datagram is cut, there is a reason and no exception": {
    "internal/sealing/seal": [["length < 1 || ", ""]]
  },
  "only a key of the ring opens, and the first one of it seals": {
    "internal/sealing/seal": [["keys.byId.get(header[1]!)", "keys.first"]]
  },
  "a datagram may be as old as the limit, or as far ahead, and no older": {
    "internal/sealing/seal": [
      ["Math.abs(age) > maxAge", "Math.abs(age) >= maxAge"],
      ["Math.abs(age) > maxAge", "age > maxAge"]
    ]
  },
  "what was sealed before the socket opened is not read, what was sealed since is, whatever the clock is set to": {
    "internal/sealing/seal": [["  if ((age - 1) * Now.millisecond >= now) return \"Stale\"\n", ""]]
  },
  "what a socket has sealed itself it does not read, before and after it changes its keys": {
    "internal/sealing/seal": [["  if (ownSessions.has(name)) return \"Reflected\"\n", ""]]
  },
  "no nonce comes twice under one key: at its limit, and with other keys, a new session begins": {
    "internal/sealing/seal": [
      [" && current.counter < sessionDatagrams", ""],
      ["      state.current = undefined\n", ""]
    ]
  },
  "a process that was copied with its counters has other nonces a millisecond later": {
    "internal/sealing/seal": [[
      "sealed.writeUIntBE(state.wallMillis(), timeOffset, 6)",
      "sealed.fill(0, timeOffset, headerBytes)"
    ]]
  },
  "on a simulated network sessions follow its seed, and still no two are the same": {
    "internal/sealing/seal": [["random: Context.get(context, WebCrypto)", "random: globalThis.crypto"]]
  },
  "a counter is read once, those of the window in any order, those behind it never": {
    "internal/sealing/session": [
      [">= this.#seen.length) return true", "> this.#seen.length) return true"],
      ["Math.max(from + 1,", "Math.max(from + 2,"],
      ["Math.max(from + 1,", "Math.max(from,"],
      ["word <= to; word++", "word < to; word++"],
      ["      this.#seen[word % this.#seen.length] = 0\n", ""],
      ["this.#highest = Math.max(this.#highest, counter)", "this.#highest = counter"],
      ["Math.floor(counter / 32)", "counter >> 5"]
    ]
  },
  "when no more sessions fit, the one heard longest ago makes room once nothing of it can be read again": {
    "internal/sealing/session": [
      [">= now) return false", "< now) return false"],
      ["    this.#sessions.delete(session)\n    this.#sessions.add(session)", "    this.#sessions.add(session)"]
    ],
    "internal/sealing/seal": [["2 * maxAge * Now.millisecond", "maxAge * Now.millisecond"]]
  },
  "who opens sessions without end meets a bound of its own, then one of its network, and others are heard": {
    "internal/sealing/session": [
      ["this.#bySender.of(senderOf(host)), ", ""],
      ["this.#byNetwork.of(networkOf(host)), ", ""],
      ["new Shares(sizes.sessionsPerNetwork)", "new Shares(sizes.sessionsPerSender)"]
    ]
  },
  "who has many IPv6 addresses has the bounds of one sender, and of one network": {
    "internal/sealing/session": [
      ["this.#bySender.of(senderOf(host))", "this.#bySender.of(host)"],
      ["this.#byNetwork.of(networkOf(host))", "this.#byNetwork.of(host)"]
    ]
  },
  "nothing is kept of who was refused, nor of whose last session has made room": {
    "internal/sealing/session": [["    if (this.#sessions.size === 0) this.#occupied.delete(this.#name)\n", ""]]
  },
  "however small the tables are, each bound holds, nothing else is refused, and nothing is read twice": {
    "internal/sealing/session": [
      ["this.#sessions.size < this.#most", "this.#sessions.size <= this.#most"],
      ["for (const share of oldest.shares) share.remove(oldest)", "share.remove(oldest)"],
      ["    this.#byName.delete(oldest.name)\n", ""]
    ]
  },
  "however few of its own sessions a socket knows, it reads none of them, and others as soon as they seal": {
    "internal/sealing/session": [
      ["if (this.#begunAt.size <= this.#most) break", "break"],
      ["if (this.#begunAt.size <= this.#most) break", "if (this.#begunAt.size < this.#most) break"]
    ],
    "internal/sealing/seal": [
      [" && (age + 1) * Now.millisecond > now - ownSessions.forgottenUntil", " && false"],
      ["(age + 1) * Now.millisecond", "(age - 1) * Now.millisecond"]
    ]
  },
  "when a session of its own is forgotten, a socket still reads what known ones have sealed before": {
    "internal/sealing/seal": [["known === undefined && (age + 1)", "(age + 1)"]],
    "internal/sealing/session": [["this.#begunAt.values().next().value!", "Infinity"]]
  },
  "a window of any size knows as many counters, at least, and of those behind it reads none": {
    "internal/sealing/session": [
      ["Math.ceil(replayWindow / 32)", "Math.floor(replayWindow / 32)"],
      [">= this.#seen.length) return true", ">= 32) return true"]
    ]
  },
  "a ring that makes no sense is refused, without a word of its secrets, and the one before it stays": {
    "internal/sealing/keyRing": [
      ["  if (first === undefined) throw new TypeError(\"a ring has at least one key\")\n", ""],
      ["  if (byId.size < held.length) throw new TypeError(\"two keys of a ring have the same id\")\n", ""],
      ["!Number.isInteger(id) || id < 0 || id > 255", "false"],
      ["!(bytes instanceof Uint8Array) || ", ""],
      [" || bytes.length !== secretBytes", ""]
    ]
  },
  "who changes the bytes of a secret later changes no key": {
    "internal/sealing/keyRing": [["const held = Builtin.crypto().createSecretKey(bytes)", "const held = bytes"]]
  },
  "calls are answered, and nothing of them can be read on the way": {
    "internal/endpoint": [["const sealed = seal(datagram, to)", "const sealed = datagram"]]
  },
  "without the key nothing is answered, nothing is run, and each datagram is counted by its reason": {
    "Protocol": [["? wire.drop(opened, from) : dispatch", "? dispatch(datagram, from) : dispatch"]]
  },
  "a node without keys is silent to a sealed datagram": {
    "Codec": [["types[datagram[0]!]", "types[datagram[0]! & 0xf]"]]
  },
  "a recorded datagram runs its handler no second time, from wherever and however often it is played": {
    "internal/sealing/seal": [["  if (known?.isReplay(counter) === true) return \"Replayed\"\n", ""]]
  },
  "nobody makes a node answer its own call by sending it back": {
    "internal/sealing/seal": [["  if (ownSessions.has(name)) return \"Reflected\"\n", ""]]
  },
  "a node that was started again refuses what was recorded before": {
    "internal/sealing/seal": [["  if ((age - 1) * Now.millisecond >= now) return \"Stale\"\n", ""]]
  },
  "keys change in three steps, node by node, with calls in flight, and no call is lost or sent again": {
    "internal/sealing/seal": [["keys.byId.get(header[1]!)", "keys.first"]]
  },
  "changing keys is a defect of a node without any, and so are keys that make no sense": {
    "Protocol": [[
      "if (seal === undefined) throw new TypeError(\"a protocol without keys has none to change\")\n        seal.rekey(ring)",
      "seal?.rekey(ring)"
    ]]
  },
  "on a network that loses and repeats datagrams every call is answered, and no handler runs twice": {
    "internal/sealing/seal": [["  if (known?.isReplay(counter) === true) return \"Replayed\"\n", ""]]
  },
  "a datagram that arrives damaged is refused, and the call is answered nevertheless": {
    "internal/sealing/cipher": [["    } catch {\n      return undefined", "    } catch {\n      return opened"]]
  }
})

const ofTheCipher: ReadonlyArray<Mutation> = breaks("sealing/Cipher", {
  "is that of RFC 8439, 2.8.2, to the bit": {
    "internal/sealing/cipher": [
      ["nonce, datagram, header), header.length)", "nonce, datagram, header), 0)"],
      [
        "setAAD(header, { plaintextLength: datagram.length })",
        "setAAD(header.subarray(1), { plaintextLength: datagram.length })"
      ]
    ]
  },
  "refuses whatever was changed: body, tag, header or nonce": {
    "internal/sealing/cipher": [["    } catch {\n      return undefined", "    } catch {\n      return opened"]]
  },
  "keeps its key, whatever becomes of the bytes that it was given, and shows it in no log": {
    "internal/sealing/cipher": [[", key.slice())", ", key)"]]
  },
  "is the latter where the runtime has none": {
    "internal/sealing/cipher": [["isNative() ?", "true ?"]]
  }
})

const ofDeno: ReadonlyArray<Mutation> = breaks("socket/Transport", {
  "Deno, which would make a buffer of 4 MiB for each datagram, is not told of a size unless one is asked for": {
    "internal/socket/node": [["  if (Builtin.isDeno()) return\n", ""]]
  },
  "a socket that can't be bound is closed, and the error says why in one of four words": {
    "internal/socket/errors": [["  if (isNotCapable(cause)) return \"PermissionDenied\"\n", ""]]
  }
})

const ofTheWire: ReadonlyArray<Mutation> = [
  ...breaks("Codec", {
    "round-trip, and are what Python's decoder takes: bytes, and None": {
      "Codec": [["= 0xc4 // bin 8", "= 0xc5 // bin 8"], ["  datagram[0] = 3\n", "  datagram[0] = 5\n"]]
    },
    "with another body are malformed": {
      "Codec": [[" && token.length === idBytes", ""], ["return body.success === null ?", "return true ?"]]
    },
    "an integer over 32 bits is unsigned if it is positive, behind": {
      "internal/wire/pack": [
        ["return 2 + ((bytes[offset]!", "return 3 + ((bytes[offset]!"],
        ["return 2 + bytes[offset]!", "return 1 + bytes[offset]!"],
        ["return 5\n", "return 4\n"],
        ["return 9\n", "return 8\n"]
      ]
    }
  }),
  ...breaks("Codec", {
    "follow the request, and are read again": {
      "internal/wire/trailer": [["const millisOffset = 3", "const millisOffset = 2"], [
        "bytes[at - 3] = 2\n",
        "bytes[at - 3] = 3\n"
      ]]
    },
    "may have their integer in any form": {
      "internal/wire/trailer": [
        ["if (token === 0xcd) return 2", "if (token === 0xcd) return 3"],
        ["Math.max(0, Math.floor(millisLeft))", "Math.floor(millisLeft)"]
      ]
    },
    "that are cut, longer, or anything else are trailing bytes": {
      "internal/wire/trailer": [[" || at !== bytes.length)", ")"], ["found !== count || ", ""]]
    },
    "follow requests alone": {
      "internal/wire/unpack": [[" || unpacked.end === bytes.length ?", " || unpacked.end > 0 ?"]]
    }
  }),
  ...breaks("Codec", {
    "a text arrives as it was sent, and none that is not UTF-8": {
      "internal/wire/unpack": [
        ["source[i]! >= 0x80", "source[i]! > 0x80"],
        ["latin1Slice?.call(source, start, position)", "latin1Slice?.call(source, start, position - 1)"],
        ["(_, length) => Array.from({ length }, () => 0)", "(_, length) => Array.from({ length: length - 1 }, () => 0)"]
      ]
    }
  }),
  ...breaks("wire/Heap", {
    "takes what V8 takes for its kind and size": {
      "internal/wire/heap": [[
        "indicesHeap = (size: number): number => 48 + 24 * powerOfTwo(size + (size >> 1))",
        "indicesHeap = (size: number): number => 48 + 24 * powerOfTwo(size)"
      ]]
    }
  }),
  ...breaks("wire/MapKeys", {
    "are one key exactly if a Python dict takes them for one": {
      "internal/wire/mapKeys": [["return \"z\"", "return \"\""]]
    },
    "mean and cost the same when they are read again": {
      "internal/wire/unpack": [
        [" && stands(known, source, position + 1)", ""],
        ["    walk.steps += 1 + length\n", ""],
        ["    charge(walk, textHeap(length, 1))\n", ""],
        ["object[key] !== undefined", "object[key]"]
      ]
    },
    "are not taken for others": {
      "internal/wire/unpack": [
        ["known.length === length && ", ""],
        [" && key.length === length) knownKeys", ") knownKeys"]
      ]
    }
  }),
  ...breaks("wire/PackSmall", {
    "that is released gives its room to the next one, if it was the last, and in its own pool": {
      "internal/wire/packSmall": [
        ["free?.last === datagram", "free !== undefined"],
        ["last?.byteOffset === start && last.length === end - start", "last?.byteOffset === start"],
        ["last?.byteOffset === start && last.length === end - start", "last?.length === end - start"],
        ["return pool.last = new Uint8Array", "pool.last = undefined\n  return new Uint8Array"]
      ]
    },
    "is written as msgpackr writes it where a head changes": {
      "internal/wire/packSmall": [
        ["if (length < 32)", "if (length <= 32)"],
        ["if (value < 0x80)", "if (value <= 0x80)"],
        ["if (value < 0x100)", "if (value <= 0x100)"],
        ["value >> 8", "value >> 7"]
      ]
    },
    "is none of these": {
      "internal/wire/packSmall": [
        ["if (code >= 0x80)", "if (code > 0x80)"],
        ["value < -32", "value < -33"],
        ["value > 0xffff", "value > 0x1_0000"],
        ["items.length > mostItems", "items.length > mostItems + 1"],
        [" || depth === mostDepth", ""],
        [" || length + 2 > end - offset", ""]
      ]
    },
    "is written whole, though a getter": { "internal/wire/packSmall": [["  free = undefined\n", ""]] },
    "is written over no other": { "internal/wire/packSmall": [["  pool.used = end\n", ""]] }
  }),
  ...breaks("wire/MsgpackDangers", {
    "dates and bytes that have a toJSON of their own are written as what they are": {
      "internal/wire/pack": [["useToJSON: false", "useToJSON: true"]]
    },
    "nesting ends at 32, whatever depth is asked for, and before where that is less": {
      "internal/wire/unpack": [["depth < maxDepth ? depth : maxDepth", "depth"]]
    }
  }),
  ...breaks("laws/Gathering", {
    "keep the laws for the seeds": {
      "internal/calling/gather": [["    heard.add(sender)\n", ""]],
      "internal/calling/caller": [
        ["wholeNanosOf(timeout(fiber))", "wholeNanosOf(timeout(fiber)) + 2_000_000"]
      ],
      "internal/serving/handling": [
        ["  request.isGather ||\n", ""],
        ["isGather && outcome !== \"success\" ? undefined : ownAnswer", "ownAnswer"]
      ]
    }
  }),
  ...breaks("socket/Multicast", {
    "says why a group is not joined, and leaves no socket behind": {
      "internal/socket/node": [["      () => socket.close\n", "      () => Effect.void\n"]],
      "internal/socket/group": [["if (ipv6 && !reachesIpv6)", "if (ipv6 && reachesIpv6)"]]
    },
    "is heard by a socket on ::": {
      "internal/socket/node": [["this.ipv6 && !ipv6 ? mappedPrefix : \"\"", "\"\""]]
    },
    "is sent to by the interface that the layer has joined it on": {
      "internal/socket/node": [["    this.#socket.setMulticastInterface(networkInterface)\n", ""]]
    },
    "is left as the layer closes": {
      "internal/socket/node": [["      for (const { socket } of this.#listeners) socket.close()\n", ""]]
    },
    "may be a broadcast address": {
      "internal/socket/node": [
        ["    if (options.broadcast === true) socket.setBroadcast(true)\n", ""],
        ["if (isMulticast) listener.addMembership", "listener.addMembership"]
      ]
    }
  }),
  ...breaks("laws/Cost", {
    "however deep the key of a map nests": {
      "internal/wire/mapKeys": [["items += keyIdentity(item)", "items = JSON.stringify(items + keyIdentity(item))"]]
    },
    "maps with indices for keys only as far as what V8 makes of their copies is bounded": {
      "internal/wire/unpack": [["      if (walk.indexHeap > maxIndexHeap) return fail(walk, \"TooMany\")\n", ""]],
      "internal/wire/requestBody": [["heapBytes + indexHeapBytes", "heapBytes"]],
      "internal/wire/pack": [[" ||\n      8 * walk.places > maxIndexHeap", ""]]
    },
    "keys that are indices": {
      "internal/wire/unpack": [["      if (!indices) hashIndices(object)\n", ""]]
    }
  }),
  ...breaks("schema/Schemas", {
    "wherever in a schema they stand, numbers, bigints, bytes and dates travel as what they are": {
      "internal/schema/wireSchema": [
        ["ast.elements.map(native)", "ast.elements"],
        ["ast.rest.map(native)", "ast.rest"],
        ["ast.types.map(native)", "ast.types"],
        ["native(ast.thunk())", "ast.thunk()"]
      ]
    },
    "what a schema forbids is refused on its way in and out, whatever kind of schema it is": {
      "internal/schema/wireSchema": [["[...ast.encodingChecks ?? [], isMapLike]", "[isMapLike]"]]
    },
    "a schema is compiled once, a recursive one, too": {
      "internal/schema/wireSchema": [["  seen.set(ast, result)\n", ""]]
    },
    "of a schema with several transformations, what travels is native, wherever in the row it stands": {
      "internal/schema/wireSchema": [["encoding.every(", "encoding.some("]]
    },
    "as many entries as a datagram has room for arrive, all of them": {
      "internal/schema/wireSchema": [
        ["map instanceof Map ? [...map]", "map instanceof Map ? [...map].slice(0, 1024)"],
        [
          "encode: (map: ReadonlyMap<unknown, unknown>) => [...map]",
          "encode: (map: ReadonlyMap<unknown, unknown>) => [...map].slice(0, 1024)"
        ]
      ]
    },
    "a version of effect that names its own schemas otherwise is refused": {
      "internal/schema/wireSchema": [[
        "Schema.Date, Schema.ReadonlyMap(Schema.Unknown, Schema.Unknown)]",
        "Schema.Date]"
      ]]
    }
  }),
  ...breaks("schema/JsonSchema", {
    "tells what MessagePack holds beyond JSON, with what is said of it": {
      "internal/schema/wireSchema": [
        [`, "x-msgpack": "int"`, ""],
        [`, "x-msgpack": "bin"`, ""],
        [`, "x-msgpack": "timestamp"`, ""],
        [`, "x-msgpack": "map"`, ""]
      ]
    },
    "tells numbers with their checks, and says nothing of what may be anything": {
      "internal/schema/jsonSchema": [[`key === "type" || `, ""]]
    },
    "of what is recursive is a document that stands by itself": {
      "internal/schema/jsonSchema": [[": { ...document.schema, $defs: document.definitions }", ": document.schema"]]
    },
    "JSON Schema accepts what the codec makes": {
      "internal/schema/wireSchema": [
        [`type: "number"`, `type: "integer"`],
        [`"x-msgpack": "timestamp"`, `"x-msgpack": "bin"`]
      ],
      "internal/schema/jsonSchema": [["toCodecWire(schema)", "schema"]]
    }
  })
]

const ofSockets: ReadonlyArray<Mutation> = [
  ...breaks("socket/Turns", {
    "hands over at its end what a turn has brought, and then sends what was sent": {
      "internal/socket/turns": [
        [
          "if (waiting === 1) setImmediate(this.#handOver)",
          "setImmediate(this.#handOver)\n    if (waiting === 1) this.#handOver()"
        ],
        ["    this.#sent = []\n    try", "    try"],
        ["    this.#arrived = []\n    if", "    if"]
      ]
    },
    "keeps no more than 64 waiting, nor than 32 that are sent": {
      "internal/socket/turns": [
        ["arrived: 64, sent: 32", "arrived: 65, sent: 32"],
        ["arrived: 64, sent: 32", "arrived: 63, sent: 32"],
        ["arrived: 64, sent: 32", "arrived: 64, sent: 33"],
        ["waiting.length === 1", "waiting.length <= 1"]
      ]
    },
    "sends in order, however much each sends": {
      "internal/socket/turns": [["    this.flush()\n    this.#sent = []\n", "    this.flush()\n"]]
    },
    "lets 32 not wait after one that came alone, and then one to see whether it still is": {
      "internal/socket/turns": [
        ["const atOnce = 32", "const atOnce = 31"],
        ["const atOnce = 32", "const atOnce = 33"],
        ["    this.#atOnce--\n", ""]
      ]
    },
    "sends at once what is flushed, what a send sends, and all that follows one that throws": {
      "internal/socket/turns": [
        [
          "    this.#sent = undefined\n    for (const send of waiting) send()\n",
          "    for (const send of waiting) send()\n    this.#sent = undefined\n"
        ],
        [
          "    try {\n      for (const handOver of waiting) handOver()\n    } finally {\n      this.flush()\n    }\n",
          "    for (const handOver of waiting) handOver()\n    this.flush()\n"
        ]
      ]
    }
  }),
  ...breaks("socket/SharedPort", {
    "what shares its port does not call: an answer may reach another worker": {
      "internal/socket/nodePeer": [["    shared: socket.shared,\n", ""]]
    },
    "what shares its port takes no keys: each worker would read what another has read already": {
      "Protocol": [["if (shared && options.keys !== undefined) throw", "if (false) throw"]]
    }
  }),
  ...breaks("socket/Transport", {
    "a socket that can't be bound is closed, and the error says why in one of four words": {
      "internal/socket/node": [
        ["      socket.close()\n      resume(", "      resume("]
      ],
      "internal/socket/errors": [
        ["return \"AddressInUse\"", "return \"Unknown\""],
        ["return \"AddressNotAvailable\"", "return \"Unknown\""]
      ]
    },
    "the receive buffer is as large as the system grants 4 MiB, the send buffer as the system has it, or both as asked":
      {
        "internal/socket/node": [
          ["socket.setSendBufferSize(options.sendBufferBytes)", "socket.setRecvBufferSize(options.sendBufferBytes)"],
          ["    socket.setRecvBufferSize(defaultReceiveBufferBytes)\n", ""]
        ]
      },
    "a buffer that was asked for and is refused is an error, the default one is not": {
      "internal/socket/node": [["  } catch {\n    // Nobody", "  } catch (cause) {\n    throw cause\n    // Nobody"]]
    },
    "what the system says of a send is told in one of five words, with where it was to go": {
      "internal/socket/errors": [
        ["return \"MessageTooLarge\"", "return \"Unknown\""],
        ["return \"Unreachable\"", "return \"Unknown\""],
        ["return \"ConnectionRefused\"", "return \"Unknown\""]
      ]
    },
    "hands over at once what follows one that came alone, and sends together what one turn has brought answers to": {
      "internal/socket/node": [["if (this.#turns.passes())", "if (false)"], ["if (this.#turns.gathers)", "if (false)"]]
    },
    "hands over nothing once it is told to close, though a turn has brought more": {
      "internal/socket/node": [["      this.#onDatagram = undefined\n      this.#turns", "      this.#turns"]]
    },
    "what Node has not sent yet is bounded: what there is no room for is refused, and what is shorter is sent": {
      "internal/socket/node": [
        ["this.#queuedBytes + datagram.length > maxQueuedBytes", "this.#queuedBytes > maxQueuedBytes"],
        [
          "this.#queuedBytes + datagram.length > maxQueuedBytes",
          "this.#queuedBytes + datagram.length >= maxQueuedBytes"
        ]
      ]
    },
    "and so are their bytes": {
      "internal/socket/effect": [
        ["bytes + datagram.length > maxBytes", "bytes > maxBytes"],
        ["bytes + datagram.length > maxBytes", "bytes + datagram.length >= maxBytes"],
        ["      bytes += datagram.length\n", ""]
      ]
    },
    "writes that have ended count no longer": {
      "internal/socket/effect": [[" && writes.delete(waiting)) bytes -= datagram.length", ") writes.delete(waiting)"]]
    },
    "a send is handed to the system at once, and not a tick later": {
      "internal/socket/node": [["{ ...options, lookup: noLookup }", "options"]]
    },
    "leaves nothing of a receiver behind, and each datagram reaches the one that is there": {
      "internal/socket/node": [
        ["        this.#socket.removeListener(\"message\", onMessage)\n", ""],
        ["        this.#socket.removeListener(\"close\", onClose)\n", ""],
        ["        this.#onDatagram = undefined\n", ""]
      ]
    },
    "what is sent while a turn's datagrams are handed over leaves, though the socket closes meanwhile": {
      "internal/socket/node": [["      this.#turns.flush()\n", ""]]
    },
    "a socket that something else closes is closed from then on, and closes once": {
      "internal/socket/node": [
        ["!this.#open || codeOf(cause) === \"ERR_SOCKET_DGRAM_NOT_RUNNING\"", "false"],
        ["      if (!this.#open) return resume(Effect.void)\n", ""]
      ]
    },
    "an error that belongs to no send is nobody's, and the next call is answered": {
      "internal/socket/node": [["    socket.on(\"error\", () => {})\n", ""]]
    }
  }),
  ...breaks("watching/Metrics", {
    "a round trip is the seconds from a call's first transmission to its answer": {
      "internal/watching/metrics": [
        ["      const seconds = elapsed / second\n", "      const seconds = elapsed / 1e6\n"],
        ["if (answered) answeredIn", "answeredIn"]
      ],
      "internal/calling/pendingCall": [[
        "at - call.startedAt, answered",
        "at - (call.retransmission?.sentAt ?? call.startedAt), answered"
      ]]
    },
    "each metric has a unit, what only grows is told apart from what does not, and all that count begin at 0": {
      "internal/watching/series": [
        ["    for (const metric of metrics.values()) metric.valueUnsafe(this.#context)\n", ""]
      ],
      "internal/watching/metrics": [
        ["{ ...attributes, unit }", "attributes"],
        [", incremental: true", ""]
      ],
      "internal/serving/groups": [["      this.#options.metrics.serving(handler.procedure)\n", ""]]
    },
    "how long calls and requests took is told by method and by how they ended": {
      "internal/watching/conventions": [
        ["outcome === \"success\" ? {} : ", ""],
        ["procedure?.fullName ?? otherMethod", "procedure?.method ?? otherMethod"]
      ],
      "internal/watching/metrics": [["elapsed / second)", "elapsed)"]]
    },
    "a handler that keeps the processor has taken that long, though it ends when its request comes": {
      "internal/serving/handling": [["    const at = this.#wire.now()\n", "    const at = request.at\n"]]
    },
    "no stranger makes a series, whatever methods it names and whatever it sends": {
      "internal/serving/admission": [[
        "metrics.requestRefused(\"unknown_method\")",
        "metrics.requestEnded({ fullName: request.method } as never, \"unknown_method\", 0)"
      ]],
      "internal/watching/metrics": [[
        "      if (outcome === \"unknown_method\") requestDurations(otherMethod, outcome).record(0)\n",
        ""
      ]]
    },
    "a call whose answer has an asynchronous schema is counted once that has ended, by how it ended": {
      "internal/calling/pendingCall": [[
        "Effect.onExit(answer, (exit) => Effect.sync(() => count(exit)))",
        "answer"
      ]]
    }
  }),
  ...breaks("watching/Series", {
    "so does one that was taken out alone, but what is in flight is still in flight": {
      "internal/watching/series": [
        ["metric.type === \"Gauge\"", "metric.type !== \"Gauge\""],
        ["? kept?.held : undefined", "? undefined : undefined"],
        ["    if (known === undefined) this.#size++\n", ""]
      ]
    },
    "nodes count together, but those whose programs have attributes of their own": {
      "internal/watching/series": [["= this.#registry.get(name)\n", "= undefined\n"]]
    },
    "a series that was taken out of the registry begins anew": {
      "internal/watching/series": [
        ["    this.#series.push(series)\n", "    void this.#series\n"],
        ["    if (tally.pending !== 0) modify(tally.pending, context)\n", ""],
        ["    tally.pending = 0\n", ""]
      ]
    },
    "begins anew also where it was taken out before anybody looked at how many there are": {
      "internal/watching/series": [["this.#size++", "this.#size--"]]
    },
    "a node that comes later counts in the series that are there, which stay what they are": {
      "internal/watching/series": [["tallies.get(held) ?? ", ""]]
    }
  }),
  ...breaks("watching/Spans", {
    "a call is a span of kind client, a request one of kind server, with OpenTelemetry's attributes": {
      "internal/watching/spans": [
        ["kind: \"server\", ...relationOf(traceparent, remote),", "kind: \"server\","],
        ["known === otherMethod ? system : known", "known"],
        ["outcomeAttributes(outcomeOf(exit))", "{}"]
      ]
    },
    "the span of a request lasts from when it came until it has ended, however it does": {
      "internal/serving/handling": [
        ["    request.span?.failed(Cause.fail(detail))\n", ""],
        ["      request.span?.end(outcome)\n", ""],
        ["    request.span?.failed(cause)\n    // Whoever", "    // Whoever"]
      ],
      "internal/watching/spans": [[" || outcome === \"cancelled\"", ""]]
    },
    "a handler's own spans are children of its request's": {
      "internal/watching/spans": [["Context.add(Tracer.ParentSpan, this.#span), ", ""]]
    },
    "it is enough that one of the handlers, what serves them and the protocol has a tracer, unless handlers are not traced":
      {
        "internal/serving/groups": [
          ["[handler.context, context, this.#options.context]", "[handler.context, context]"],
          ["[handler.context, context, this.#options.context]", "[handler.context, this.#options.context]"]
        ],
        "internal/watching/spans": [
          [", Context.add(Tracer.Tracer, this.#tracer)", ""],
          [" && contexts.every((context) => Context.get(context, References.TracerEnabled))", ""]
        ]
      }
  })
]

const ofNats: ReadonlyArray<Mutation> = breaks("testing/Nat", {
  " ports for three peers at two addresses, the same each time": {
    "testing/nat": [["const key = `${from}>${partOf(to, this.#mapping)}`", "const key = `${from}>${to}`"]]
  },
  " of three peers at two addresses, of which one was sent to": {
    "testing/nat": [["mapping?.sentTo.get(partOf(from, this.#filtering))", "mapping?.sentTo.get(from)"]]
  },
  "forgets a mapping two minutes after its last use, not before (REQ-5)": {
    "testing/nat": [
      ["nat.timeout ?? \"2 minutes\"", "nat.timeout ?? \"30 seconds\""],
      ["    this.#forgetExpired(now)\n    const key", "    const key"]
    ]
  },
  "has a mapping used by what goes out, and by what comes in only where that is said (REQ-6)": {
    "testing/nat": [["if (this.#refreshInbound) this.#use", "this.#use"], ["    mapping.usedAt = now\n", ""]]
  },
  "lets in nobody who was last sent to longer ago than that, though the mapping is used for others": {
    "testing/nat": [[" || now - sentAt >= this.#timeout", ""]]
  },
  "passes on what hosts behind it send to its address, unless it cannot (REQ-9)": {
    "testing/nat": [["if (!this.#hairpinning && ", "if ("], ["nat.hairpinning ?? true", "true"]]
  },
  "that preserves ports gives a socket its own, to whomever it sends, and another one another (REQ-3)": {
    "testing/nat": [["this.#preservePorts && own?.inside === inside", "this.#preservePorts && own !== undefined"]]
  },
  "whatever it is, and whoever sends when, does as its rules say, of all that was sent": {
    "testing/nat": [
      [
        "    this.#ports.delete(mapping.port)\n    this.#ports.set(mapping.port, mapping)\n",
        "    this.#ports.set(mapping.port, mapping)\n"
      ],
      ["      for (const key of mapping.keys) this.#mappings.delete(key)\n", ""]
    ]
  },
  "that was rebooted has no mapping": { "testing/nat": [["    this.#ports.clear()\n", ""]] },
  "a host behind one is heard from its address outside, and who is answered reaches it, nobody else": {
    "testing/nat": [
      ["if (this.#behind.get(hostOf(to)) !== this.#behind.get(hostOf(from))) return undefined", ""]
    ]
  },
  "hosts behind one NAT reach each other without it, and by its address where it hairpins": {
    "testing/nat": [["return box === this.#behind.get(hostOf(to)) ? undefined : box", "return box"]]
  },
  "what passes several NATs has the address of the last": {
    "testing/SimulatedNetwork": [
      [
        "return leave({ ...packet, from: outside.name }, outside)",
        "return send({ ...packet, from: outside.name }, outside)"
      ]
    ]
  },
  "a stopped host behind a NAT neither sends nor receives, nor does any whose NAT is stopped": {
    "testing/SimulatedNetwork": [
      ["if (name !== packet.to && stopped.has(hostOf(name)))", "if (false)"],
      ["box === undefined || stopped.has(hostOf(packet.from))", "box === undefined"]
    ]
  },
  "the seed decides the ports": {
    "testing/SimulatedNetwork": [["`${seed} nat ${host}`", "`nat ${host}`"]]
  }
})

const ofWire: ReadonlyArray<Mutation> = [
  ...breaks("wire/RequestBody", {
    "is followed by nothing, or by a trailer to its last byte": {
      "internal/wire/trailer": [
        ["bytes[at] === 2 && bytes", "bytes"],
        ["bytes[at + 1] === 0xc4 && ", ""],
        ["token < 0x80", "token <= 0x80"]
      ]
    },
    "says of longer waits than 32 bits hold that they are as long as those": {
      "internal/wire/trailer": [["Math.min(Math.max(0, Math.floor(millisLeft)), mostMillis)", "Math.floor(millisLeft)"]]
    },
    "takes what its values take, and what a schema makes of the indices of its maps": {
      "internal/wire/requestBody": [["heapBytes + indexHeapBytes", "heapBytes"]]
    }
  }),
  ...breaks("wire/MapKeys", {
    "are made once, where they are short": {
      "internal/wire/unpack": [["knownKeys[slot] = key", "knownKeys[slot] = undefined"]]
    },
    "of more than 31 bytes are read anew, also where all of them are as their length is": {
      "internal/wire/unpack": [["length < 2 || length > 31", "length < 2"]]
    }
  })
]

const ofPresets: ReadonlyArray<Mutation> = breaks("testing/SimulatedNetwork", {
  "the preset ${name} has the delays, the loss and the sizes that its documentation says": {
    "testing/SimulatedNetwork": [
      ["[\"0.1 millis\", \"0.5 millis\"]", "[\"0.1 millis\", \"5 millis\"]"],
      ["loss: 0.002", "loss: 0"],
      ["mtu: 1400", "mtu: 1500"]
    ]
  },
  "what reaches a socket at once fills its buffer for a tick, also between two ticks": {
    "testing/SimulatedNetwork": [["const tick = Math.floor(nanos() / tickNanos)", "const tick = nanos()"]]
  }
})

const ofTestTime: ReadonlyArray<Mutation> = breaks("testing/whileTimePasses", {
  "time goes from sleep to sleep, and stands still when the effect has ended": {
    "testing/whileTimePasses": [
      ["Effect.raceFirst(Fiber.await(fiber), TestClock.adjust(atMost))", "TestClock.adjust(atMost)"]
    ]
  },
  "an effect that takes some turns before it sleeps, and between its sleeps, loses no time": {
    "testing/whileTimePasses": [["    yield* untilSleeping\n", ""]]
  },
  "what does not end is interrupted at the bound, and a defect": {
    "testing/whileTimePasses": [["    yield* Fiber.interrupt(fiber)\n", ""]]
  }
})

const ofSimulation: ReadonlyArray<Mutation> = breaks("testing/SimulatedNetwork", {
  "sockets of one host share its bandwidth to another, and what is longer than the queue goes when nothing waits": {
    "testing/SimulatedNetwork": [
      ["Math.max(settings.queue ?? defaultQueueBytes, size)", "(settings.queue ?? defaultQueueBytes)"],
      ["`${hostOf(packet.from)}>${hostOf(packet.to)}`", "`${packet.from}>${packet.to}`"]
    ]
  },
  "each forged datagram has its own chances, and the same seed the same": {
    "testing/SimulatedNetwork": [[".count = forged++", ".count = forged"]]
  },
  "what a rebound socket sends goes the ways of its new address, with their settings and their chances": {
    "testing/SimulatedNetwork": [["        bound.ways.clear()\n", ""]]
  },
  "a delay that is changed is that of all that is sent from then on, in the network or on a link": {
    "testing/SimulatedNetwork": [
      ["          baseDelay = drawDelay(base)\n", ""],
      ["way.delay = way.settings === base ? baseDelay : drawDelay(way.settings)", ""]
    ]
  },
  "nothing arrives within the send, as on a real network": {
    "testing/SimulatedNetwork": [["return queueMicrotask(() => arrive(flight))", "return arrive(flight)"]]
  },
  "what is on its way when the network goes never arrives, and nothing waits for it": {
    "testing/SimulatedNetwork": [["  yield* Effect.addFinalizer(() => Effect.sync(() => alarm.off()))\n", ""]]
  },
  "a setting that is given as undefined is left out: it stays as it was": {
    "testing/SimulatedNetwork": [[".filter(([, value]) => value !== undefined)", ""]]
  },
  "what was told of the network stays as it was told": {
    "testing/SimulatedNetwork": [["({ ...stats })", "stats"], ["trace.slice()", "trace"]]
  },
  "what is damaged differs in one byte, always": {
    "testing/SimulatedNetwork": [["1 + Math.floor(by * 255)", "Math.floor(by * 256)"]]
  },
  "where there is no byte none is damaged": {
    "testing/SimulatedNetwork": [[" && packet.payload.length > 0", ""]]
  },
  "a port of the network's choice is a free one of those for it, however often it is asked": {
    "testing/SimulatedNetwork": [
      ["port === 65_535 ? ephemeralPort : port + 1", "port + 1"],
      ["if (!sockets.has(nameOf({ host, port }))) return port", "return port"]
    ]
  },
  "what is sent to a group reaches all of its port that have joined it and not left": {
    "testing/groups": [
      [".filter(({ address }) => address.port === port)", ""],
      ["return () => members.delete(member)", "return () => members.size"]
    ]
  },
  "a broadcast reaches all of IPv4 with its port, the sender too, and none behind a NAT": {
    "testing/groups": [[".filter(isIpv4)", ""]],
    "testing/nat": [["if (this.#behind.get(hostOf(to)) !== this.#behind.get(hostOf(from))) return undefined", ""]]
  },
  "a socket that closes is of no group any more": {
    "testing/SimulatedNetwork": [["          groups.leave(bound)\n", ""]]
  },
  "a rebound socket that closes leaves its new address, and not its old one": {
    "testing/SimulatedNetwork": [["sockets.delete(bound.name)\n        }\n", "sockets.delete(name)\n        }\n"]]
  }
})

/** The laws of `test/laws/laws.ts` and `lawsUnderAttack.ts`, over the seeds that `npm test` runs. */
const ofAllSeeds: ReadonlyArray<Mutation> = [
  ...breaks("laws/Laws", {
    "hold for the seeds": {
      "internal/calling/caller": [
        ["wholeNanosOf(timeout(fiber))", "wholeNanosOf(timeout(fiber)) + 1_000_000"],
        ["wholeNanosOf(timeout(fiber))", "wholeNanosOf(timeout(fiber)) - 500_000"]
      ],
      "internal/calling/pendingCall": [
        ["for (const call of this.#calls.clear()) this.end(call, Exit.fail(error))", "this.#calls.clear()"],
        ["    this.#count(call, \"interrupted\", this.#now(), false)\n", ""]
      ],
      "internal/endpoint": [["      metrics.dropped(reason)\n", ""]],
      "internal/serving/handling": [[
        "Option.isNone(error) || procedure.error",
        "Option.isSome(error) || procedure.error"
      ], ["        this.#expire(request)\n", ""]],
      "internal/wire/unpack": [["if (depth >= walk.deepest)", "if (depth >= 1)"]],
      "internal/serving/challenges": [["this.#held.take(number)", "this.#held.take(number - 1)"]],
      "internal/slots": [["    thing.nextInSlot = this.#slots[slot]\n", "    thing.nextInSlot = undefined\n"]],
      "internal/serving/memory": [["this.#options.window <= now", "this.#options.window / 2 <= now"]],
      "internal/serving/senders": [
        ["this.#challenges.take(", "true || this.#challenges.take("],
        ["    this.#ofSenders.take(budget.hash, bytes, now)\n", ""]
      ],
      "internal/serving/admission": [["heapBytes: request.heapBytes", "heapBytes: 0"]],
      "internal/serving/suspended": [["this.requests >= requests ||", ""]]
    }
  }),
  ...breaks("laws/Hostile", {
    "a handler runs at most once per call, under loss, repetition and replay": {
      "internal/serving/admission": [[
        "if (suspended.find(hash, datagram, idOffset) !== undefined) return",
        "if (false) return"
      ]],
      "internal/serving/handling": [[
        "if (isRemembered(request, outcome, answer)) this.#memory?.add(hash, id, kept, budget.hash, at)",
        ""
      ]]
    },
    "whoever floods in the name of a caller does not keep it from being answered": {
      "internal/serving/senders": [["this.#challenges.take(", "this.#replies.take("]]
    },
    "slow requests that are forged in the name of a caller leave room for its own": {
      "internal/serving/admission": [["room === \"proven\" && !proven", "room === \"proven\""]]
    },
    "retransmission, 99.9% of calls are answered within 5 s at a loss of 20% each way": {
      "internal/calling/retransmission": [
        ["    this.#options.send(datagram, peer)\n", ""],
        ["times * Duration.toMillis(measuredTimeout)", "times * Duration.toMillis(timeout)"],
        [
          "least = Math.min(least, Duration.toMillis(timeout))",
          "if (least === Infinity) least = Duration.toMillis(timeout)"
        ]
      ],
      "internal/calling/roundTrips": [["clamp(2 * timeout)", "clamp(2 * (now - sentAt))"]]
    },
    "what reaches those that prove nothing stays within the budgets of each, its network and all": {
      "internal/serving/senders": [
        ["    this.#ofNetworks.take(budget.networkHash, bytes, now)\n", ""],
        ["    this.#ofAll.take(0, bytes, now)\n", ""]
      ]
    }
  })
]

const ofTheTool: ReadonlyArray<Mutation> = [
  ...breaksTool("Signature", {
    "has arguments, result and error in a line": {
      "src/signature.ts": [
        ["`${nameOf(name)}${needed.has(name) ? \"\" : \"?\"}: ", "`${nameOf(name)}: "],
        ["i < Number(minItems) ? typeOf(each) : ", "i < 9 ? typeOf(each) : "],
        [`["timestamp", "date"]`, `["time", "date"]`],
        ["uses.get(reference) === 1", "uses.get(reference) === 0"]
      ]
    },
    "has what is recursive below it": {
      "src/signature.ts": [["new Set([...taken.definitions", "([...taken.definitions"]]
    },
    "grows with the length of what is told, whoever makes it up": {
      "src/signature.ts": [["if (!told.has(name)) {", "{"], [`      told.set(name, "")\n`, ""]]
    },
    "is nothing that a terminal obeys, and no line more than one": {
      "src/signature.ts": [
        ["/^[\\w./:-]+$/.test(text) ? text : Value.format(text)", "text"],
        ["if (typeof type === \"string\") return nameOf(type)", "if (typeof type === \"string\") return type"],
        ["`${type} ${Value.format(description)}`", "`${type} ${description}`"],
        ["forms.get(form) ?? nameOf(form)", "forms.get(form) ?? form"]
      ]
    }
  }),
  ...breaksTool("Rates", {
    "has what was counted, a second, and what runs and waits now": {
      "src/rates.ts": [
        ["brief(sumOf(growth) / seconds)", "brief(sumOf(growth))"],
        ["brief(count / seconds)", "brief(count)"],
        ["1000 * sumOf(", "sumOf("],
        ["label !== \"success\" && count > 0", "count > 0"],
        ["series !== name && !series.startsWith(`${name}{`)", "!series.startsWith(name)"]
      ]
    },
    "counts from 0 again where the process has begun anew": {
      "src/rates.ts": [["grown < 0 ? value : grown", "grown"]]
    },
    "says nothing in words where nothing fails": {
      "src/rates.ts": [["words.filter(([, growth]) => growth.size > 0)", "words"]]
    }
  }),
  ...breaksTool("Watch", {
    "prints a row for each interval, below one header, with what a node does meanwhile": {
      "src/watch.ts": [["`http://${typed}/metrics`", "`http://${typed}/`"]]
    },
    "ends after as many rows as it is told to print": {
      "src/watch.ts": [["rows === 0 || (isTerminal && rows % rowsOfHeader === 0)", "rows % rowsOfHeader === 0"]]
    },
    "says in one line why there is nothing to watch": {
      "src/watch.ts": [
        ["if (!Rates.isOurs(reading))", "if (false)"],
        ["if (!response.ok)", "if (false)"]
      ]
    }
  }),
  ...breaksTool("Describe", {
    "prints a line for each method, below the group that it is of": {
      "src/describe.ts": [["members.flatMap(Signature.linesOf)", "methods.flatMap(Signature.linesOf)"]],
      "src/serve.ts": [["if (reflection) others.push", "if (!reflection) others.push"]]
    },
    "prints a line of JSON for each method, for programs": {
      "src/describe.ts": [["Effect.forEach(methods, Output.json, { discard: true })", "Output.json(methods)"]]
    },
    "says where a node does not say what it serves, and where none answers": {
      "src/describe.ts": [["error.reason === \"UnknownMethod\"", "error.reason === \"Overloaded\""]]
    }
  }),
  ...breaksTool("Call", {
    "prints the value alone on stdout": {
      "src/node.ts": [["traffic.receivedBytes += datagram.length", "traffic.receivedBytes++"]]
    },
    "fails in one line, with an exit code for each kind of failure": {
      "src/output.ts": [["say(message.replace(/\\s*\\n\\s*/g, \" \"))", "say(message)"]],
      "src/calling.ts": [["error._tag === \"Rejected\" && error.reason === \"Failed\"", "false"]]
    },
    "has the exit codes that its README has": {
      "src/Failure.ts": [["Unresolved: 10", "Unresolved: 12"]]
    },
    "at its IPv4 address": {
      "src/node.ts": [[
        "addresses.find(({ address }) => NetAddress.isIpv4Address(address)) ?? addresses[0]",
        "addresses[0]"
      ]]
    },
    "sends again what was lost": {
      "src/call.ts": [["      tries.count = transmission.transmissions\n", ""]]
    },
    "nothing where NO_COLOR is set": {
      "src/output.ts": [["NO_COLOR === \"\" && ", ""]]
    },
    "shows a value over several lines, and colours": {
      "src/output.ts": [["process.stderr.isTTY && TERM !== \"dumb\"", "false"]]
    },
    "is as late as it is told to be, each way, or never heard": {
      "src/serve.ts": [["setTimeout(deliver, late)", "deliver()"], ["    if (random() < loss) return\n", ""]]
    }
  }),
  ...breaksTool("Ping", {
    "takes any answer for a sign of life": {
      "src/ping.ts": [["    case \"Rejected\":\n", ""], ["    case \"Failed\":\n", ""]]
    },
    "says what came so far, and so does its exit code": {
      "src/output.ts": [["return 130", "return 1"]],
      "src/ping.ts": [["Effect.ensuring(Effect.suspend(", "Effect.tap(Effect.suspend("]]
    },
    "is silent where nobody reads what it says": {
      "src/main.ts": [["if (error.code !== \"EPIPE\") throw error", "throw error"]]
    },
    "shows how it goes each second, also while nobody answers": {
      "src/load.ts": [["Effect.delay(line, \"1 second\")", "Effect.delay(line, \"10 seconds\")"]]
    },
    "at a rate, makes each call when it is due, however many wait": {
      "src/load.ts": [["begin + BigInt(Math.round(made * 1e9 / rate))", "begin"]]
    }
  }),
  ...breaksTool("Decode", {
    "reads stdin, digits apart or not": {
      "src/decode.ts": [["text.replace(/[\\s:]/g, \"\")", "text"]]
    },
    "says why a datagram is none, and fails once all are told": {
      "src/decode.ts": [["          if (\"malformed\" in said) malformed.count++\n", ""]]
    }
  }),
  ...breaksTool("Value", {
    "is exact where a double is not": {
      "src/value.ts": [["integer > most || integer < -most", "false"]]
    }
  }),
  ...breaksTool("Wireshark", {
    "has the time since its request, to the nanosecond": {
      "wireshark/rpcudp.lua": [["(seconds - whole) * 1e9 + 0.5", "(seconds - whole) * 1e9 + 1.5"]]
    },
    "that cancels a call is linked with its request": {
      "wireshark/rpcudp.lua": [["elseif call.cancel == nil and pinfo.visited then", "elseif pinfo.visited then"]]
    },
    "with a trailer shows how long its caller waits": {
      "wireshark/rpcudp.lua": [["trailer.trace(16, 8)", "trailer.trace(15, 8)"]]
    },
    "belongs to nobody else's call": {
      "wireshark/rpcudp.lua": [["caller_port, tostring(peer), peer_port", "caller_port"]]
    },
    "that is malformed is marked with the reason": {
      "wireshark/rpcudp.lua": [
        ["    if seen[key.identity] then return refuse(walk, \"DuplicateKey\") end\n", ""],
        ["first == 0xe0 and 0xa0 or 0x80", "0x80"],
        ["found == 0 or byte(start) ~= 0x80 + found or position ~= stop", "position ~= stop"],
        ["is_followed and shapes[type] == is_request and read_trailer", "is_followed and read_trailer"]
      ]
    },
    "of another protocol is left to that": {
      "wireshark/rpcudp.lua": [["  pinfo.conversation = rpcudp\n", ""]]
    }
  })
]

/** Of the package's core. */
const breaksKademlia = (test: string, laws: Laws): ReadonlyArray<Mutation> =>
  breaksAt((file) => `packages/kademlia/${file}.ts`, `packages/kademlia/test/${test}.test.ts`, laws)

/** Where a node meets the network, its storage and its program. */
const ofKademliasEdge: ReadonlyArray<Mutation> = [
  ...breaksKademlia("Ending", {
    "is given up at the limit, not before": {
      "commands/ending": [
        ["      yield* giveUp(", "      void ("],
        ["Effect.timeoutOption(limit)", "Effect.timeoutOption(0)"],
        ["Effect.forkDetach(program)", "Effect.forkDetach(Effect.uninterruptible(program))"]
      ]
    },
    "ends as it does by itself, once its finalizers have": {
      "commands/ending": [
        ["Effect.tap(() => rest), ", ""],
        ["      if (Option.isSome(ended)) return yield* ended.value\n", ""]
      ]
    },
    "a program that nobody stops ends as it does by itself": {
      "commands/ending": [["      if (Exit.isSuccess(waited)) return yield* waited.value\n", ""]]
    }
  }),
  ...breaksKademlia("Commands", {
    "ends though the disk hangs that has": {
      "commands/main": [
        ["  endingWithin({ limit, rest: endOfRequests, giveUp: killed }),\n", ""],
        ["/^(FSReq|GetAddrInfoReq)/", "/^GetAddrInfoReq/"]
      ]
    }
  }),
  ...breaksKademlia("MapServer", {
    "the map ends when it is told to, though somebody listens to its events": {
      "map/server": [["        disablePreemptiveShutdown: true\n", ""]]
    }
  }),
  ...breaksKademlia("Table", {
    "does not charge a contact with the silence of another address": {
      "src/core/RoutingTable": [
        ["    if (entry.contact.name !== name) return false\n", ""],
        ["contact.id === id && contact.name === name)", "contact.id === id)"]
      ]
    }
  }),
  ...breaksKademlia("Turns", {
    "are taken so many at once, and go round": {
      "src/core/Turns": [
        [
          "    if (this.#queues.delete(turn.network) && senders!.size > 0) this.#queues.set(turn.network, senders!)\n",
          ""
        ],
        ["    if (senders!.delete(turn.sender) && queue!.size > 0) senders!.set(turn.sender, queue!)\n", ""]
      ]
    },
    "of the node itself come first": {
      "src/core/Turns": [["    return () => this.#own.delete(turn)", "    return () => {}"]]
    },
    "do not call deeper and deeper": {
      "src/core/Turns": [["    if (this.#isGoing) return\n", ""]]
    },
    "are shared equally where too many wait": {
      "src/core/Shares": [
        ["this.#networks.countOf(network) + 1", "this.#networks.countOf(network)"],
        ["senders.countOf(sender) + 1", "senders.countOf(sender)"],
        [
          "return senders.countOf(neighbour.sender) > senders.countOf(sender) + 1 ? neighbour : undefined",
          "return undefined"
        ]
      ]
    },
    "a private network counts as as many": {
      "src/core/Turns": [[
        "{ sender, vicinity }: Contact): Holder => ({ network: vicinity,",
        "{ network, sender }: Contact): Holder => ({ network,"
      ]]
    }
  }),
  ...breaksKademlia("FailingStorage", {
    "what others stored is gone in time, what was published stays": {
      "src/core/Values": [
        ["if (removed !== \"failed\") {", "{"],
        ["(entry === \"failed\") return end()", "(entry === \"failed\") return this.#drop(key, end)"],
        ["        if (entry === \"failed\") return end(false)\n", ""]
      ]
    }
  }),
  ...breaksKademlia("SlowStorage", {
    "who asks for a pair a second gets it": {
      "src/core/Values": [[
        "return this.#writing.takeFirst((done) => {",
        "return this.#writing.take(nobody, (done) => {"
      ]],
      "src/core/Serving": [["{ atOnce: 128, waiting: 2_048 }", "{ atOnce: 4, waiting: 2_048 }"]]
    },
    "is not kept from that by eight networks": {
      "src/core/Values": [["take(holderOf(from), (done)", "take(nobody, (done)"]]
    }
  }),
  ...breaksKademlia("PriorityQueue", {
    "the first is the earliest": {
      "src/core/PriorityQueue": [
        ["      if (child + 1 < nodes.length && this.isBefore(nodes[child + 1]!, nodes[child]!)) child++\n", ""],
        [" || (a.at === b.at && a.order < b.order)", ""],
        ["this.#indexes.get(item) ?? this.#nodes.length", "this.#nodes.length"]
      ]
    }
  }),
  ...breaksKademlia("Holdings", {
    "each network's turn comes before": {
      "src/core/Holdings": [["    due.turnAt = now\n", ""]]
    },
    "is due again, and what is gone is not": {
      "src/core/Holdings": [["    this.#deleteDue(holding)\n", ""]]
    },
    "is found without a look at all": {
      "src/core/PriorityQueue": [[
        "    return this.#nodes[0]\n",
        "    return this.#nodes.toSorted((a, b) => this.isBefore(a, b) ? -1 : 1)[0]\n"
      ]]
    },
    "an IPv6 /64 of which a part is private is one sender of each network": {
      "src/core/Holdings": [["`${network} ${sender}`", "`${network && \"\"}${sender}`"]]
    }
  }),
  ...breaksKademlia("Core", {
    "as if it were new where the clock was set back": {
      "src/core/Values": [
        ["Math.min(holding.expiresAt, now + expireAfter)", "holding.expiresAt"],
        ["Math.min(holding.republishAt, now + ", "Math.max(holding.republishAt, now + "],
        ["if (holding.republishAt > now)", "if (entry.republishAt > now)"],
        ["{ ...entry, expiresAt, republishAt }", "{ ...entry, republishAt }"]
      ]
    },
    "are left out of a list, which counts for the rest": {
      "src/core/Contacts": [["reaches(this.#address, contact) && ", ""]],
      "src/Contact": [[" ||\n  (NetAddress.isIpv6Address(own) && NetAddress.isUnspecified(own))", ""]]
    },
    "is the same value though it is no number": {
      "src/core/Values": [["Object.is(a, b) || ", ""]]
    }
  }),
  ...breaksKademlia("Upkeep", {
    "is not kept busy by those that no longer wait for it": {
      "src/internal/driver": [
        ["return giveUp === undefined ? undefined : Effect.sync(giveUp)", "return"],
        ["Effect.onInterrupt(Fiber.join(fiber), () => Fiber.interrupt(fiber))", "Fiber.join(fiber)"]
      ]
    }
  }),
  ...breaksKademlia("Shortlist", {
    "whose contacts could not be sent to": {
      "src/core/Lookup": [["if (answer.isUnsent) this.#shortlist.unsent(candidate)\n        else this", "this"]],
      "src/core/Shortlist": [["this.#drop(candidate, \"unsent\")", "this.#drop(candidate, \"failed\")"]]
    }
  }),
  ...breaksKademlia("Storage", {
    "takes no place": {
      "src/StorageLevel": [
        ["              Effect.onError(() => Effect.sync(() => isNew && keys.delete(key))),\n", ""],
        ["isNew && keys.delete(key)", "keys.delete(key)"]
      ]
    },
    "is kept aside where it is damaged": {
      "src/State": [["  yield* fs.rename(file, `${file}.damaged`)\n", ""]]
    },
    "says why, and what to do": {
      "src/StorageLevel": [["`${why}. ${mend}`", "why"]]
    },
    "has what can be read of it, and takes the rest anew": {
      "src/StorageLevel": [["    onDamaged(key)\n", ""]]
    }
  }),
  ...breaksKademlia("Strangers", {
    "may hold what is none": {
      "src/Contact": [[" || typeof ip !== \"string\" || typeof port !== \"number\"", ""]]
    }
  }),
  ...breaksKademlia("Driver", {
    "failures for a call that": {
      "src/internal/driver": [
        ["error !== undefined && unsent.has(error._tag)", "false"],
        ["unsent.has(error._tag)", "true"]
      ],
      "src/core/Contacts": [["    if (isUnsent) return\n", ""]]
    },
    "goes on though what it asks": {
      "src/internal/driver": [
        ["Effect.catchCause(lost)", "Effect.catch((error) => lost(Cause.fail(error)))"],
        [
          "Effect.catchCause((cause) => this.#failed(cause)),\n          Effect.flatMap((entry)",
          "Effect.catchDefect((defect) => this.#failed(Cause.die(defect))),\n          Effect.flatMap((entry)"
        ]
      ]
    },
    "is logged once a minute": {
      "src/internal/driver": [["      if (now - this.#loggedAt < 60_000) return Effect.succeed(\"failed\")\n", ""]]
    },
    "misses the oldest, and they do not fill the memory": {
      "src/internal/events": [["PubSub.sliding<Event>(maxBehind)", "PubSub.unbounded<Event>()"]]
    },
    "that ends is interrupted, and so is who asks afterwards": {
      "src/internal/driver": [["this.#options.run(answer)\n", "Effect.runFork(answer)\n"]]
    }
  })
]

const ofKademlia: ReadonlyArray<Mutation> = ([
  [
    "Admission",
    "fills no places, though contacts leave",
    "    if (next !== undefined) this.#ask(next, false, now, contact)\n",
    "    if (next !== undefined) {\n      this.#remove(contact)\n      this.#place(next, \"answer\", now)\n    }\n"
  ],
  ["Admission", "at whose address another id answers", "      this.#askWaiting(contact, now)\n", ""],
  [
    "Admission",
    "counts for each ping, and one that waits",
    "replaces = this.#options.table.replaceable(contact.id)",
    "replaces = undefined"
  ],
  [
    "Admission",
    "counts for each ping, and one that waits",
    "if (this.#options.table.failed(contact, calls)) this.#askWaiting(contact, now)",
    "this.#options.table.failed(contact, calls)"
  ],
  [
    "Admission",
    "has none if it answers with another id; an address",
    "} else if (id === contact.id) {",
    "} else {"
  ],
  ["Admission", "is pinged once more when it is silent", "isSilent && silent < tries", "isSilent && silent <= tries"],
  ["Admission", "is pinged once more when it is silent", "isSilent && silent < tries", "silent < tries"],
  [
    "Admission",
    "waits for a slot, and has it when a ping is over",
    "    if (next !== undefined) this.#outputs.push({ _tag: \"Ping\", ping: next })\n",
    ""
  ],
  [
    "Admission",
    "is asked itself, once in five minutes",
    "const questionPause = 300_000",
    "const questionPause = 299_000"
  ],
  [
    "Admission",
    "loses its place if another id answers",
    "      if (id === contact.id) return void",
    "      return void"
  ],
  [
    "Admission",
    "keeps it if it was heard from before",
    "entry?.contact === contact && table.isStale(entry)",
    "entry?.contact === contact"
  ],
  [
    "Admission",
    "the silence of a contact that is asked counts",
    "this.#failed(contact, tries, now)",
    "this.#failed(contact, 1, now)"
  ],
  [
    "Admission",
    "is pinged once more when it is silent",
    "    if (!isSilent) this.#refusing.note(contact.name, now)\n",
    ""
  ],
  ["Admission", "is pinged once more when it is silent", "if (!isSilent) this.#refusing", "this.#refusing"],
  [
    "Admission",
    "is not shown by an answer within ten minutes",
    "this.#heard.has(name, now) ? \"answer\" : \"proof\"",
    "\"proof\""
  ],
  ["Admission", "is not shown by an answer within ten minutes", "    this.#heard.note(name, now)\n", ""],
  ["Admission", "that nothing of it came before", "isReachable ? \"proof\" : by", "by"],
  ["Admission", "is asked once it was silent for ten minutes", " && entry.answeredAt <= now - holeSpan", ""],
  ["Admission", "is asked once it was silent for ten minutes", "!entry.isReachable && ", ""],
  ["Admission", "is no longer known when it has become stale", "!table.isStale(entry) && ", ""],
  ["Admission", "is no longer known when it has become stale", "known.failures > 0 && ", "false && "],
  ["Reachability", "and not on the word of one", "const strangersNeeded = 2", "const strangersNeeded = 1"],
  ["Reachability", "that it has sent to within ten minutes", "holeSpan = 600_000", "holeSpan = 500_000"],
  [
    "Reachability",
    "peers of five networks have not asked",
    "const patience = 2 * holeSpan",
    "const patience = holeSpan"
  ],
  ["Reachability", "peers of five networks have not asked", "const absentNeeded = 5", "const absentNeeded = 6"],
  ["Reachability", "cannot tell where they are fewer", "const absentNeeded = 5", "const absentNeeded = 4"],
  ["Reachability", "cannot tell where they are fewer", "if (hasPinged) count++", "count++"],
  ["Reachability", "cannot tell where they are fewer", "now - sentAt < patience", "now - sentAt < 0"],
  ["Reachability", "holds for four hours", "now - this.#since >= validity", "now - this.#since > validity"],
  ["Reachability", "holds for four hours", "peer.hasPinged = false", "peer.hasPinged = true"],
  ["Reachability", "changes as soon as strangers call it", "else if (this.#verdict === undefined && ", "else if ("],
  ["Rejoining", "ten contacts that answer are enough", "Math.min(fewContacts, k)", "fewContacts"],
  ["Rejoining", "in vain, it is tried after one minute", "Math.min(longestPause, ", "Math.max(0, "],
  ["Rejoining", "what brought somebody is tried again at once", "after > before ? 0 : ", ""],
  [
    "Rejoining",
    "the pauses begin anew after there were enough",
    "    this.#pause = 0\n    return false",
    "    return false"
  ]
] as const).map(([room, name, find, replace]) => ({
  file: `packages/kademlia/src/core/${room}.ts`,
  find,
  replace,
  test: { file: `packages/kademlia/test/${room}.test.ts`, name }
}))

/** Of its table. */
const ofTheTable: ReadonlyArray<Mutation> = ([
  ["difference === 0 && order(other.contact.id, entry.contact.id) < 0", "difference === 0"],
  ["difference > 0 || (", "("],
  ["    if (found.length > count) found.length = count\n", ""],
  ["!entry.isReachable || isOut(entry)", "isOut(entry)", "whom others are told of"],
  ["reachable.length === count ? reachable : ", "", "whom others are told of"],
  ["failures > 0 || unless", "unless", "whom others are told of"],
  ["if (side !== Distance.bit(target, tree.depth)) count", "count", "counts who is closer"],
  ["      count += sizeOf(this.#treeAt(index))\n", "", "counts who is closer"],
  ["else after.unshift(index)", "else after.push(index)"],
  ["      if (found.length >= count) break\n", "      if (found.length > 0) break\n"],
  ["      if (index === place) break\n", "", "counts who is closer"],
  ["bucket === this.#own || bucket.depth", "bucket.depth", "has two contacts of a public network"],
  ["if (order(contact.id, id) < 0) count++", "count++", "counts who is closer"],
  ["    if (this.find(but.id) !== undefined) add(but.id, -1)\n", "", "keeps its laws"],
  ["add(contact.id, 1)", "add(contact.id, 0)", "keeps its laws"],
  ["      if (by === \"call\") return \"known\"\n", "", "whom others are told of"],
  ["if (by === \"call\") return \"known\"", "if (by === \"call\") entry.failures = 0", "whom others are told of"],
  [
    "      if (by === \"call\") return \"known\"\n      const { entries } = this.bucketOf(contact.id)\n      entries.splice(entries.indexOf(entry), 1)\n      entry.answeredAt = now\n",
    "      const { entries } = this.bucketOf(contact.id)\n      entries.splice(entries.indexOf(entry), 1)\n      entry.answeredAt = now\n      entries.push(entry)\n      if (by === \"call\") return \"known\"\n      entries.pop()\n",
    "questions who answered longest ago"
  ]
] as const).map(([find, replace, name = "the closest"]) => ({
  file: "packages/kademlia/src/core/RoutingTable.ts",
  find,
  replace,
  test: { file: "packages/kademlia/test/Table.test.ts", name }
}))

/** Of the parts that the core of a node wires, which are told and asked by way of it. */
const ofTheCore: ReadonlyArray<Mutation> = ([
  ["Lookups", "what is answered later is of its peer alone", "      if (search.isOver) return\n", ""],
  ["Lookups", "asks the three oldest contacts", "entries.slice(0, 3)", "entries.slice(0, 4)"],
  ["Lookups", "asks the three oldest contacts", "this.#contacts.named(named)", "void named"],
  [
    "Joining",
    "calls a gate three times",
    "        if (answer.isSilent && tries > 1) this",
    "        if (answer.isSilent) this"
  ],
  ["Joining", "calls a gate three times", "        if (closest.length === 0) return then(0)\n", ""],
  ["Joining", "calls a gate three times", "      }, maxTries)", "      })"],
  ["Joining", "joins again by way of its gates", "    this.#seeds = addresses\n", ""],
  [
    "Upkeep",
    "looks an id of its own bucket up after an hour",
    "lookedUp <= this.#shared.now",
    "lookedUp <= 1 + this.#shared.now"
  ],
  [
    "Upkeep",
    "asks the three oldest contacts",
    "() => this.#maintain(() => this.#goOn())",
    "() => this.#maintain(() => {})"
  ],
  ["Serving", "itself not among them", "contact.id === caller.id || !mayCall(caller, contact)", "false"],
  [
    "Serving",
    "of contacts a caller is told first",
    "contact.id === caller.id || !mayCall(caller, contact)",
    "contact.id === caller.id"
  ],
  [
    "Serving",
    "of contacts a caller is told first",
    "contact.id === caller.id || mayCall(caller, contact)",
    "mayCall(caller, contact)"
  ],
  [
    "Serving",
    "wants no place and keeps nothing",
    "reachability.verdict === \"unreachable\" ? undefined : self",
    "self"
  ],
  [
    "Serving",
    "wants no place and keeps nothing",
    "if (reachability.verdict !== \"unreachable\") return",
    "return"
  ],
  ["Values", "hands over what it has kept", "reachability.verdict === \"unreachable\" && due?.own === false", "false"],
  ["Values", "what it publishes itself while", "this.#holdings.get(key)?.own === false", "true"],
  [
    "Values",
    "though it could not be read",
    "(entry === \"failed\") return end()",
    "(entry === \"failed\") return this.#drop(key, end)"
  ],
  ["Values", "ten minutes later", "retryAfter = 600_000", "retryAfter = 600_001"],
  ["Values", "though it could not be removed", "if (removed !== \"failed\") {", "{"],
  [
    "Values",
    "and what is damaged is removed",
    "if (entry === undefined) return this.#drop(key, end)",
    "if (entry === undefined) return end()"
  ],
  ["Values", "while it cannot be read", "        if (entry === \"failed\") return end(false)\n", ""],
  ["Values", "goes a part at a time", "while (this.#calls > 0)", "while (true)"],
  ["Values", "goes a part at a time", "if (++count % pauseEach === 0)", "if (++count < 0)"],
  ["Values", "goes a part at a time", "Math.max(calls, leastCalls)", "calls"],
  ["Values", "is answered to whoever looks for it", " && entry.expiresAt > this.#shared.now", ""],
  ["Values", "and not where it has failed", "if (written === \"full\")", "if (written !== \"kept\")"],
  ["HandOver", "once all that is kept is known", "    this.#turns.takeFirst((done) => this.#endLoading = done)\n", ""],
  ["Turns", "is not written where nobody waits", "return () => this.#remove(turn)", "return () => {}"],
  ["Values", "is read and written for so many", "    }, () => then(false))", "    }, () => {})"],
  ["Serving", "is read and written for so many", "        done()\n        answer(kept)", "        answer(kept)"],
  ["Turns", "is read and written for so many", "this.#waiting >= this", "this.#waiting > this"],
  ["HandOver", "is looked at with 255 others at once", "lookedAtOnce = 256", "lookedAtOnce = 257"],
  ["HandOver", "is looked at with 255 others at once", "else this.#shared.sleep(pause, handPiece)", "else handPiece()"],
  [
    "HandOver",
    "no faster than 20 pairs a second",
    "if (left > 0) this.#shared.sleep(left, done)\n          else done()",
    "done()"
  ],
  ["HandOver", "no faster than 20 pairs a second", "leastMillis = 50", "leastMillis = 49"],
  ["HandOver", "is handed to another newcomer after a minute", " || this.#shared.now >= endsAt", ""],
  ["HandOver", "is handed to another newcomer after a minute", "maxMillis = 60_000", "maxMillis = 58_000"],
  ["Values", "only if one is silent", "if (called > 0 && silent === 0) end(", "if (called > 0) end("],
  ["Values", "the closest that had it not is given", "closest: [nearest], hops", "closest: [, nearest], hops"],
  ["Turns", "is written in one turn", "    if (this.#busy === this.#limits.atOnce) return undefined\n", ""],
  ["Shared", "events come only while somebody watches", "if (this.isWatched) this", "this"]
] as const).map(([room, name, find, replace]) => ({
  file: `packages/kademlia/src/core/${room}.ts`,
  find,
  replace,
  test: { file: "packages/kademlia/test/Core.test.ts", name }
}))

/** Of a node behind a NAT, among others. */
const ofHiddenNodes: ReadonlyArray<Mutation> = ([
  ["core/Upkeep", "knows it", "    reachability.judge(now)\n", ""],
  ["core/Upkeep", "never takes itself for one that cannot", "    contacts.verify()\n", ""],
  ["core/Upkeep", "keeps its mapping alive", "    if (left <= 0) this.#parts.contacts.greet()\n", ""]
] as const).map(([file, name, find, replace]) => ({
  file: `packages/kademlia/src/${file}.ts`,
  find,
  replace,
  test: { file: "packages/kademlia/test/Nat.test.ts", name }
}))

const breaksExample = (test: string, laws: Laws): ReadonlyArray<Mutation> =>
  breaksAt((file) => `examples/${file}.ts`, `examples/${test}.test.ts`, laws)

const ofTheExamples: ReadonlyArray<Mutation> = [
  ...breaksExample("all-cores/supervisor", {
    "waits longer each time that a worker ends soon": {
      "all-cores/supervisor": [
        ["Effect.exit(worker)", "Effect.ignore(worker)"],
        ["Duration.times(pause, 2)", "Duration.times(pause, 1)"],
        ["longestPause = Duration.seconds(5)", "longestPause = Duration.seconds(6)"],
        ["Effect.sleep(pause)", "Effect.void"]
      ]
    },
    "starts a worker at once that has lived for 10 seconds": {
      "all-cores/supervisor": [
        ["whileLong = Duration.seconds(10)", "whileLong = Duration.seconds(11)"],
        ["whileLong = Duration.seconds(10)", "whileLong = Duration.seconds(9)"]
      ]
    }
  }),
  ...breaksExample("cluster/frontNode", {
    "takes a key for one order": {
      "cluster/frontNode": [["taken.quantity !== quantity", "false"]],
      "cluster/Item": [[
        "  primaryKey: ({ key }) => key\n",
        "  primaryKey: ({ key, quantity }) => `${key} ${quantity}`\n"
      ]]
    },
    "refuses what there is not": {
      "cluster/frontNode": [["taken.left === null", "false"]],
      "cluster/Item": [[" AND stock >= ${quantity}", ""]]
    },
    "rejects what no database takes": {
      "cluster/Inventory": [
        ["[\\x20-\\x7e]{1,100}", "[^]{1,100}"],
        ["{1,100}", "+"],
        ["{1,100}", "{0,100}"],
        ["minimum: 1,", "minimum: 0,"],
        ["maximum: 1_000_000", "maximum: 2 ** 31"]
      ]
    },
    "knows a key until it is pruned as its page says": {
      "cluster/Item": [[
        "  .annotate(ClusterSchema.Persisted, true)\n",
        "  .annotate(ClusterSchema.Persisted, false)\n"
      ]]
    },
    "handles an order again whose handler died": {
      "cluster/Item": [["  defectRetryPolicy: Schedule.spaced(\"100 millis\")\n", ""]]
    },
    "acknowledges no order by the reply of another": {
      "cluster/frontNode": [["taken.key !== key || taken.item !== item", "false"]]
    },
    "that gets no reply from the cluster says so": {
      "cluster/frontNode": [["      Effect.timeout(\"4 seconds\"),\n", ""]]
    },
    "says that its database is away": {
      "cluster/frontNode": [
        ["      Effect.catchCause((cause) => new Unavailable({ reason: String(Cause.squash(cause)) }))\n", ""]
      ]
    }
  })
]

/** Of the simulation by events. */
const ofTheEvents: ReadonlyArray<Mutation> = ([
  ["events", "lose as many datagrams", "    if (random() < this.#options.loss) return\n", ""],
  [
    "events",
    "lose as many datagrams",
    "this.#after(timeout, () => end(silent))",
    "this.#after(timeout / 2, () => end(silent))"
  ],
  ["events", "run by ", "this.#ids.delete(member.contact.id)", ""],
  [
    "events",
    "have hostile nodes do as much harm",
    "if (called.kind !== undefined) this.#mislead(called.kind, target, answer)\n          else if",
    "if"
  ],
  [
    "events",
    "have hostile nodes do as much harm",
    "if (kind === \"mute\") this.#after(Hostile.lateness, name)\n    else ",
    ""
  ],
  ["events", "a key is held by all", ".slice(0, this.#options.k)\n", ".slice(0, 10)\n"],
  ["events", "what they are sent for", "    this.#causes = noMessages()\n", ""],
  ["events", "what they are sent for", "this.#count(cause, Sizes.ofAnswer(answer))", ""],
  ["figures", "what they are sent for", "age >= from * hour", "age >= 2 * from * hour"],
  ["figures", "nothing is found where nothing is looked for", "numbers.length === 0 ? 0 : ", ""],
  ["churn", "in IPFS is less than 8 hours", "** (1 / shape)", "** shape"],
  ["churn", "in Kad is less than an hour", "169.5385 / 60", "169.5385"],
  ["churn", "for those that are met is longer", "      let left = 500 * scale\n", "      let left = 0\n"]
] as const).map(([file, name, find, replace]) => ({
  file: `packages/kademlia/simulation/${file}.ts`,
  find,
  replace,
  test: { file: "packages/kademlia/test/Simulation.test.ts", name }
}))

const ofTheSizes: ReadonlyArray<Mutation> = ([
  ["a request has the size", "request[output.kind]", "request.node"],
  ["an answer has the size", "(contacts.length > 15 ? 2 : 0)", "0"],
  ["an answer has the size", "27 + name.lastIndexOf(\":\")", "27 + name.length"]
] as const).map(([name, find, replace]) => ({
  file: "packages/kademlia/simulation/sizes.ts",
  find,
  replace,
  test: { file: "packages/kademlia/test/Sizes.test.ts", name }
}))

export const mutations: ReadonlyArray<Mutation> = [
  ...ofCalling,
  ...ofServing,
  ...ofKeys,
  ...ofTheCipher,
  ...ofDeno,
  ...ofTheWire,
  ...ofSockets,
  ...ofNats,
  ...ofWire,
  ...ofPresets,
  ...ofTestTime,
  ...ofSimulation,
  ...ofTheTool,
  ...ofKademlia,
  ...ofTheTable,
  ...ofKademliasEdge,
  ...ofHiddenNodes,
  ...ofTheCore,
  ...ofTheExamples,
  ...ofTheEvents,
  ...ofTheSizes,
  ...ofAllSeeds
]
