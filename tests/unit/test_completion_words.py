# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the completion scripts hold of the schema, and that shells can read them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
INTERFACES = ROOT / "interfaces"
sys.path.insert(0, str(INTERFACES))

import completion  # noqa: E402
from schema import load  # noqa: E402

SCHEMAS = {
    "all": sorted(p for p in INTERFACES.glob("*.toml") if p.stem != "common"),
    "lab": [ROOT / "tests/unit/cli.toml"],
}

AWKWARD = '''\
service = "odd"
id      = 0xEF
title   = "A modem's $HOME `date` \\\\ \\"odd\\" service"

[enum.mode]
off = 0
on = 1

[message.ask]
is    = "0x0001 command status"
about = "What's in a $(name)? A \\\\ and a ' and a \\" and 50% of: colons."
request.0x01 = "mode: u8 enum mode"
'''


def schema_of(files):
    schema, errors = load(files, INTERFACES / "common.toml")
    assert not errors
    return schema


@pytest.fixture(params=SCHEMAS)
def schema(request):
    return schema_of(SCHEMAS[request.param])


def read_by(shell, command, script, path):
    if not shutil.which(shell):
        pytest.skip(f"there is no {shell}")
    path.write_text(script)
    done = subprocess.run([*command, path], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_syntax(schema, shell, tmp_path):
    read_by(shell, [shell, "-n"], completion.SHELLS[shell](schema), tmp_path / "script")


def test_the_shells_have_the_same_words(schema):
    scripts = [emit(schema) for emit in completion.SHELLS.values()]
    for service in schema.services:
        for message in [*service.messages, *service.indications]:
            assert all(message in script for script in scripts)
    for fields in completion.Words(schema).fields.values():
        assert all(f in script for f in fields for script in scripts)


def test_kinds_of_fields():
    words = completion.Words(schema_of(SCHEMAS["lab"]))
    symbols = {n: found for found, n in words.lists.items()}
    colours, levels, parts = ("none", "dark_red", "blue"), ("low", "high"), ("first", "second_part", "third")
    seen = {}
    for entry in words.fields["lab", "measure"]:
        path, kind = entry.split("=")
        seen[path] = (kind[0], symbols[int(kind[1:])]) if kind[0] in "ef" else kind
    assert seen == {
        "!count": "n", "offset": "n", "wide": "n", "on": "b", "colour": ("e", colours), "level": ("e", levels),
        "parts": ("f", parts), "name": "t", "data": "x", "places.#.x": "ndBm", "places.#.scale": "ndB",
        "places.#.hint": "n", "numbers": "N", "masks.#": ("f", parts), "address": "t", "here": "y", "packed.a": "b",
        "packed.mode": "n", "ratio": "n", "grid.#": "N", "counted.between": "n", "counted.items": "N"}


def test_secrets():
    fields = completion.Words(schema_of(SCHEMAS["lab"])).fields
    assert [f for f in fields["lab", "unlock"] if f.startswith("!")][1:] == ["!pin.value=p"]
    assert {f.split("=")[1] for f in fields["lab", "vault"]} == {"p"}


@pytest.mark.parametrize("shell, show", [
    ("bash", '_qmictl_fields "odd ask"; echo "$REPLY"'),
    ("zsh", "_qmictl_messages odd; print -rl -- $reply"),
    ("fish", "__qmictl_messages odd; __qmictl_services call"),
])
def test_sentences_are_quoted(shell, show, tmp_path):
    (tmp_path / "odd.toml").write_text(AWKWARD)
    script = completion.SHELLS[shell](schema_of([tmp_path / "odd.toml"]))
    if shell == "zsh":
        script = script.replace('_qmictl "$@"', "")
    out = read_by(shell, [shell], f"{script}\n{show}\n", tmp_path / "script")
    about = "What's in a $(name)? A \\ and a ' and a \" and 50% of: colons."
    title = "A modem's $HOME `date` \\ \"odd\" service"
    assert out.splitlines() == {
        "bash": ["!mode=e0"],
        "zsh": [f"ask:{about}"],
        "fish": [f"ask\t{about}", f"odd\t{title}"],
    }[shell]
