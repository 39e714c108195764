/**
 * What attacks on each peer found, in words: an attack is sent by `benchmark/attacks.ts`, and what is found here was read from its
 * output and from the source of each peer. `page.ts` makes ATTACKS.md of it. Figures of floods differ by some percent from run to run.
 */
/** A peer that is attacked. */
export type Name = "rpcudp" | "dht-rpc" | "k-rpc-socket" | "ours"

export interface Finding {
  /** The heading of its section. */
  readonly title: string
  /** The attack of `benchmark/attacks.ts` that measures it: the beginning of its title. */
  readonly run: string
  /** What was sent. */
  readonly sent: string
  /** What each peer did. */
  readonly found: Readonly<Record<Name, string>>
  /** The tests that show what ours does. */
  readonly tests: ReadonlyArray<{ readonly file: string; readonly names: ReadonlyArray<string> }>
}

export const findings: ReadonlyArray<Finding> = [
  {
    title: "Forged answer, id known",
    run: "forged answer",
    sent: "An answer with the right id, from another address or another port. The attacker is on the path, or " +
      "is a peer that was called before.",
    found: {
      rpcudp: "taken from any address and any port: `_accept_response` (`rpcudp/protocol.py`) looks up the id " +
        "alone",
      "dht-rpc": "taken from any address and any port: `IO.onmessage` (`lib/io.js`) compares the 16-bit `tid` " +
        "alone, never `from` with `to`",
      "k-rpc-socket":
        "not from another address, but from any port of the same one: `onmessage` (`index.js`) compares " +
        "`peer.host` alone",
      ours: "not taken; a peer with another address or port is another one. `matchSender: false` gives that up"
    },
    tests: [{ file: "test/support/conformance.ts", names: ["an answer counts only from the address that was called"] }]
  },
  {
    title: "Forged answer, id guessed",
    run: "forged answer",
    sent: "65,536 answers with guessed ids within 2 s, with the peer's address forged.",
    found: {
      rpcudp: "not taken: the id is 160 bits (`sha1(os.urandom(32))`)",
      "dht-rpc": "taken: ids have 16 bits (`IO.createRequest`), and no address need be forged",
      "k-rpc-socket": "taken: ids have 16 bits (`RPC.prototype.query`)",
      ours: "not taken: 160 random bits"
    },
    tests: [
      { file: "test/support/conformance.ts", names: ["an answer counts only from the address that was called"] },
      { file: "test/calling/CallTable.test.ts", names: ["gives no id that a call has"] }
    ]
  },
  {
    title: "Forged answer, id predicted",
    run: "forged answer",
    sent: "One answer by a peer that was called once before and so has seen an id.",
    found: {
      rpcudp: "not possible",
      "dht-rpc": "taken: `tid` counts up by one (`this._tid++`) over all peers",
      "k-rpc-socket": "taken: `++this._tick`, from 1",
      ours: "not possible"
    },
    tests: [{ file: "test/support/conformance.ts", names: ["an answer counts only from the address that was called"] }]
  },
  {
    title: "Late answer",
    run: "late and duplicate answer",
    sent: "An answer after the deadline of its call.",
    found: {
      rpcudp: "dropped, a line of log each (93 bytes)",
      "dht-rpc": "dropped",
      "k-rpc-socket": "dropped",
      ours: "dropped and counted; a line of log only at debug"
    },
    tests: [{
      file: "test/time/Time.test.ts",
      names: ["an answer at 4,999 ms counts, one after the deadline does not"]
    }]
  },
  {
    title: "100 answers to one call",
    run: "late and duplicate answer",
    sent: "The right answer, a hundred times.",
    found: {
      rpcudp: "the first counts; a line of log for each other (9.4 kB)",
      "dht-rpc": "the first counts",
      "k-rpc-socket": "the first counts",
      ours: "the first counts, nothing is logged"
    },
    tests: [{
      file: "test/support/conformance.ts",
      names: ["an answer counts only from the address that was called, once"]
    }]
  },
  {
    title: "One request 100 times",
    run: "a request 100 times",
    sent: "The same datagram a hundred times, to a quick handler and to a handler of 1 s.",
    found: {
      rpcudp: "runs 100 / 100 times, 100 / 100 answers: `_accept_request` keeps no ids",
      "dht-rpc": "100 / 100, 100 / 100: `IO.onmessage` hands on each",
      "k-rpc-socket": "100 / 100, 100 / 100: `onmessage` emits each",
      ours: "runs 1 / 1 times, 100 / 1 answers: what runs is not started again"
    },
    tests: [{
      file: "test/serving/Admission.test.ts",
      names: [
        "a request that comes again is answered as it was, and not run again",
        "while its handler runs, it is ignored"
      ]
    }, {
      file: "test/laws/Hostile.test.ts",
      names: ["a handler runs at most once per call, under loss, repetition and replay"]
    }]
  },
  {
    title: "10,000 calls given up",
    run: "10,000 calls given up",
    sent: "Nothing hostile: a program makes 10,000 calls and interrupts them. Half of them are answered later.",
    found: {
      rpcudp: "all 10,000 stay in `_outstanding` forever, whether answered later (half were) or timed out: " +
        "`_accept_response` and `_timeout` call `set_result` on the cancelled future, which throws before " +
        "their `del`; 600 bytes of log a call (6.0 MB)",
      "dht-rpc": "cancelled by `session.destroy`: nothing stays. `request()` alone cannot be cancelled: all 10,000 " +
        "stay in flight, and the node's next call did not end within 30 s: it stands behind them in a " +
        "window of 80 sends per 750 ms (`CongestionWindow`), four sends a call, which is 6 minutes for " +
        "these",
      "k-rpc-socket":
        "no call stays (`cancel`); the 10,000 slots of `_ids` stay for reuse, and each answer is looked up " +
        "in them by `indexOf`",
      ours: "nothing stays; the answers that come nevertheless are dropped and counted"
    },
    tests: [{
      file: "test/support/conformance.ts",
      names: ["a call that was interrupted is forgotten: its answer is late"]
    }, { file: "test/laws/laws.ts", names: ["once all has ended, nothing is left"] }]
  },
  {
    title: "Flood of one sender, quick handler",
    run: "flood from one sender, quick handler",
    sent: "20,000 requests a second for 3 s from one sender. Beside it another sender asks every 20 ms and " +
      "waits a second for each answer.",
    found: {
      rpcudp: "1.7-2.5 s, 93-100% (worst 19 ms): what is lost is lost in the kernel's default buffer of 212,992 " +
        "bytes. No limit",
      "dht-rpc": "0.7-0.9 s, 100% (worst 15 ms). No limit",
      "k-rpc-socket": "1.6-1.8 s, 99% (worst 30 ms), the same buffer. No limit",
      ours: "0.7 s, 100% (worst 44 ms). What is sent to the flooder stays within its budget until it proves " +
        "its address"
    },
    tests: [{
      file: "test/serving/Admission.test.ts",
      names: ["requests of one sender: a second's worth at once, then as many as time brings, and others unharmed"]
    }]
  },
  {
    title: "Flood of one sender, handler of 1 s",
    run: "flood from one sender, handler of 1 s",
    sent: "10,000 requests a second for 3 s from one sender. Beside it another sender asks every 20 ms.",
    found: {
      rpcudp: "9,886 at once; RSS 25 -> 49 MiB; 91%. No limit (`asyncio.ensure_future` for each datagram, and " +
        "another for each request)",
      "dht-rpc": "10,119 at once; RSS 78 -> 118 MiB; 100%. No limit (`emit(\"request\")`)",
      "k-rpc-socket": "10,157 at once; RSS 76 -> 156 MiB; 85-100%. No limit (`emit(\"query\")`)",
      ours:
        "768 at once (a quarter of 1,024 is kept for requests that answer a challenge), the others are challenged; RSS 126 -> 175 MiB; 100%"
    },
    tests: [{
      file: "test/serving/Admission.test.ts",
      names: ["handlers of one sender, whatever its port, leave room for those of another"]
    }]
  },
  {
    title: "Flood from 50,000 senders, quick handler",
    run: "flood from 50,000 senders, quick handler",
    sent: "10,000 requests a second from 50,000 forged addresses.",
    found: {
      rpcudp: "ran 50,000 times; keeps nothing of a sender; 100% of another's calls",
      "dht-rpc": "ran 50,000 times; some 250 addresses that proved nothing enter its routing table (`_onrequest` -> " +
        "`_addNodeFromNetwork`: the id has to be the hash of the address, which anybody can compute), " +
        "bounded by k = 20 a row; 100%",
      "k-rpc-socket": "ran 50,000 times; keeps nothing; 100%",
      ours: "ran 50,000 times; keeps 384 KiB of buckets for all of them; 100% (worst 15 ms)"
    },
    tests: [{ file: "test/laws/Hostile.test.ts", names: ["a caller among 50,000 forged senders gets its answers"] }, {
      file: "test/serving/Senders.test.ts",
      names: ["of those who have proven nothing, no name is kept"]
    }]
  },
  {
    title: "Flood from 50,000 senders, handler of 1 s",
    run: "flood from 50,000 senders, handler of 1 s",
    sent: "The same, to a handler that takes a second.",
    found: {
      rpcudp: "10,226 at once; RSS 25 -> 44 MiB; 88-95% of another's calls",
      "dht-rpc": "10,411 at once; RSS 78 -> 160 MiB; 100%",
      "k-rpc-socket": "10,260 at once; RSS 76 -> 206 MiB; 98-100%",
      ours: "11,355 at once, of 12,288 at most; RSS 124 -> 273 MiB, heap the same afterwards; 100% (worst 123 " +
        "ms): a caller proves its address and has the last quarter"
    },
    tests: [{ file: "test/laws/Hostile.test.ts", names: ["a caller among 50,000 forged senders gets its answers"] }, {
      file: "test/serving/Admission.test.ts",
      names: ["the last quarter of the handlers is for requests that have answered a challenge of their own"]
    }]
  },
  {
    title: "Amplification by what a handler returns",
    run: "amplification",
    sent: "Requests with a forged address for the longest answer that a handler may give: one, and 2,000 a " +
      "second.",
    found: {
      rpcudp: "28 -> 60,024 bytes (2,144x), 120 MB/s: only requests have a limit (`func` in `__getattr__`), " +
        "responses none (`_accept_request`)",
      "dht-rpc": "11 -> 60,045 bytes (5,459x), 120 MB/s: `_sendReply` has no limit",
      "k-rpc-socket": "56 -> 60,056 bytes (1,072x), 120 MB/s: `send` has no limit",
      ours: "29 -> 8,024 bytes (277x) for one request; to one forged address 64 KiB/s after a burst of 256 KiB " +
        "(0.2 MB/s in the first seconds), however many requests"
    },
    tests: [{
      file: "test/laws/Hostile.test.ts",
      names: ["what reaches those that prove nothing stays within the budgets of each, its network and all"]
    }]
  },
  {
    title: "Amplification by what the library answers itself",
    run: "amplification",
    sent: "Requests that the library answers without a handler.",
    found: {
      rpcudp: "nothing is answered",
      "dht-rpc": "`find_node` 43 -> 131 bytes (3.0x) with a full table, from any address; `ping_nat` answers to a " +
        "port that the sender names (`_onrequest`)",
      "k-rpc-socket": "nothing is answered",
      ours: "`UnknownMethod` 31 -> 37 bytes (1.2x), within the same budget"
    },
    tests: [{
      file: "test/support/conformance.ts",
      names: ["a failure frame is never over 64 bytes longer than the request it answers"]
    }]
  },
  {
    title: "Work that the wire puts off",
    run: "work that the wire itself puts off",
    sent: "100,000 requests that ask to be answered later, where the wire knows such.",
    found: {
      rpcudp: "nothing: its wire knows no such request",
      "dht-rpc": "100,000 requests of 16 bytes ask to be answered in 10 s: 100,000 timers, heap 9.8 -> 88 MiB, RSS " +
        "78 -> 221 MiB: `_ondelayedping` (`index.js`) bounds the delay, not their number",
      "k-rpc-socket": "nothing: its wire knows no such request",
      ours: "nothing: its wire knows no such request"
    },
    tests: []
  },
  {
    title: "Garbage: does the node die?",
    run: "garbage",
    sent: "44, 24, 32 and 44 kinds of datagrams that no peer sends, each a hundred times.",
    found: {
      rpcudp: "no",
      "dht-rpc": "no: `Request.decode` and `decodeReply` catch all, and read lengths against the datagram",
      "k-rpc-socket":
        "**dies** of two kinds of a few bytes each: of one at once, of the other in an endless loop of its " +
        "decoder until the heap is full. Which they are is not said here, as they may be unknown to its " +
        "maintainers. From then on nobody is answered",
      ours: "no"
    },
    tests: [{ file: "test/wire/MsgpackDangers.test.ts", names: ["msgpackr's dangers"] }, {
      file: "test/laws/Corpus.test.ts",
      names: ["no input of the corpus breaks a law"]
    }]
  },
  {
    title: "Garbage: the most expensive",
    run: "garbage",
    sent: "The kind of garbage that takes most CPU.",
    found: {
      rpcudp: "1,200 lists in each other, 1,229 bytes: 30 ms of CPU and 179 kB of log **each** (146x): u-msgpack " +
        "has no limit of depth, so a `RecursionError` ends `_solve_datagram`, and asyncio logs a thousand " +
        "frames (\"Task exception was never retrieved\"). 100 of them and nobody else is answered for 4.4 s; " +
        "some 33 a second keep it busy for good",
      "dht-rpc": "at most 0.2 ms each",
      "k-rpc-socket": "10,000 lists in each other: 2.4 ms each; the stack overflows inside of the `try`",
      ours: "at most 0.5 ms (measured in steps of 10 ms per 100), for a datagram of 64 KB; nesting ends at 32, " +
        "a body at 8,192 bytes"
    },
    tests: [{ file: "test/laws/Cost.test.ts", names: ["no datagram costs more than it brings"] }, {
      file: "test/wire/MsgpackDangers.test.ts",
      names: ["nesting ends at 32, whatever depth is asked for"]
    }]
  },
  {
    title: "Garbage: what is logged",
    run: "garbage",
    sent: "The kind of garbage that is logged most.",
    found: {
      rpcudp: "450 to 2,500 bytes for each malformed datagram (a traceback), u-msgpack's and the handler's alike",
      "dht-rpc": "nothing",
      "k-rpc-socket": "nothing (a `warning` event)",
      ours: "nothing, unless debug is on; a handler that dies 400 bytes each, 100 times a second"
    },
    tests: [{
      file: "test/serving/Handling.test.ts",
      names: ["of handlers that die, 100 a second are logged, and all are counted"]
    }, {
      file: "test/watching/Logs.test.ts",
      names: ["a drop is logged at debug with its sender and its reason, and not at all above debug"]
    }]
  },
  {
    title: "Garbage: what is answered",
    run: "garbage",
    sent: "The kinds of garbage that are answered.",
    found: {
      rpcudp: "bytes after the value, unknown extensions, 60,000 arguments (over its own limit of 8 KiB, which " +
        "it only checks on sending)",
      "dht-rpc": "a wrong token or an unknown command by an error; a wrong id like none",
      "k-rpc-socket":
        "a dictionary with `__proto__` as a key: it becomes the prototype of what was decoded (`dict[...]` " +
        "in `decode.dictionary`; `Object.prototype` stays as it is)",
      ours: "well-formed requests alone: for `__proto__` and the like `UnknownMethod`, for arguments that do " +
        "not fit `InvalidArguments`"
    },
    tests: [{ file: "test/wire/MsgpackDangers.test.ts", names: ["a prototype's name is a key like any other"] }, {
      file: "test/support/conformance.ts",
      names: ["what Python ignores is not answered, but for what our failure frame answers"]
    }]
  },
  {
    title: "Source port 0",
    run: "garbage",
    sent: "A request whose source port is 0.",
    found: {
      rpcudp: "the handler runs for an answer that cannot be sent",
      "dht-rpc": "dropped (`IO.onmessage`)",
      "k-rpc-socket": "dropped (`onmessage`)",
      ours: "dropped"
    },
    tests: [{
      file: "test/serving/Admission.test.ts",
      names: ["of a request from port 0 nothing is run, and nothing is sent there, whatever came"]
    }]
  },
  {
    title: "The node's own address as the sender",
    run: "garbage",
    sent: "100 requests that claim to come from the node itself.",
    found: {
      rpcudp: "the handler runs 100 times; its answers come back and are dropped; no loop",
      "dht-rpc": "as rpcudp",
      "k-rpc-socket": "as rpcudp",
      ours: "the handler runs 100 times, within the limits; no loop"
    },
    tests: [{
      file: "test/serving/Admission.test.ts",
      names: ["a request that claims to come from the node itself is answered once, and the answer goes no further"]
    }, { file: "test/serving/Challenges.test.ts", names: ["a node that is made to answer itself is soon silent"] }]
  },
  {
    title: "A handler that throws",
    run: "a handler that throws",
    sent: "A request whose handler throws.",
    found: {
      rpcudp: "lives, answers nothing, 570 bytes of log with the trace",
      "dht-rpc": "**the process ends**: `_onrequest` emits the event from the socket's callback without a `try`",
      "k-rpc-socket": "**the process ends**: so does `onmessage`",
      ours: "lives; answers `Defect` (30 bytes), without text or trace"
    },
    tests: [{
      file: "test/support/conformance.ts",
      names: ["a handler that dies, throws, or gives what it must not is a Defect, without a word of why"]
    }]
  },
  {
    title: "A handler that never answers",
    run: "a handler that never answers",
    sent: "20,000 requests to a handler that never ends.",
    found: {
      rpcudp: "all that arrived (18,700) run on; RSS 25 -> 70 MiB; no limit",
      "dht-rpc": "20,000 run on; heap 9.8 -> 23 MiB; no limit",
      "k-rpc-socket": "20,000 run on; heap 9.0 -> 30 MiB; no limit",
      ours: "768 run on, the others are challenged; others are answered; RSS 125 -> 149 MiB"
    },
    tests: [{
      file: "test/support/conformance.ts",
      names: ["a handler that hangs harms nobody else, and its caller waits no longer than it wants to"]
    }, {
      file: "test/support/conformance.ts",
      names: ["over its limit of handlers a node refuses requests, and only then"]
    }]
  },
  {
    title: "Replay",
    run: "replay",
    sent: "A recorded request after 2 minutes, from the same and from another address.",
    found: {
      rpcudp: "runs both times",
      "dht-rpc": "runs both times (its tokens, which expire after 15 s at the latest, guard only what a program " +
        "checks them for)",
      "k-rpc-socket": "runs both times",
      ours: "within a minute, from the same address: answered again, not run. Later, or from another address: " +
        "runs; with keys it does not"
    },
    tests: [{
      file: "test/serving/Admission.test.ts",
      names: [
        "it is remembered for a minute, and not longer",
        "the same id of another address, or another port, is another request"
      ]
    }, {
      file: "test/sealing/Keys.test.ts",
      names: ["a recorded datagram runs its handler no second time, from wherever and however often it is played"]
    }]
  }
]
