# SPDX-License-Identifier: LGPL-2.1-or-later
"""What can be said of the files without building them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = [ROOT / name for name in subprocess.run(
    ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
    cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()]
FILES = [f for f in FILES if f.is_file()]
C_FILES = [f for f in FILES if f.suffix in (".c", ".h")]

# From the lowest layer up: each may include itself and those before it,
LAYERS = ["util", "net", "qmi", "port", "mux", "modem", "access", "bus"]
# but for these: what is beside them.
BESIDE = {"qmi": ["net"], "port": ["net"], "mux": ["net"]}


def relative(path):
    return str(path.relative_to(ROOT))


def text_of(path):
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_includes_only_what_is_below(layer):
    allowed = set(LAYERS[:LAYERS.index(layer) + 1]) - set(BESIDE.get(layer, []))
    wrong = []
    for path in (ROOT / "src" / layer).glob("*.[ch]"):
        for include in re.findall(r'^#\s*include "([^"]+)"', text_of(path), re.M):
            if include.split("/")[0] not in allowed:
                wrong.append(f"{relative(path)} includes {include}")
    assert not wrong


def test_the_protocol_does_no_io():
    forbidden = re.compile(r"#\s*include <(systemd/|libudev|sys/(epoll|socket|timerfd|inotify)|unistd|fcntl|poll)")
    wrong = [relative(p) for p in (ROOT / "src/qmi").glob("*.[ch]") if forbidden.search(text_of(p))]
    assert not wrong


def test_bus_messages_are_built_in_the_bus_layer_only():
    wrong = [relative(p) for p in (ROOT / "src").rglob("*.[ch]")
             if p.parent.name != "bus" and "sd_bus_message_" in text_of(p)]
    assert not wrong


def test_formatting():
    if not shutil.which("clang-format"):
        pytest.skip("there is no clang-format")
    result = subprocess.run(["clang-format", "--dry-run", "-Werror", *map(str, C_FILES)],
                            capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-4000:]


def test_every_source_names_its_licence():
    kinds = {".c", ".h", ".py", ".sh", ".toml", ".build", ".rules", ".conf", ".service", ".socket"}
    wrong = [relative(f) for f in FILES if (f.suffix in kinds or f.name in ("demo", "test", "meson.build"))
             and "SPDX-License-Identifier: LGPL-2.1-or-later" not in "\n".join(text_of(f).splitlines()[:6])]
    assert not wrong


# The project speaks of itself only, and nothing is left for later.
FORBIDDEN = re.compile("|".join([
    r"/wor" r"k/", r"\bTO" r"DO\b", r"\bFIX" r"ME\b", r"\bX" r"XX\b", r"\.\./sha" r"red", r"/ho" r"me/",
    r"deb\.deb" r"ian\.org", r"registry\.npm", r"for n" r"ow[.,)]", r"not impl" r"emented"]))


def test_no_word_that_does_not_belong():
    wrong = []
    for path in FILES:
        try:
            text = text_of(path)
        except UnicodeDecodeError:
            continue
        if path.name == "LICENSE":
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if FORBIDDEN.search(line):
                wrong.append(f"{relative(path)}:{number}: {line.strip()}")
    assert not wrong


def test_no_blank_at_the_end_of_a_line():
    wrong = [f"{relative(p)}:{n}" for p in FILES if p.suffix in {".c", ".h", ".py", ".toml", ".md", ".build"}
             for n, line in enumerate(text_of(p).splitlines(), 1) if line != line.rstrip()]
    assert not wrong


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.[1-8]")), ids=lambda p: p.name)
def test_man_page(page):
    if not shutil.which("mandoc"):
        pytest.skip("there is no mandoc")
    result = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", str(page)], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def test_shell_scripts_parse():
    scripts = [f for f in FILES if f.suffix == ".sh" or
               (not f.suffix and text_of(f).startswith("#!/bin/bash"))]
    assert scripts
    for script in scripts:
        assert subprocess.run(["bash", "-n", str(script)]).returncode == 0


def names_of(path):
    """The tests of a file: functions, or cases by their title."""
    text = text_of(path)
    return set(re.findall(r"^(?:def|static void) (test_\w+)\(", text, re.M)) | set(re.findall(r'^@case\("([^"]+)"', text, re.M))


def test_every_test_that_security_names_is_there():
    wrong, n = [], 0
    for line in text_of(ROOT / "docs" / "security.md").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if not line.startswith("|") or len(cells) != 3 or cells[0] in ("threat", "---"):
            continue
        for reference in cells[2].rstrip(" |").split("; "):
            found = re.fullmatch(r"`([\w./-]+)`(?:: (`[^`]+`(?:, `[^`]+`)*))?", reference)
            path = found and ROOT / "tests" / found[1]
            if not found or not path.is_file():
                wrong.append(reference)
                continue
            n += 1
            wrong += [f"{found[1]}: {name}" for name in re.findall(r"`([^`]+)`", found[2] or "")
                      if name not in names_of(path)]
    assert not wrong and n > 40
