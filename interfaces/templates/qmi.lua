-- SPDX-License-Identifier: LGPL-2.1-or-later
-- Dissects QMUX frames and the QMI messages in them, in Wireshark and tshark:
--
--   tshark -X lua_script:qmi.lua -r trace.pcapng
--
-- Frames are looked for on link type DLT_USER0 (147). Every field of the schema can be filtered for, by service and
-- path: qmi.nas.lte.rsrp < -110. A USB vendor id in the preferences ("1199") chooses where vendors use one id for
-- different things.

-- ---- The schema. A field is {NAME, type, …}; vendor is of one vendor only:
--   valid     a byte before it says whether it counts; mask, bit: bit of the field number `mask` does
--   hidden    a count or mask, or padding; bits: its width in a split word
-- A type is {KIND, fields of a struct or split word …}:
--   width, big, signed, symbols, scale, divisor, measure (its unit), none (the word that is no value)
--   length    "end"; "prefix" of `size` bytes, in units of `unit`; "fixed": `size`; "field" number `size`
--   coding    of text; codings: the field number `by` chooses
-- A message is {NAME, id, vendor, request = TLVs, response = TLVs}, TLVs a list of layouts by id; the others of a
-- service are those of which only the id is known.
-- @SCHEMA@

-- ---- words: the bytes of a number, lowest first

local function number_of(word)
    local n = 0.0 -- no integer, which would overflow
    for i = #word, 1, -1 do
        n = n * 256 + word:byte(i)
    end
    return n
end

local function signed_number_of(word)
    local n = number_of(word)
    return word:byte(#word) >= 128 and n - 2 ^ (8 * #word) or n
end

local function bit_of(word, bit)
    local byte = word:byte(math.floor(bit / 8) + 1) or 0
    return math.floor(byte / 2 ^ (bit % 8)) % 2 == 1
end

-- As Wireshark's 64-bit integer.
local function integer_of(word, signed)
    local fill = signed and word:byte(#word) >= 128 and "\255" or "\0"
    local whole = word .. fill:rep(8 - #word)
    return (signed and Int64 or UInt64).new(number_of(whole:sub(1, 4)), number_of(whole:sub(5, 8)))
end

-- `n` bits from `shift` on, as a word of `width` bytes.
local function part_of(word, shift, n, width)
    local bytes = {}
    for i = 0, width - 1 do
        local byte = 0
        for bit = 7, 0, -1 do
            local at = i * 8 + bit
            byte = byte * 2 + (at < n and bit_of(word, shift + at) and 1 or 0)
        end
        bytes[#bytes + 1] = string.char(byte)
    end
    return table.concat(bytes)
end

-- ---- text

local REPLACEMENT = "\239\191\189" -- U+FFFD

local function utf8_char(c)
    if c < 0x80 then
        return string.char(c)
    elseif c < 0x800 then
        return string.char(0xC0 + math.floor(c / 64), 0x80 + c % 64)
    elseif c < 0x10000 then
        return string.char(0xE0 + math.floor(c / 4096), 0x80 + math.floor(c / 64) % 64, 0x80 + c % 64)
    end
    return string.char(0xF0 + math.floor(c / 262144), 0x80 + math.floor(c / 4096) % 64, 0x80 + math.floor(c / 64) % 64,
        0x80 + c % 64)
end

-- The length of the well-formed sequence at `i`, or nil.
local function utf8_length(s, i)
    local first = s:byte(i)
    local length = first < 0x80 and 1 or first >= 0xF8 and 0 or first >= 0xF0 and 4 or first >= 0xE0 and 3 or
        first >= 0xC0 and 2 or 0
    if length == 0 or i + length - 1 > #s then
        return nil
    elseif length == 1 then
        return 1
    end
    local c = first % 2 ^ (7 - length)
    for k = i + 1, i + length - 1 do
        local byte = s:byte(k)
        if byte < 0x80 or byte > 0xBF then
            return nil
        end
        c = c * 64 + byte % 64
    end
    local least = { 0, 0x80, 0x800, 0x10000 }
    if c < least[length] or c > 0x10FFFF or (c >= 0xD800 and c <= 0xDFFF) then
        return nil
    end
    return length
end

-- Second result: whether all of it was text.
local function decode_utf8(s)
    local out, whole, i = {}, true, 1
    while i <= #s do
        local length = s:byte(i) > 0 and utf8_length(s, i)
        if not length then
            whole = false
        end
        out[#out + 1] = length and s:sub(i, i + length - 1) or REPLACEMENT
        i = i + (length or 1)
    end
    return table.concat(out), whole
end

-- 3GPP TS 23.038.
local ALPHABET = {}
for c in ("@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\27ÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§" ..
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"):gmatch("[%z\1-\127\194-\244][\128-\191]*") do
    ALPHABET[#ALPHABET + 1] = c
end
local ESCAPE = 27
local EXTENSION = { [0x0A] = "\f", [0x14] = "^", [0x28] = "{", [0x29] = "}", [0x2F] = "\\", [0x3C] = "[", [0x3D] = "~",
    [0x3E] = "]", [0x40] = "|", [0x65] = "€" }

-- Without those at the end that are zero: fill, or NULs.
local function septets_of(s)
    local septets = {}
    for i = 0, math.floor(#s * 8 / 7) - 1 do
        septets[#septets + 1] = part_of(s, i * 7, 7, 1):byte()
    end
    while septets[#septets] == 0 do
        septets[#septets] = nil
    end
    return septets
end

local function decode_septets(septets)
    local out, extended = {}, false
    for _, septet in ipairs(septets) do
        if septet == ESCAPE and not extended then
            extended = true
        else
            out[#out + 1] = (extended and EXTENSION or ALPHABET)[extended and septet or septet + 1] or REPLACEMENT
            extended = false
        end
    end
    return table.concat(out) .. (extended and REPLACEMENT or "")
end

local function decode_utf16(s, big)
    local out, i = {}, 1
    local function unit(at)
        local a, b = s:byte(at, at + 1)
        return b and (big and a * 256 + b or b * 256 + a)
    end
    while i <= #s do
        local c, low = unit(i), unit(i + 2)
        i = i + 2
        if c and low and c >= 0xD800 and c <= 0xDBFF and low >= 0xDC00 and low <= 0xDFFF then
            c = 0x10000 + (c - 0xD800) * 1024 + low - 0xDC00
            i = i + 2
        end
        out[#out + 1] = c and c ~= 0 and (c < 0xD800 or c > 0xDFFF) and utf8_char(c) or REPLACEMENT
    end
    return table.concat(out)
end

local function decode_bcd(s)
    local digits = {}
    for i = 1, #s do
        digits[#digits + 1] = s:byte(i) % 16
        digits[#digits + 1] = math.floor(s:byte(i) / 16)
    end
    while digits[#digits] == 15 do
        digits[#digits] = nil
    end
    for i, digit in ipairs(digits) do
        digits[i] = digit < 15 and ("0123456789*#abc"):sub(digit + 1, digit + 1) or REPLACEMENT
    end
    return table.concat(digits)
end

local function decode_bytes_one_by_one(s, char)
    local out = {}
    for i = 1, #s do
        out[i] = char(s:byte(i))
    end
    return table.concat(out)
end

-- Some modems put packed GSM text where UTF-8 belongs. It shows in control characters, and in what is no UTF-8.
local function is_packed_gsm(s, text)
    local _, whole = decode_utf8(text)
    local odd = not whole or text:find("[%z\1-\8\11\12\14-\31\127]") ~= nil
    local n_fill = #s * 8 - math.floor(#s * 8 / 7) * 7
    if not odd or math.floor(s:byte(#s) / 2 ^ (8 - n_fill)) ~= 0 then
        return false
    end
    local septets, i = septets_of(s), 1
    while i <= #septets do
        local c
        if septets[i] == ESCAPE and i < #septets then
            i = i + 1
            c = EXTENSION[septets[i]]
        else
            c = ALPHABET[septets[i] + 1]
        end
        if not c or c:byte() < 0x20 then
            return false
        end
        i = i + 1
    end
    return true
end

local function decode_text(coding, s)
    local text = s:gsub("%z+$", "")
    if coding == "utf8-or-gsm7" then
        coding = is_packed_gsm(s, text) and "gsm7" or "utf8"
    end
    if coding == "gsm7" then
        return decode_septets(septets_of(s))
    elseif coding == "gsm8" then
        return decode_septets({ text:byte(1, -1) })
    elseif coding == "ucs2le" or coding == "ucs2be" then
        while #s % 2 == 0 and s:sub(-2) == "\0\0" do
            s = s:sub(1, -3)
        end
        return decode_utf16(s, coding == "ucs2be")
    elseif coding == "latin1" then
        return decode_bytes_one_by_one(text, function(byte) return byte > 0 and utf8_char(byte) or REPLACEMENT end)
    elseif coding == "bcd" then
        return decode_bcd(s)
    end
    return (decode_utf8(text))
end

-- ---- addresses

local ADDRESSES = {}

function ADDRESSES.ipv4(s, t)
    local a, b, c, d = (t.big and s or s:reverse()):byte(1, 4)
    return ("%d.%d.%d.%d"):format(a, b, c, d)
end

function ADDRESSES.ipv6(s)
    local words, best, length = {}, 0, 1
    for i = 1, 16, 2 do
        words[#words + 1] = s:byte(i) * 256 + s:byte(i + 1)
    end
    for i = 1, 8 do
        local n = 0
        while words[i + n] == 0 do
            n = n + 1
        end
        if n > length then
            best, length = i, n
        end
    end
    local out = ""
    for i, word in ipairs(words) do
        if i == best then
            out = out .. "::"
        elseif best == 0 or i < best or i >= best + length then
            out = out .. ((out == "" or out:sub(-1) == ":") and "" or ":") .. ("%x"):format(word)
        end
    end
    return out
end

ADDRESSES["plmn-bcd"] = function(s)
    local a, b, c = s:byte(1, 3)
    if s == "\255\255\255" then
        return ""
    end
    local digits = { a % 16, math.floor(a / 16), b % 16, c % 16, math.floor(c / 16), math.floor(b / 16) }
    if digits[6] == 15 then
        digits[6] = nil
    end
    for i, digit in ipairs(digits) do
        digits[i] = digit < 10 and ("%d"):format(digit) or REPLACEMENT
    end
    return table.concat(digits)
end

ADDRESSES["plmn-ascii"] = function(s)
    return decode_bytes_one_by_one(s, function(byte)
        if byte == 255 or byte == 0 then
            return ""
        end
        return byte >= 0x20 and byte <= 0x7E and string.char(byte) or REPLACEMENT
    end)
end

ADDRESSES["plmn-binary"] = function(s)
    local format = s:byte(5) ~= 0 and "%03d%03d" or "%03d%02d"
    return format:format(number_of(s:sub(1, 2)), number_of(s:sub(3, 4)))
end

-- ---- what can be filtered for

local qmux = Proto("qmux", "QMUX")
local qmi = Proto("qmi", "QMI")
local header = {
    mark = ProtoField.uint8("qmux.marker", "Marker", base.HEX),
    frame_length = ProtoField.uint16("qmux.length", "Length"),
    flags = ProtoField.uint8("qmux.flags", "From", base.HEX, { [0x00] = "host", [0x80] = "modem" }),
    service = ProtoField.uint16("qmi.service", "Service", base.HEX),
    service_name = ProtoField.string("qmi.service_name", "Service"),
    client = ProtoField.uint8("qmi.client", "Client"),
    type = ProtoField.string("qmi.type", "Type"),
    transaction = ProtoField.uint16("qmi.transaction", "Transaction"),
    id = ProtoField.uint16("qmi.id", "Message id", base.HEX),
    message = ProtoField.string("qmi.message", "Message"),
    length = ProtoField.uint16("qmi.length", "Length"),
    tlv = ProtoField.uint8("qmi.tlv", "TLV", base.HEX),
    tlv_length = ProtoField.uint16("qmi.tlv_length", "Length"),
    tlv_value = ProtoField.bytes("qmi.tlv_value", "Value"),
    status = ProtoField.uint16("qmi.status", "Status"),
    error = ProtoField.uint16("qmi.error", "Error"),
    result = ProtoField.string("qmi.result", "Result"),
}
local malformed = ProtoExpert.new("qmi.malformed", "It does not hold what it says", expert.group.MALFORMED,
    expert.severity.ERROR)
local unknown = ProtoExpert.new("qmi.unknown", "The schema does not know it", expert.group.UNDECODED,
    expert.severity.NOTE)
qmi.experts = { malformed, unknown }
qmi.prefs.vendor = Pref.string("USB vendor id of the modem", "", "Hexadecimal, as lsusb has it; empty: not known")

-- What a type is for Wireshark; those that are not here are text.
local SORTS = { uint = "uint", int = "int", float = "double", bool = "bool", empty = "bool", bytes = "bytes",
    struct = "group", bits = "group" }
local CONSTRUCTORS = { uint = "uint64", int = "int64", group = "none" }

local function sort_of(t)
    return t.scale and "double" or SORTS[t[1]] or "string"
end

-- By path, then sort. Where messages of a service have one path for several sorts, the sort is behind all but the
-- first: qmi.nas.serving_system, qmi.nas.serving_system_group.
local by_path = {}

local function declare_type(path, name, t, list)
    if t[1] == "array" then
        return declare_type(path, name, t.element, list)
    end
    local sorts, sort = by_path[path] or {}, sort_of(t)
    by_path[path] = sorts
    if not sorts[sort] then
        sorts[sort] = ProtoField[CONSTRUCTORS[sort] or sort](next(sorts) and path .. "_" .. sort or path, name)
        list[#list + 1] = sorts[sort]
    end
    for i = 2, #t do
        if not t[i].hidden then
            declare_type(path .. "." .. t[i][1], t[i][1], t[i][2], list)
        end
    end
end

local function declare_tlvs(service, tlvs, list)
    local ids = {}
    for id in pairs(tlvs or {}) do
        ids[#ids + 1] = id
    end
    table.sort(ids) -- so that the names are the same each time
    for _, id in ipairs(ids) do
        for _, layout in ipairs(tlvs[id]) do
            declare_type("qmi." .. service .. "." .. layout[1], layout[1], layout[2], list)
        end
    end
end

local function declare_all()
    local list = {}
    for _, field in pairs(header) do
        list[#list + 1] = field
    end
    for _, service in ipairs(services) do
        for _, messages in ipairs({ service.requests, service.indications }) do
            for _, message in ipairs(messages) do
                declare_tlvs(service[1], message.request, list)
                declare_tlvs(service[1], message.response, list)
            end
        end
    end
    qmi.fields = list
end

declare_all()

-- ---- values
--
-- A cursor is {tvb, bytes, at, stop}: `bytes` are those of the tvb, `at` and `stop` count from 0. What decodes returns
-- nothing when the bytes end before it does, else a text. Without a tree it shows nothing.

local function take(c, n)
    if n > c.stop - c.at then
        return nil
    end
    c.at = c.at + n
    return c.bytes:sub(c.at - n + 1, c.at)
end

local function take_word(c, width, big)
    local word = take(c, width)
    return word and big and word:reverse() or word
end

-- What was taken since `start`; where that is nothing, the head of the TLV.
local function range_of(c, start)
    if start < c.at then
        return c.tvb:range(start, c.at - start)
    end
    return c.tvb:range(c.head, 3)
end

local function show(c, start, tree, path, sort, name, value, text)
    if tree then
        tree:add(by_path[path][sort], range_of(c, start), value, name .. ": " .. text)
    end
end

local function show_plain(c, start, tree, name, text)
    if tree then
        tree:add(range_of(c, start), name .. ": " .. text)
    end
end

-- An item that others go below; it ends where `close` is called.
local function open(c, start, tree, path, name)
    if tree then
        local range = start < c.stop and c.tvb:range(start, c.stop - start) or c.tvb:range(c.head, 3)
        local field = path and by_path[path].group
        local item = field and tree:add(field, range) or tree:add(range, name)
        item:set_text(name)
        return item
    end
end

local function close(c, start, item, text)
    if item then
        item:set_len(math.max(c.at - start, 1))
        if text then
            item:set_text(text)
        end
    end
end

local function with_unit(t, text)
    return t.measure and text .. " " .. t.measure or text
end

local function symbol_of(t, word)
    local n = t.signed and signed_number_of(word) or number_of(word)
    local fits = t.signed and n >= -2 ^ 31 and n < 2 ^ 31 or not t.signed and n < 2 ^ 32
    return fits and t.symbols[n % 2 ^ 32] or tostring(integer_of(word, t.signed))
end

local function flags_of(t, word)
    local set = {}
    for bit = 0, #word * 8 - 1 do
        if bit_of(word, bit) then
            set[#set + 1] = t.symbols[bit] or ("bit%d"):format(bit)
        end
    end
    return table.concat(set, ", ")
end

-- A number, boolean, enum or flags.
local function value_of(c, start, t, word, tree, path, name)
    local kind, sort, value, text = t[1], sort_of(t), nil, nil
    if t.none == word then
        show_plain(c, start, tree, name, "no value")
        return "no value"
    end
    if kind == "enum" then
        text = symbol_of(t, word)
        value = text
    elseif kind == "flags" then
        text = flags_of(t, word)
        value = text
    elseif kind == "bool" then
        value = word:find("[^%z]") ~= nil
        text = value and "true" or "false"
    elseif t.scale then
        value = (t.signed and signed_number_of(word) or number_of(word)) * t.scale / t.divisor + 0 -- not -0
        text = with_unit(t, ("%.15g"):format(value))
    else
        value = integer_of(word, t.signed)
        text = with_unit(t, tostring(value))
    end
    show(c, start, tree, path, sort, name, value, text)
    return text
end

local function float_of(word)
    local bits = #word == 4 and { 8, 23, 127 } or { 11, 52, 1023 }
    local exponent_bits, fraction_bits, bias = bits[1], bits[2], bits[3]
    local fraction = number_of(part_of(word, 0, fraction_bits, 7))
    local exponent = number_of(part_of(word, fraction_bits, exponent_bits, 2))
    local sign = bit_of(word, #word * 8 - 1) and -1 or 1
    if exponent == 2 ^ exponent_bits - 1 then
        return fraction == 0 and sign * math.huge or 0 / 0
    elseif exponent == 0 then
        return sign * fraction * 2 ^ (1 - bias - fraction_bits)
    end
    return sign * (1 + fraction / 2 ^ fraction_bits) * 2 ^ (exponent - bias)
end

-- How many bytes or elements follow; nil when the bytes end.
local function take_length(c, t, words)
    if t.length == "prefix" then
        local word = take(c, t.size)
        return word and number_of(word) * (t.unit or 1)
    elseif t.length == "fixed" then
        return t.size
    elseif t.length == "field" then
        return number_of(words[t.size])
    end
    return c.stop - c.at
end

local decode_type

-- A field of a struct, or a TLV. Where a byte or bit before it says that it does not count, only that is shown. Second
-- result: its word, for other fields.
local function decode_field(c, field, words, tree, path)
    local start, valid = c.at, true
    if field.valid then
        local byte = take(c, 1)
        if not byte then
            return nil
        end
        valid = byte ~= "\0"
    elseif field.mask then
        valid = bit_of(words[field.mask], field.bit or 0)
    end
    local shown = valid and not field.hidden and tree or nil
    local text, word = decode_type(c, field[2], words, start, shown, path, field[1])
    if text and not valid then
        text = "not valid"
    end
    if text and (field.hidden or not valid) then
        show_plain(c, start, tree, field[1], text)
    end
    return text, word
end

local function decode_struct(c, t, start, tree, path, name)
    local words, item = {}, open(c, start, tree, path, name)
    for i = 2, #t do
        local text, word = decode_field(c, t[i], words, item, path .. "." .. t[i][1])
        if not text then
            return nil
        end
        words[i - 1] = word
    end
    close(c, start, item)
    return ""
end

local function decode_bits(c, t, start, tree, path, name)
    local word, shift = take_word(c, t.width, t.big), 0
    if not word then
        return nil
    end
    local item = open(c, start, tree, path, name)
    for i = 2, #t do
        local part = t[i]
        if not part.hidden and item then
            local bits = part_of(word, shift, part.bits, part[2].width)
            value_of(c, start, part[2], bits, item, path .. "." .. part[1], part[1])
        end
        shift = shift + part.bits
    end
    close(c, start, item)
    return ""
end

local function decode_array(c, t, words, start, tree, path, name)
    local n = take_length(c, t, words)
    if not n then
        return nil
    end
    local item, to_end, i = open(c, start, tree, nil, name), t.length == "end", 0
    while to_end and c.at < c.stop or not to_end and i < n do
        local before = c.at
        if to_end then -- what is no whole element is left over
            local whole = decode_type(c, t.element, words, before, nil, path, "")
            c.at = before
            if not whole then
                break
            end
        end
        if not decode_type(c, t.element, words, before, item, path, ("%s[%d]"):format(name, i)) then
            return nil
        end
        i = i + 1
    end
    local text = ("%d element%s"):format(i, i == 1 and "" or "s")
    close(c, start, item, name .. ": " .. text)
    return text
end

local function decode_bytes(c, t, words, start, tree, path, name)
    local n = take_length(c, t, words)
    local bytes = n and take(c, n)
    if not bytes then
        return nil
    end
    if t[1] == "string" then
        local text = decode_text(t.coding or t.codings[number_of(words[t.by])], bytes)
        local shown = '"' .. text:gsub("%c", function(char) return ("\\x%02x"):format(char:byte()) end) .. '"'
        show(c, start, tree, path, "string", name, text, shown)
        return shown
    end
    local text = bytes:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end)
    if tree and n > 0 then
        tree:add(by_path[path].bytes, c.tvb:range(c.at - n, n)):set_text(name .. ": " .. text)
    else
        show_plain(c, start, tree, name, "none")
    end
    return text
end

-- `start` is where the value begins for the eye: at its valid byte.
function decode_type(c, t, words, start, tree, path, name)
    local kind = t[1]
    if kind == "struct" then
        return decode_struct(c, t, start, tree, path, name)
    elseif kind == "bits" then
        return decode_bits(c, t, start, tree, path, name)
    elseif kind == "array" then
        return decode_array(c, t, words, start, tree, path, name)
    elseif kind == "string" or kind == "bytes" then
        return decode_bytes(c, t, words, start, tree, path, name)
    elseif kind == "empty" then
        show(c, start, tree, path, "bool", name, true, "true")
        return "true"
    elseif ADDRESSES[kind] then
        local bytes = take(c, t.width)
        local text = bytes and ADDRESSES[kind](bytes, t)
        if text then
            show(c, start, tree, path, "string", name, text, text)
        end
        return text
    end

    local word = take_word(c, t.width, t.big)
    if not word then
        return nil
    elseif kind == "float" then
        local value = float_of(word)
        local text = with_unit(t, ("%.15g"):format(value))
        show(c, start, tree, path, "double", name, value, text)
        return text
    end
    return value_of(c, start, t, word, tree, path, name), word
end

-- ---- messages

local vendor = 0 -- of the preferences

function qmi.prefs_changed()
    vendor = tonumber((qmi.prefs.vendor:gsub("^0x", "")), 16) or 0
end

-- Of rows that have one id: that of the vendor before one of any vendor. Where the vendor is not known, the first.
local function choose(rows, id)
    local found = nil
    for _, row in ipairs(rows) do
        if row.id == id and (vendor == 0 or not row.vendor or row.vendor == vendor) then
            if row.vendor == vendor then
                return row
            end
            found = found or row
        end
    end
    return found
end

-- "Get Signal Info"
local function title_of(name)
    return (("-" .. name):gsub("%-(%w)", function(letter) return " " .. letter:upper() end):sub(2))
end

-- The first layout that takes all bytes, or else the first that decodes. Second result: what it leaves over.
local function layout_of(c, layouts, path)
    local found, rest = nil, nil
    for _, layout in ipairs(layouts or {}) do
        if vendor == 0 or not layout.vendor or layout.vendor == vendor then
            local dry = { tvb = c.tvb, bytes = c.bytes, at = c.at, stop = c.stop, head = c.head }
            if decode_field(dry, layout, nil, nil, path) and (not found or dry.at == dry.stop) then
                found, rest = layout, dry.stop - dry.at
            end
            if rest == 0 then
                break
            end
        end
    end
    return found, rest
end

local function result_of(c, item)
    local bytes = c.stop - c.at >= 4 and take(c, 4)
    if not bytes then
        item:add_proto_expert_info(malformed)
        return "malformed"
    end
    local status, error = number_of(bytes:sub(1, 2)), number_of(bytes:sub(3, 4))
    local text = "success"
    if status ~= 0 then
        text = errors[math.max(error, 1)] or ("%d"):format(error) -- a failure is never "success"
    end
    item:add_le(header.status, c.tvb:range(c.at - 4, 2)):append_text(status == 0 and " (success)" or " (failure)")
    item:add_le(header.error, c.tvb:range(c.at - 2, 2)):append_text((" (%s)"):format(errors[error] or "unknown"))
    item:add(header.result, c.tvb:range(c.at - 4, 4), text, "Result: " .. text)
    return text
end

-- `c` is at the value. Returns the result, where it is one.
local function dissect_tlv(c, id, tree, path, layouts, is_result)
    local item = tree:add(c.tvb:range(c.head, c.stop - c.head), ("TLV 0x%02x"):format(id))
    item:add(header.tlv, c.tvb:range(c.head, 1))
    item:add_le(header.tlv_length, c.tvb:range(c.head + 1, 2))
    local size = c.stop - c.at
    if is_result then
        local text = result_of(c, item)
        item:append_text(", result: " .. text)
        return text
    end

    local layout, rest = layout_of(c, layouts, path)
    if layout then
        path = path .. "." .. layout[1]
        local text = decode_field(c, layout, nil, item, path)
        item:append_text(", " .. layout[1] .. (text ~= "" and ": " .. text or ""))
    elseif size > 0 then
        item:add(header.tlv_value, c.tvb:range(c.at, size))
    end
    if layout and rest > 0 then
        item:add(header.tlv_value, c.tvb:range(c.at, rest)):set_text(("%d bytes left over"):format(rest))
        item:add_proto_expert_info(unknown, "Bytes are left over")
    elseif not layout and layouts then
        item:append_text(", " .. layouts[1][1] .. ": does not decode")
        item:add_proto_expert_info(malformed, "It does not decode")
    elseif not layout then
        item:append_text((", unknown, %d bytes"):format(size))
        item:add_proto_expert_info(unknown)
    end
end

local function dissect_tlvs(tvb, bytes, at, stop, tree, path, tlvs, is_response)
    local result, seen = nil, {}
    while at < stop do
        local length = stop - at >= 3 and bytes:byte(at + 2) + bytes:byte(at + 3) * 256
        if not length or length > stop - at - 3 then
            tree:add(tvb:range(at, stop - at), "No whole TLV"):add_proto_expert_info(malformed)
            break
        end
        local id = bytes:byte(at + 1)
        local c = { tvb = tvb, bytes = bytes, at = at + 3, stop = at + 3 + length, head = at }
        if seen[id] then
            tree:add(tvb:range(at, length + 3), ("TLV 0x%02x, repeated"):format(id)):add_proto_expert_info(malformed)
        else
            result = dissect_tlv(c, id, tree, path, tlvs and tlvs[id], is_response and id == 0x02) or result
        end
        seen[id] = true
        at = c.stop
    end
    return result
end

local TYPES = { [0] = "request", "response", "indication" }

-- The message in `bytes` from `at` to `stop`, which count from 0.
local function dissect_message(tvb, bytes, at, stop, pinfo, tree, service_id, client)
    local is_control = service_id == 0
    local n_header = is_control and 6 or 7
    local item = tree:add(qmi, tvb:range(at, stop - at))
    if stop - at < n_header then
        item:add_proto_expert_info(malformed, "The header is cut short")
        pinfo.cols.info = "QMI, cut short"
        return
    end
    local function number(offset, n)
        return number_of(bytes:sub(at + offset + 1, at + offset + n))
    end

    local service = choose(services, service_id)
    local kind = TYPES[is_control and number(0, 1) or math.floor(number(0, 1) / 2)]
    local id, n_tlvs = number(n_header - 4, 2), number(n_header - 2, 2)
    local message = service and choose(kind == "indication" and service.indications or service.requests, id)
    local service_name = service and service[1] or ("0x%02x"):format(service_id)
    local named = message or service and choose(service.others, id)
    local message_name = named and named[1] or ("0x%04x"):format(id)
    local title = ("%s %s %s"):format(service_name:upper(), named and title_of(message_name) or message_name,
        kind or "of unknown type")
    item:set_text("QMI, " .. title)
    item:add(header.service_name, tvb:range(at, n_header), service_name):set_generated()
    item:add(header.type, tvb:range(at, 1), kind or "unknown")
    item:add_le(header.transaction, tvb:range(at + 1, n_header - 5))
    item:add_le(header.id, tvb:range(at + n_header - 4, 2))
    item:add(header.message, tvb:range(at + n_header - 4, 2), message_name,
        ("Message: %s (%s)"):format(named and title_of(message_name) or "unknown", message_name))
    local length = item:add_le(header.length, tvb:range(at + n_header - 2, 2))
    if not message then
        item:add_proto_expert_info(unknown)
    end

    local first = at + n_header
    local last = math.min(first + n_tlvs, stop)
    if first + n_tlvs > stop then
        length:add_proto_expert_info(malformed, "The message is shorter")
    elseif last < stop then
        item:add(tvb:range(last, stop - last), "Bytes behind the TLVs"):add_proto_expert_info(unknown)
    end
    local tlvs = message and (kind == "request" and message.request or kind ~= "request" and message.response)
    local result = dissect_tlvs(tvb, bytes, first, last, item, "qmi." .. service_name, tlvs or nil, kind == "response")
    pinfo.cols.info = result and result ~= "success" and title .. ": " .. result or title
end

-- ---- frames

local HEADER = 6

local function is_frame(bytes, at)
    local flags = bytes:byte(at + 4)
    return bytes:byte(at + 1) == 0x01 and (not flags or flags == 0x00 or flags == 0x80)
end

-- The frame at `at`; returns where the next one is.
local function dissect_frame(tvb, bytes, at, pinfo, tree)
    local left = #bytes - at
    local size = left >= 3 and bytes:byte(at + 2) + bytes:byte(at + 3) * 256 + 1 or HEADER
    local n = math.min(size, left)
    local item = tree:add(qmux, tvb:range(at, n))
    if n < HEADER then
        item:add_proto_expert_info(malformed, "The frame is cut short")
        pinfo.cols.info = "QMUX, cut short"
        return at + n
    end
    local from_modem = bytes:byte(at + 4) == 0x80
    item:add(header.mark, tvb:range(at, 1))
    item:add_le(header.frame_length, tvb:range(at + 1, 2))
    item:add(header.flags, tvb:range(at + 3, 1))
    local service = choose(services, bytes:byte(at + 5))
    item:add(header.service, tvb:range(at + 4, 1)):append_text(service and (" (%s)"):format(service[1]) or "")
    item:add(header.client, tvb:range(at + 5, 1))
    pinfo.cols.src = from_modem and "modem" or "host"
    pinfo.cols.dst = from_modem and "host" or "modem"
    if size > left then
        item:add_proto_expert_info(malformed, "The frame is cut short")
    end
    if n > HEADER then
        dissect_message(tvb, bytes, at + HEADER, at + n, pinfo, tree, bytes:byte(at + 5), bytes:byte(at + 6))
    end
    return at + n
end

local encapsulations = DissectorTable.get("wtap_encap")
local before = encapsulations:get_dissector(wtap_encaps.USER0)
local asked = false -- `before` may be told to ask us

-- What is no frame of ours is left to whom the link type belonged.
function qmux.dissector(tvb, pinfo, tree)
    local bytes, at = tvb:raw(0, tvb:len()), 0
    if asked or not is_frame(bytes, 0) then
        if asked or not before then
            return 0
        end
        asked = true
        local n = before:call(tvb, pinfo, tree)
        asked = false
        return n
    end
    pinfo.cols.protocol = "QMI"
    while at < #bytes do
        if not is_frame(bytes, at) then
            tree:add(qmux, tvb:range(at, #bytes - at)):add_proto_expert_info(malformed, "No frame begins here")
            break
        end
        at = dissect_frame(tvb, bytes, at, pinfo, tree)
    end
    return tvb:len()
end

encapsulations:add(wtap_encaps.USER0, qmux)
