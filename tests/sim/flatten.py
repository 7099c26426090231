#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes the lines that qmisim reads: from a scenario in TOML, or from a recording in JSON lines.

A scenario is a tree of values, service.message.key = value, as answers.h and modem_set() of qmisim take them.
Beside the services it may have

    include  = "default.toml"             what that file says comes first
    start    = ["silent on"]              commands before the modem listens
    repeat   = "4s"                       the time line begins anew

    [[at]]                                the time line
    time = "0.5s"
    do   = ["nas.get-signal-info.lte.rsrp = -97", "send nas signal-info"]

    [[rule]]                              what a request changes: rules.h
    on = "dms.set-operating-mode"
    if = 'request.mode != "online"'       one condition or a list
    do = "copy request.mode dms.get-operating-mode.mode"

    [raw.0x03.0x004f]                     TLVs as they are
    0x14 = "00ff"

Bytes are texts that begin with "hex:". Recordings have a frame a line: "direction" (out, in) and "raw".
"""

import argparse
import json
import pathlib
import sys
import tomllib

SPECIAL = ("include", "start", "repeat", "at", "rule")


def scalar(value):
    """One value as qmisim spells it."""
    if isinstance(value, str):
        return value if value.startswith("hex:") else json.dumps(value, ensure_ascii=False)
    if isinstance(value, (bytes, bytearray)):
        return "hex:" + value.hex()
    if isinstance(value, (bool, int, float)):
        return json.dumps(value)
    raise ValueError(f"no value of a scenario: {value!r}")


def flatten_values(prefix, value):
    """The lines of a tree; an empty table or array is a value itself."""
    if isinstance(value, dict) and value:
        for key, below in value.items():
            yield from flatten_values(f"{prefix}.{key}" if prefix else key, below)
    elif isinstance(value, list) and value:
        for index, below in enumerate(value):
            yield from flatten_values(f"{prefix}.{index}", below)
    elif isinstance(value, (dict, list)) and prefix:
        yield f"{prefix} = {'{}' if isinstance(value, dict) else '[]'}"
    elif prefix:
        yield f"{prefix} = {scalar(value)}"


def as_list(value):
    return value if isinstance(value, list) else [value]


def keys_of(table, known, where):
    unknown = set(table) - set(known)
    if unknown:
        raise ValueError(f"{where}: unknown key {sorted(unknown)[0]!r}")


def flatten_scenario(path):
    path = pathlib.Path(path)
    try:
        with path.open("rb") as f:
            scenario = tomllib.load(f)
    except tomllib.TOMLDecodeError as e:
        raise ValueError(f"{path}: {e}") from e

    if "include" in scenario:
        yield from flatten_scenario(path.parent / scenario["include"])
    yield f"# {path.name}"
    yield from flatten_values("", {k: v for k, v in scenario.items() if k not in SPECIAL})
    for rule in scenario.get("rule", []):
        keys_of(rule, ("on", "if", "do"), f"{path}: rule")
        for message in as_list(rule["on"]):
            yield f"on {message}"
            yield from (f"if {condition}" for condition in as_list(rule.get("if", [])))
            yield from (f"do {command}" for command in as_list(rule["do"]))
    yield from (f"@0s {command}" for command in scenario.get("start", []))
    for entry in scenario.get("at", []):
        keys_of(entry, ("time", "do"), f"{path}: at")
        yield from (f"@{entry['time']} {command}" for command in as_list(entry["do"]))
    if "repeat" in scenario:
        yield f"@repeat {scenario['repeat']}"


def flatten_recording(path):
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            if not line.strip():
                continue
            frame = json.loads(line)
            if frame["direction"] not in ("in", "out"):
                raise ValueError(f"{path}:{number}: direction {frame['direction']!r}")
            yield f"{'>' if frame['direction'] == 'out' else '<'} {frame['raw']}"


def flatten(path):
    return flatten_recording(path) if str(path).endswith(".jsonl") else flatten_scenario(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", help="scenario (.toml) or recording (.jsonl)")
    parser.add_argument("override", nargs="*", help="further lines, such as 'nas.get-signal-info.lte.rsrp = -110'")
    arguments = parser.parse_args()
    try:
        for line in flatten(arguments.file):
            print(line)
    except (OSError, ValueError, KeyError) as e:
        sys.exit(f"flatten.py: {e}")
    for line in arguments.override:
        print(line)


if __name__ == "__main__":
    main()
