-- Wireshark's view of RPC over UDP, as Python's rpcudp and effect-rpcudp speak it. It needs Wireshark or tshark 4.0 or later.
--
--     request   0x00  id[20]     msgpack([method, args])  [msgpack({1: milliseconds, 2: trace[25]}), or one of the two]
--     response  0x01  id[20]     msgpack(value)
--     failure   0x02  id[20]     msgpack([kind, detail])
--     challenge 0x03  id[20]     msgpack(token: 20 bytes)
--     proof     0x04  token[20]  msgpack(nil)
--     cancel    0x05  id[20]     msgpack(nil)
--     gather    0x06  id[20]     msgpack([method, args])  [trailer]
--     sealed    0x10  key[1]  session[12]  counter[6]  time[6]  ciphertext  tag[16]
--
-- There is no port of its own, so it looks at all UDP datagrams, and takes those that are whole frames; from then on, all
-- that the two ends exchange. What is sealed cannot be read here.

local rpcudp = Proto("rpcudp", "RPC over UDP")

local REQUEST, RESPONSE, FAILURE, CHALLENGE, PROOF, CANCEL, GATHER, SEALED = 0, 1, 2, 3, 4, 5, 6, 0x10

local TYPES = {
  [REQUEST] = "Request",
  [RESPONSE] = "Response",
  [FAILURE] = "Failure",
  [CHALLENGE] = "Challenge",
  [PROOF] = "Proof",
  [CANCEL] = "Cancel",
  [GATHER] = "Gather",
  [SEALED] = "Sealed"
}

-- In bytes.
local HEADER = 21
local LONGEST = HEADER + 8192
local SEAL = 1 + 1 + 12 + 6 + 6
local TAG = 16

-- W3C's trace context: the trace's id, that of the caller's span, flags.
local TRACE = 16 + 8 + 1

-- How deep containers may nest. A scalar has depth 0.
local DEEPEST = 32

---------------------------------------------------------------------------------------------------------------------------
-- fields
---------------------------------------------------------------------------------------------------------------------------

local fields = {
  type = ProtoField.uint8("rpcudp.type", "Type", base.HEX, TYPES),
  id = ProtoField.bytes("rpcudp.id", "Id"),
  method = ProtoField.string("rpcudp.method", "Method"),
  kind = ProtoField.string("rpcudp.kind", "Kind"),
  token = ProtoField.bytes("rpcudp.token", "Token"),
  -- What may follow the body of a request.
  trailer = ProtoField.none("rpcudp.trailer", "Trailer"),
  millis_left = ProtoField.uint32("rpcudp.millis_left", "The caller waits, in milliseconds"),
  trace_id = ProtoField.bytes("rpcudp.trace_id", "Trace id"),
  span_id = ProtoField.bytes("rpcudp.span_id", "Id of the caller's span"),
  trace_flags = ProtoField.uint8("rpcudp.trace_flags", "Trace flags", base.HEX),
  -- What is linked.
  request = ProtoField.framenum("rpcudp.request_in", "Request in", base.NONE, frametype.REQUEST),
  response = ProtoField.framenum("rpcudp.response_in", "Answer in", base.NONE, frametype.RESPONSE),
  cancel = ProtoField.framenum("rpcudp.cancel_in", "Cancelled in", base.NONE, frametype.NONE),
  first = ProtoField.framenum("rpcudp.first_in", "First sent in", base.NONE, frametype.RETRANS_PREV),
  challenge = ProtoField.framenum("rpcudp.challenge_in", "Challenge in", base.NONE, frametype.REQUEST),
  time = ProtoField.relative_time("rpcudp.time", "Time since the request"),
  -- Of values.
  array = ProtoField.uint32("rpcudp.array", "Array"),
  map = ProtoField.uint32("rpcudp.map", "Map"),
  text = ProtoField.string("rpcudp.text", "Text"),
  bytes = ProtoField.bytes("rpcudp.bytes", "Bytes"),
  uint = ProtoField.uint64("rpcudp.uint", "Integer"),
  int = ProtoField.int64("rpcudp.int", "Integer"),
  float = ProtoField.double("rpcudp.float", "Float"),
  boolean = ProtoField.bool("rpcudp.boolean", "Boolean"),
  null = ProtoField.none("rpcudp.nil", "Nil"),
  timestamp = ProtoField.absolute_time("rpcudp.timestamp", "Timestamp", base.UTC),
  -- Of what is sealed.
  key = ProtoField.uint8("rpcudp.key", "Key"),
  session = ProtoField.bytes("rpcudp.session", "Session"),
  counter = ProtoField.uint64("rpcudp.counter", "Counter"),
  sealed_at = ProtoField.absolute_time("rpcudp.sealed_at", "Sealed at", base.UTC),
  ciphertext = ProtoField.bytes("rpcudp.ciphertext", "Ciphertext"),
  tag = ProtoField.bytes("rpcudp.tag", "Tag")
}

rpcudp.fields = fields

local experts = {
  malformed = ProtoExpert.new("rpcudp.malformed", "Malformed", expert.group.MALFORMED, expert.severity.ERROR),
  cut = ProtoExpert.new("rpcudp.cut", "The capture has only the beginning", expert.group.UNDECODED, expert.severity.NOTE),
  again = ProtoExpert.new("rpcudp.again", "Sent again", expert.group.SEQUENCE, expert.severity.NOTE),
  unanswered = ProtoExpert.new("rpcudp.unanswered", "Not answered in this capture", expert.group.SEQUENCE, expert.severity.WARN),
  unasked = ProtoExpert.new("rpcudp.unasked", "No request in this capture", expert.group.SEQUENCE, expert.severity.NOTE)
}

rpcudp.experts = experts

rpcudp.prefs.ports = Pref.range("UDP ports", "", "Ports whose datagrams are taken whatever they look like", 65535)

local taken = ""

function rpcudp.prefs_changed()
  local ports = DissectorTable.get("udp.port")
  if taken ~= "" then ports:remove(taken, rpcudp) end
  taken = rpcudp.prefs.ports
  if taken ~= "" then ports:add(taken, rpcudp) end
end

---------------------------------------------------------------------------------------------------------------------------
-- MessagePack: https://github.com/msgpack/msgpack/blob/master/spec.md
---------------------------------------------------------------------------------------------------------------------------

-- A walk over one value: { buffer, raw, position, stop, refusal, refused_at }. Once it is refused, nothing more is read. A
-- value is { kind, text, identity, hashable, item } and its content: `text` is for people, `identity` is equal for two keys
-- that Python takes for one.

local read

local function refuse(walk, reason)
  if walk.refusal == nil then
    walk.refusal = reason
    walk.refused_at = math.min(walk.position, walk.stop - 1)
  end
end

local function advance(walk, bytes)
  if bytes > walk.stop - walk.position then
    refuse(walk, "Truncated")
    return nil
  end
  local range = bytes > 0 and walk.buffer(walk.position, bytes) or nil
  walk.position = walk.position + bytes
  return range
end

local function length(walk, width)
  local range = advance(walk, width)
  return range and range:uint() or 0
end

local function is_utf8(text)
  local position, stop = 1, #text
  while position <= stop do
    local first = text:byte(position)
    local more, least, most
    if first < 0x80 then
      more, least, most = 0, 0x80, 0xbf
    elseif first >= 0xc2 and first <= 0xdf then
      more, least, most = 1, 0x80, 0xbf
    elseif first >= 0xe0 and first <= 0xef then
      -- No overlong form, no half of a surrogate pair.
      more, least, most = 2, first == 0xe0 and 0xa0 or 0x80, first == 0xed and 0x9f or 0xbf
    elseif first >= 0xf0 and first <= 0xf4 then
      more, least, most = 3, first == 0xf0 and 0x90 or 0x80, first == 0xf4 and 0x8f or 0xbf
    else
      return false
    end
    for i = 1, more do
      local byte = text:byte(position + i)
      if byte == nil or byte < least or byte > most then return false end
      least, most = 0x80, 0xbf
    end
    position = position + 1 + more
  end
  return true
end

-- What lists show, on one line and not all of it.
local function short(text)
  text = text:gsub("%c", " ")
  return #text > 60 and text:sub(1, 60):gsub("[\128-\191]*$", ""):gsub("[\192-\255]$", "") .. "…" or text
end

local function leaf(walk, tree, start, label, field, value, text, identity, kind)
  local range = walk.buffer(start, walk.position - start)
  local item = nil
  if tree ~= nil then
    item = value == nil and tree:add(field, range) or tree:add(field, range, value)
    if label ~= "" then item:prepend_text(label .. ": ") end
  end
  return { kind = kind, text = text, identity = identity, hashable = true, item = item }
end

-- Beyond 2^53 no double is exact, so integers of 64 bits keep their digits; floats that are equal to them get the same.
local function number_identity(number)
  return "n" .. (number % 1 == 0 and string.format("%.0f", number + 0) or string.format("%.17g", number)) .. ";"
end

local function integer(walk, tree, start, label, field, number)
  local digits = tostring(number)
  local value = leaf(walk, tree, start, label, field, number, digits, "n" .. digits .. ";", "number")
  value.number = tonumber(digits)
  return value
end

local function uint(walk, tree, start, label, number)
  return integer(walk, tree, start, label, fields.uint, number)
end

local function int(walk, tree, start, label, number)
  return integer(walk, tree, start, label, fields.int, number)
end

local function float(walk, tree, start, label, range)
  if range == nil then return nil end
  local number = range:float()
  local value = leaf(walk, tree, start, label, fields.float, number, tostring(number), number_identity(number), "number")
  value.number = number
  return value
end

local function read_text(walk, tree, start, label, bytes)
  local range = advance(walk, bytes)
  if walk.refusal ~= nil then return nil end
  local raw = range and walk.raw:sub(walk.position - bytes + 1, walk.position) or ""
  if not is_utf8(raw) then return refuse(walk, "InvalidUtf8") end
  local value = leaf(walk, tree, start, label, fields.text, raw, '"' .. short(raw) .. '"', "s" .. #raw .. ":" .. raw, "text")
  value.raw = raw
  value.range = range
  return value
end

local function read_bytes(walk, tree, start, label, bytes)
  local range = advance(walk, bytes)
  if walk.refusal ~= nil then return nil end
  local raw = range and walk.raw:sub(walk.position - bytes + 1, walk.position) or ""
  local value = leaf(walk, nil, start, label, fields.bytes, nil, bytes .. " bytes", "b" .. #raw .. ":" .. raw, "bytes")
  if tree ~= nil then
    -- Without the head of the value.
    value.item = tree:add(fields.bytes, range or walk.buffer(start, walk.position - start))
    if range == nil then value.item:set_text("Bytes: none") end
    if label ~= "" then value.item:prepend_text(label .. ": ") end
  end
  value.raw = raw
  value.range = range
  return value
end

-- The timestamp extension, type -1. A JavaScript Date holds 8.64e15 ms either side of 1970 (ECMA-262, 21.4.1.1).
local function read_extension(walk, tree, start, label, bytes)
  local range = advance(walk, bytes + 1)
  if range == nil then return nil end
  local seconds, nanos = nil, 0
  if range(0, 1):uint() == 0xff then
    if bytes == 4 then
      seconds = range(1, 4):uint()
    elseif bytes == 8 then
      local high = range(1, 4):uint()
      seconds = (high % 4) * 2 ^ 32 + range(5, 4):uint()
      nanos = math.floor(high / 4)
    elseif bytes == 12 then
      nanos = range(1, 4):uint()
      seconds = range(5, 8):int64():tonumber()
    end
  end
  local most = 8.64e12
  local holds = seconds ~= nil and nanos < 1e9 and seconds >= -most and (seconds < most or (seconds == most and nanos == 0))
  if not holds then return refuse(walk, "Extension") end
  local time = NSTime(seconds, nanos)
  local identity = "d" .. string.format("%.0f", seconds) .. "." .. math.floor(nanos / 1e6) .. ";"
  return leaf(walk, tree, start, label, fields.timestamp, time, tostring(time) .. " s", identity, "timestamp")
end

local function container(walk, tree, start, label, field, size)
  if tree == nil then return nil end
  local item = tree:add(field, walk.buffer(start, 1), size)
  if label ~= "" then item:prepend_text(label .. ": ") end
  return item
end

-- A container announces values of a byte at least.
local function holds(walk, values, depth)
  if depth >= DEEPEST then
    refuse(walk, "TooDeep")
  elseif values > walk.stop - walk.position and not walk.cut then
    refuse(walk, "Truncated")
  end
  return walk.refusal == nil
end

local function read_array(walk, tree, start, label, size, depth)
  if not holds(walk, size, depth) then return nil end
  local item = container(walk, tree, start, label, fields.array, size)
  local texts, identity, hashable, items = {}, { "a" .. size .. ":" }, true, {}
  for i = 1, size do
    local value = read(walk, item, "[" .. (i - 1) .. "]", depth + 1)
    if walk.refusal ~= nil then return nil end
    texts[#texts + 1] = #texts < 8 and value.text or nil
    identity[#identity + 1] = value.identity
    hashable = hashable and value.hashable
    items[#items + 1] = value
  end
  if item ~= nil then item:set_len(walk.position - start) end
  return {
    kind = "array",
    text = "[" .. short(table.concat(texts, ", ")) .. (size > 8 and ", …" or "") .. "]",
    identity = table.concat(identity),
    hashable = hashable,
    item = item,
    items = items
  }
end

local function read_map(walk, tree, start, label, size, depth)
  if not holds(walk, 2 * size, depth) then return nil end
  local item = container(walk, tree, start, label, fields.map, size)
  local texts, seen = {}, {}
  for _ = 1, size do
    local key_start = walk.position
    -- A key that is a text names its value. Any other stands above it.
    local is_text = walk.raw:sub(key_start + 1, key_start + 1):find("^[\160-\191\217-\219]") ~= nil
    local key = read(walk, not is_text and item or nil, "Key", depth + 1)
    if walk.refusal ~= nil then return nil end
    if not key.hashable then return refuse(walk, "UnhashableKey") end
    if seen[key.identity] then return refuse(walk, "DuplicateKey") end
    seen[key.identity] = true
    local value = read(walk, item, is_text and short(key.raw) or "Value", depth + 1)
    if walk.refusal ~= nil then return nil end
    texts[#texts + 1] = #texts < 8 and key.text .. ": " .. value.text or nil
  end
  if item ~= nil then item:set_len(walk.position - start) end
  return {
    kind = "map",
    text = "{" .. short(table.concat(texts, ", ")) .. (size > 8 and ", …" or "") .. "}",
    identity = "z",
    hashable = false,
    item = item
  }
end

-- The value at the walk's position, inside `depth` containers, shown in `tree` unless that is nil.
function read(walk, tree, label, depth)
  local start = walk.position
  local head = advance(walk, 1)
  if head == nil then return nil end
  local token = head:uint()
  if token < 0x80 then return uint(walk, tree, start, label, UInt64(token)) end
  if token >= 0xe0 then return int(walk, tree, start, label, Int64(token - 0x100)) end
  if token < 0x90 then return read_map(walk, tree, start, label, token - 0x80, depth) end
  if token < 0xa0 then return read_array(walk, tree, start, label, token - 0x90, depth) end
  if token < 0xc0 then return read_text(walk, tree, start, label, token - 0xa0) end
  if token == 0xc0 then return leaf(walk, tree, start, label, fields.null, nil, "nil", "z", "nil") end
  if token == 0xc2 or token == 0xc3 then
    local value = token == 0xc3
    return leaf(walk, tree, start, label, fields.boolean, value, tostring(value), value and "n1;" or "n0;", "boolean")
  end
  if token >= 0xc4 and token <= 0xc6 then return read_bytes(walk, tree, start, label, length(walk, 2 ^ (token - 0xc4))) end
  if token >= 0xc7 and token <= 0xc9 then
    return read_extension(walk, tree, start, label, length(walk, 2 ^ (token - 0xc7)))
  end
  if token == 0xca or token == 0xcb then return float(walk, tree, start, label, advance(walk, token == 0xca and 4 or 8)) end
  if token >= 0xcc and token <= 0xcf then
    local range = advance(walk, 2 ^ (token - 0xcc))
    return range and uint(walk, tree, start, label, range:uint64())
  end
  if token >= 0xd0 and token <= 0xd3 then
    local range = advance(walk, 2 ^ (token - 0xd0))
    return range and int(walk, tree, start, label, range:int64())
  end
  if token >= 0xd4 and token <= 0xd8 then return read_extension(walk, tree, start, label, 2 ^ (token - 0xd4)) end
  if token >= 0xd9 and token <= 0xdb then return read_text(walk, tree, start, label, length(walk, 2 ^ (token - 0xd9))) end
  if token == 0xdc or token == 0xdd then
    return read_array(walk, tree, start, label, length(walk, token == 0xdc and 2 or 4), depth)
  end
  if token == 0xde or token == 0xdf then
    return read_map(walk, tree, start, label, length(walk, token == 0xde and 2 or 4), depth)
  end
  return refuse(walk, "Reserved")
end

---------------------------------------------------------------------------------------------------------------------------
-- frames
---------------------------------------------------------------------------------------------------------------------------

local FAILURES = {
  UnknownMethod = "nil",
  Overloaded = "nil",
  Defect = "nil",
  InvalidArguments = "text",
  Oversize = "number",
  Error = ""
}

local function is_request(body)
  return body.kind == "array" and #body.items == 2 and body.items[1].kind == "text" and body.items[2].kind == "array"
end

-- Whether a body is what its type says.
local shapes = {
  [REQUEST] = is_request,
  [GATHER] = is_request,
  [RESPONSE] = function() return true end,
  [FAILURE] = function(body)
    if body.kind ~= "array" or #body.items ~= 2 or body.items[1].kind ~= "text" then return false end
    local detail = FAILURES[body.items[1].raw]
    if detail == nil or (detail ~= "" and body.items[2].kind ~= detail) then return false end
    if body.items[1].raw ~= "Oversize" then return true end
    local size = body.items[2].number
    return size % 1 == 0 and size > LONGEST - HEADER and size < 2 ^ 53
  end,
  [CHALLENGE] = function(body) return body.kind == "bytes" and #body.raw == HEADER - 1 end,
  [PROOF] = function(body) return body.kind == "nil" end,
  [CANCEL] = function(body) return body.kind == "nil" end
}

-- By the token of an integer: how many bytes follow it.
local WIDTHS = { [0xcc] = 1, [0xcd] = 2, [0xce] = 4 }

-- What fills the frame from `start`: a trailer's { millis, trace }, or nil if it is none.
local function read_trailer(buffer, start)
  local stop = buffer:len()
  local function byte(position)
    return position < stop and buffer(position, 1):uint() or -1
  end
  local position, found, trailer = start + 1, 0, {}
  if byte(position) == 1 then
    local token = byte(position + 1)
    -- A small integer is its own token.
    local small = token >= 0 and token < 0x80
    local width = small and 0 or WIDTHS[token]
    if width == nil or position + 2 + width > stop then return nil end
    trailer.millis = small and buffer(position + 1, 1) or buffer(position + 2, width)
    position, found = position + 2 + width, found + 1
  end
  if byte(position) == 2 and byte(position + 1) == 0xc4 and byte(position + 2) == TRACE then
    position, found = position + 3 + TRACE, found + 1
    if position > stop then return nil end
    trailer.trace = buffer(position - TRACE, TRACE)
  end
  if found == 0 or byte(start) ~= 0x80 + found or position ~= stop then return nil end
  return trailer
end

local function show_trailer(buffer, start, trailer, tree)
  local item = tree:add(fields.trailer, buffer(start))
  if trailer.millis ~= nil then item:add(fields.millis_left, trailer.millis) end
  if trailer.trace ~= nil then
    item:add(fields.trace_id, trailer.trace(0, 16))
    item:add(fields.span_id, trailer.trace(16, 8))
    item:add(fields.trace_flags, trailer.trace(24, 1))
  end
end

-- Reads the body of a frame, and what may follow it, showing them in `tree` unless that is nil. Returns the body, or nil and the
-- walk that says why not.
local function read_body(buffer, type, tree, label)
  local walk = {
    buffer = buffer,
    raw = buffer:raw(),
    position = HEADER,
    stop = buffer:len(),
    cut = buffer:reported_len() > buffer:len()
  }
  local body = read(walk, tree, label, 0)
  local is_followed = walk.refusal == nil and walk.position ~= walk.stop
  local trailer = is_followed and shapes[type] == is_request and read_trailer(buffer, walk.position) or nil
  if is_followed and trailer == nil then
    refuse(walk, walk.cut and "Truncated" or "TrailingBytes")
  elseif walk.refusal == nil and not shapes[type](body) then
    walk.position = HEADER
    refuse(walk, "Shape")
  elseif trailer ~= nil and tree ~= nil then
    show_trailer(buffer, walk.position, trailer, tree)
  end
  if walk.refusal ~= nil then return nil, walk end
  return body, walk
end

---------------------------------------------------------------------------------------------------------------------------
-- what belongs together
---------------------------------------------------------------------------------------------------------------------------

-- By id and both ends: { request, time, response, cancel }: numbers of frames, and the request's seconds since the first frame,
-- of which a double holds more digits than of those since 1970.
local calls = {}

-- The frames of challenges, by token.
local challenges = {}
-- By id and caller: what was asked of all members of a group.
local gathers = {}

function rpcudp.init()
  calls, challenges, gathers = {}, {}, {}
end

local function id_of(buffer)
  return buffer(1, HEADER - 1):bytes():tohex()
end

local function key_of(id, caller, caller_port, peer, peer_port)
  return table.concat({ id, tostring(caller), caller_port, tostring(peer), peer_port }, " ")
end

-- The call that a frame belongs to. An answer counts only from the address that was called.
local function call_key(type, buffer, pinfo)
  if type == REQUEST or type == CANCEL then return key_of(id_of(buffer), pinfo.src, pinfo.src_port, pinfo.dst, pinfo.dst_port) end
  return key_of(id_of(buffer), pinfo.dst, pinfo.dst_port, pinfo.src, pinfo.src_port)
end

local function link_request(buffer, pinfo, tree)
  local key = call_key(REQUEST, buffer, pinfo)
  local call = calls[key]
  if call == nil then
    call = { request = pinfo.number, time = pinfo.rel_ts }
    calls[key] = call
  end
  if call.request ~= pinfo.number then
    tree:add(fields.first, call.request):set_generated()
    tree:add_proto_expert_info(experts.again)
  end
  if call.cancel ~= nil then tree:add(fields.cancel, call.cancel):set_generated() end
  if call.response ~= nil then
    tree:add(fields.response, call.response):set_generated()
  elseif call.cancel == nil and pinfo.visited then
    tree:add_proto_expert_info(experts.unanswered)
  end
end

local function add_time(tree, seconds)
  local whole = math.floor(seconds)
  tree:add(fields.time, NSTime(whole, math.floor((seconds - whole) * 1e9 + 0.5))):set_generated()
end

local function link_gather(buffer, pinfo, tree)
  local key = key_of(id_of(buffer), pinfo.src, pinfo.src_port, "", "")
  local gather = gathers[key]
  if gather == nil then
    gather = { request = pinfo.number, time = pinfo.rel_ts }
    gathers[key] = gather
  end
  if gather.request ~= pinfo.number then tree:add(fields.first, gather.request):set_generated() end
end

-- What was asked of all members of a group, and this answers.
local function gather_of(buffer, pinfo)
  return gathers[key_of(id_of(buffer), pinfo.dst, pinfo.dst_port, "", "")]
end

local function link_answer(type, buffer, pinfo, tree)
  local call = calls[call_key(type, buffer, pinfo)]
  if call == nil then
    local gather = gather_of(buffer, pinfo)
    if gather == nil then return tree:add_proto_expert_info(experts.unasked) end
    tree:add(fields.request, gather.request):set_generated()
    return add_time(tree, pinfo.rel_ts - gather.time)
  end
  if call.response == nil then call.response = pinfo.number end
  tree:add(fields.request, call.request):set_generated()
  add_time(tree, pinfo.rel_ts - call.time)
  if call.response ~= pinfo.number then
    tree:add(fields.first, call.response):set_generated()
    tree:add_proto_expert_info(experts.again)
  end
end

local function link_challenge(buffer, pinfo, tree, token)
  challenges[token] = challenges[token] or pinfo.number
  local call = calls[call_key(CHALLENGE, buffer, pinfo)] or gather_of(buffer, pinfo)
  if call == nil then return tree:add_proto_expert_info(experts.unasked) end
  tree:add(fields.request, call.request):set_generated()
  add_time(tree, pinfo.rel_ts - call.time)
end

local function link_cancel(buffer, pinfo, tree)
  local call = calls[call_key(CANCEL, buffer, pinfo)]
  if call == nil then return tree:add_proto_expert_info(experts.unasked) end
  call.cancel = call.cancel or pinfo.number
  tree:add(fields.request, call.request):set_generated()
  add_time(tree, pinfo.rel_ts - call.time)
end

local function link_proof(buffer, tree)
  local challenge = challenges[id_of(buffer)]
  if challenge == nil then return tree:add_proto_expert_info(experts.unasked) end
  tree:add(fields.challenge, challenge):set_generated()
end

---------------------------------------------------------------------------------------------------------------------------
-- dissecting
---------------------------------------------------------------------------------------------------------------------------

local function malformed(tree, pinfo, reason, range)
  local item = tree:add_proto_expert_info(experts.malformed, "Malformed: " .. reason)
  if range ~= nil then tree:add(range, "It is malformed from here: " .. reason) end
  pinfo.cols.info:append(" [malformed: " .. reason .. "]")
  return item
end

local function dissect_sealed(buffer, pinfo, tree)
  if buffer:reported_len() < SEAL + HEADER + 1 + TAG then return malformed(tree, pinfo, "TooShort") end
  if buffer:len() < SEAL then return tree:add_proto_expert_info(experts.cut) end
  tree:add(fields.key, buffer(1, 1))
  tree:add(fields.session, buffer(2, 12))
  tree:add(fields.counter, buffer(14, 6), buffer(14, 6):uint64())
  local ms = buffer(20, 6):uint64():tonumber()
  tree:add(fields.sealed_at, buffer(20, 6), NSTime(math.floor(ms / 1000), ms % 1000 * 1e6))
  if buffer:len() < buffer:reported_len() then return tree:add_proto_expert_info(experts.cut) end
  tree:add(fields.ciphertext, buffer(SEAL, buffer:len() - SEAL - TAG))
  tree:add(fields.tag, buffer(buffer:len() - TAG, TAG))
  pinfo.cols.info:append(", key " .. buffer(1, 1):uint() .. ", " .. buffer:len() .. " bytes")
end

local function show(type, buffer, pinfo, tree, body)
  if type == REQUEST or type == GATHER then
    local method, args = body.items[1], body.items[2]
    tree:add(fields.method, method.range or buffer(HEADER, 1), method.raw):set_generated()
    pinfo.cols.info:append(" " .. short(method.raw) .. " " .. args.text)
    if type == REQUEST then link_request(buffer, pinfo, tree) else link_gather(buffer, pinfo, tree) end
  elseif type == CHALLENGE then
    tree:add(fields.token, body.range):set_generated()
    link_challenge(buffer, pinfo, tree, body.range:bytes():tohex())
  elseif type == PROOF then
    link_proof(buffer, tree)
  elseif type == CANCEL then
    link_cancel(buffer, pinfo, tree)
  else
    if type == FAILURE then tree:add(fields.kind, body.items[1].range, body.items[1].raw):set_generated() end
    pinfo.cols.info:append(" " .. body.text)
    link_answer(type, buffer, pinfo, tree)
  end
end

function rpcudp.dissector(buffer, pinfo, tree)
  pinfo.cols.protocol = "rpcudp"
  local type = buffer:len() > 0 and buffer(0, 1):uint() or -1
  pinfo.cols.info = TYPES[type] or "Unknown"
  local whole = tree:add(rpcudp, buffer(), "RPC over UDP, " .. (TYPES[type] or "unknown"))
  if buffer:len() > 0 then whole:add(fields.type, buffer(0, 1)) end
  if type == SEALED then
    dissect_sealed(buffer, pinfo, whole)
    return buffer:len()
  end
  if buffer:reported_len() <= HEADER then
    malformed(whole, pinfo, "TooShort")
  elseif TYPES[type] == nil then
    malformed(whole, pinfo, "UnknownType")
  elseif buffer:len() <= HEADER then
    whole:add_proto_expert_info(experts.cut)
  else
    whole:add(type == PROOF and fields.token or fields.id, buffer(1, HEADER - 1))
    if buffer:reported_len() > LONGEST then
      malformed(whole, pinfo, "TooLong")
      return buffer:len()
    end
    local body, walk = read_body(buffer, type, whole, "")
    if body ~= nil then
      show(type, buffer, pinfo, whole, body)
    elseif walk.cut and walk.refusal == "Truncated" then
      whole:add_proto_expert_info(experts.cut)
    else
      malformed(whole, pinfo, walk.refusal, buffer(walk.refused_at))
    end
  end
  return buffer:len()
end

-- Whether a datagram of a conversation that nobody knows is ours. A response alone could be many things.
local function is_ours(buffer, pinfo)
  if buffer:len() <= HEADER or buffer:reported_len() > LONGEST + SEAL + TAG then return false end
  local type = buffer(0, 1):uint()
  if type == SEALED then
    -- Clocks may differ, but not by a day.
    return buffer:len() >= SEAL + HEADER + 1 + TAG
      and math.abs(buffer(20, 6):uint64():tonumber() / 1000 - pinfo.abs_ts) < 86400
  end
  if shapes[type] == nil or buffer:reported_len() > LONGEST then return false end
  if type == RESPONSE and (calls[call_key(type, buffer, pinfo)] or gather_of(buffer, pinfo)) == nil then return false end
  return read_body(buffer, type, nil, "") ~= nil
end

rpcudp:register_heuristic("udp", function(buffer, pinfo, tree)
  if not is_ours(buffer, pinfo) then return false end
  rpcudp.dissector(buffer, pinfo, tree)
  -- What is malformed between these two ends is theirs, too.
  pinfo.conversation = rpcudp
  return true
end)

DissectorTable.get("udp.port"):add_for_decode_as(rpcudp)
