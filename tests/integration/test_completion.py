# SPDX-License-Identifier: LGPL-2.1-or-later
"""Completion of qmictl in the real shells, which load it from where it is installed."""

import json
import os
import pty
import re
import select
import shutil
import subprocess
import threading

import pytest

import qmidtest

BASH_COMPLETION = "/usr/share/bash-completion/bash_completion"
DONE = "\a"  # ^G, bound to what hands out the line


def lines(*text):
    return "\n".join(text) + "\n"


class Typed:
    """A shell at a terminal. What a key makes of a line comes back through a pipe, descriptor 9 of the shell."""

    def __init__(self, command, env):
        self.pipe, write = os.pipe()
        os.set_inheritable(write, True)
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.dup2(write, 9)
            os.execvpe(command[0], command, env)
        os.close(write)
        self.shown = b""
        self.reader = threading.Thread(target=self._read_terminal)
        self.reader.start()
        assert self._line() == "ready"

    def _read_terminal(self):
        try:
            while block := os.read(self.terminal, 65536):
                self.shown += block
        except OSError:
            pass  # the shell has ended

    def _line(self):
        text = b""
        while not text.endswith(b"\n"):
            ready, _, _ = select.select([self.pipe], [], [], qmidtest.TIMEOUT)
            assert ready, f"the shell says nothing\n{self.shown.decode(errors='replace')}"
            block = os.read(self.pipe, 65536)
            assert block, f"the shell has ended\n{self.shown.decode(errors='replace')}"
            text += block
        return text.decode().rstrip("\n")

    def type(self, line, key):
        """What the line is after that key. Its end is kept: a blank there says that the word is complete."""
        os.write(self.terminal, (line + key + DONE).encode())
        return self._line()

    def stop(self):
        os.write(self.terminal, b"\x15exit\n")
        os.waitpid(self.pid, 0)
        self.reader.join()
        os.close(self.terminal)
        os.close(self.pipe)


class Bash(Typed):
    ALL, TAB = "\x1b*", "\t"

    def __init__(self, folder, env):
        rc = folder / "bashrc"
        rc.write_text(lines(
            f". {BASH_COMPLETION}",
            # Without: the loader of the library wants a terminal of its own kind.
            "PS1='> '",
            "bind 'set enable-bracketed-paste off'",
            "hand_out() { printf '%s\\n' \"$READLINE_LINE\" >&9; READLINE_LINE=; READLINE_POINT=0; }",
            "bind -x '\"\\C-g\": hand_out'",
            "echo ready >&9"))
        super().__init__(["bash", "--noprofile", "--rcfile", str(rc), "-i"], env)


class Zsh(Typed):
    ALL, TAB = "\x18a", "\t"

    def __init__(self, folder, env):
        (folder / ".zshrc").write_text(lines(
            f"fpath=({folder}/share/zsh/vendor-completions $fpath)",
            "autoload -Uz compinit && compinit -u -D",
            "PS1='> '; unset zle_bracketed_paste",
            "zstyle ':completion:all:*' insert yes",
            "zstyle ':completion:all::::' completer _all_matches _complete",
            "zle -C all complete-word _generic; bindkey '^Xa' all",
            "hand_out() { print -r -- \"$BUFFER\" >&9; BUFFER= }",
            "zle -N hand_out; bindkey '^G' hand_out",
            "echo ready >&9"))
        super().__init__(["zsh", "-i"], {**env, "ZDOTDIR": str(folder)})


class Fish(Typed):
    ALL, TAB = None, "\t"

    def __init__(self, folder, env):
        self.env = env
        self.program = shutil.which("fish")
        self.file = str(folder / "share/fish/vendor_completions.d/qmictl.fish")
        super().__init__(["fish", "--no-config", "--interactive", "--init-command", lines(
            f"source {self.file}",
            "function hand_out; commandline >&9; commandline ''; end",
            "function fish_prompt; bind \\cg hand_out; bind \\t complete; end",
            "echo ready >&9")], env)

    def type(self, line, key):
        """All that there is, fish tells without a terminal only."""
        if key:
            return super().type(line, key)
        done = subprocess.run([self.program, "--no-config", "-c", "source $argv[1]; complete -C $argv[2]", self.file,
                               line], env=self.env, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        words = [row.split("\t")[0] for row in done.stdout.splitlines()]
        return f"{line[:line.rfind(' ')]} {' '.join(words)}"


@pytest.fixture(scope="module")
def share(tmp_path_factory):
    """The folder where the completions lie as they are installed, below share/."""
    prefix = tmp_path_factory.mktemp("c")
    built = qmidtest.build_folder() / "interfaces"
    for name, place in (("qmictl", "bash-completion/completions"), ("_qmictl", "zsh/vendor-completions"),
                        ("qmictl.fish", "fish/vendor_completions.d")):
        (prefix / "share" / place).mkdir(parents=True)
        shutil.copy(built / name, prefix / "share" / place)
    return prefix


def environment(folder, **more):
    path = f"{qmidtest.build_folder() / 'cli'}:{os.environ['PATH']}"
    return {"PATH": path, "HOME": str(folder), "TERM": "xterm", "LANG": "C.UTF-8", "COLUMNS": "400",
            "BASH_COMPLETION_USER_DIR": str(folder / "share/bash-completion"),
            "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={folder}/nobody", **more}


def start(kind, folder, **more):
    name = kind.__name__.lower()
    if not shutil.which(name):
        pytest.skip(f"there is no {name}")
    if kind is Bash and not os.path.exists(BASH_COMPLETION):
        pytest.skip("there is no bash-completion")
    return kind(folder, environment(folder, **more))


@pytest.fixture(scope="module", params=[Bash, Zsh, Fish], ids=["bash", "zsh", "fish"])
def shell(request, share):
    s = start(request.param, share)
    yield s
    s.stop()


@pytest.fixture(scope="module")
def usage():
    return subprocess.run([qmidtest.program("cli/qmictl"), "--help"], capture_output=True, text=True).stdout


def offered(shell, line):
    """The words in place of the last one."""
    head = line[:line.rfind(" ") + 1]
    full = shell.type(line, shell.ALL)
    assert full.startswith(head.rstrip())
    words = sorted(full[len(head):].split()) if full != line else []
    # zsh tells the options where there is nothing else.
    return words if line[len(head):] or not words or words[0][0] != "-" else []


# ---- what is offered


def test_commands(shell, usage):
    assert offered(shell, "qmictl ") == sorted(re.findall(r"^  (\w+) ", usage.partition("Options:")[0], re.M))
    assert offered(shell, "qmictl --json short cl") == ["clients"]
    assert offered(shell, "qmictl list ") == []


def test_services(shell):
    assert offered(shell, "qmictl call n") == ["nas"]
    for line in ("qmictl describe ", "qmictl trace "):
        assert {"ctl", "nas"} < set(offered(shell, line))
    for line in ("qmictl call ", "qmictl raw ", "qmictl monitor "):
        assert {"dms", "nas", "wds"} < set(offered(shell, line))
        assert "ctl" not in offered(shell, line)
    assert "nas" not in offered(shell, "qmictl monitor dms nas ")


def test_messages(shell):
    assert offered(shell, "qmictl call nas get-signal-i") == ["get-signal-info"]
    assert "signal-info" not in offered(shell, "qmictl call nas signal-i")  # an indication
    for command in ("describe", "trace"):
        assert "signal-info" in offered(shell, f"qmictl {command} nas signal-i")
        assert "get-signal-info" in offered(shell, f"qmictl {command} nas get-signal-i")
    assert offered(shell, "qmictl call nosuch ") == []
    assert offered(shell, "qmictl -j --timeout 3 call -d y dms set-operating-m") == ["set-operating-mode"]


def test_fields(shell):
    assert offered(shell, "qmictl call dms set-operating-mode ") == ["mode="]
    assert offered(shell, "qmictl call dms set_operating_mode mo") == ["mode="]
    assert offered(shell, "qmictl call dms set-operating-mode mode=online ") == []
    assert offered(shell, "qmictl call nas get-signal-info ") == []
    before = offered(shell, "qmictl call nas register-indications ")
    assert {"signal_info=", "network_reject.enabled=", "network_reject.suppress_system_info="} < set(before)
    after = offered(shell, "qmictl call nas register-indications signal-info=yes network_reject.enabled=no ")
    assert set(before) - set(after) == {"signal_info=", "network_reject.enabled="}


def test_elements_of_lists(shell):
    one = ["images.0.build_id=", "images.0.type=", "images.0.unique_id="]
    line = "qmictl call dms set-firmware-preference "
    assert offered(shell, f"{line}images") == one
    assert offered(shell, f"{line}images.0.type=modem images") == [
        "images.0.build_id=", "images.0.unique_id=", "images.1.build_id=", "images.1.type=", "images.1.unique_id="]
    assert offered(shell, f"{line}images.0.type=modem images.1.type=p") == ["images.1.type=pri"]


def value(shell, line):
    """What is offered behind the = of the last word, or the comma in it."""
    return [re.sub("^.*[=,]", "", word.rstrip(",")) for word in offered(shell, line)]


def test_symbols(shell):
    assert value(shell, "qmictl call dms set-operating-mode mode=o") == ["offline", "online"]
    assert value(shell, "qmictl call dms set-operating-mode mode=low-p") == ["low_power"]
    assert value(shell, "qmictl call nas set-system-selection-preference acquisition_order=lt") == ["lte"]


def test_flags(shell):
    line = "qmictl call nas set-system-selection-preference modes="
    assert {"gsm", "umts", "lte"} < set(value(shell, line))
    assert value(shell, f"{line}l") == ["lte"]
    assert {"umts", "lte"} < set(value(shell, f"{line}gsm,"))
    assert "gsm" not in value(shell, f"{line}gsm,")
    assert value(shell, f"{line}gsm,l") == ["lte"]


def test_other_values(shell):
    assert value(shell, "qmictl call nas register-indications signal_info=") == ["no", "yes"]
    assert value(shell, "qmictl call nas register-indications signal-info=y") == ["yes"]
    assert value(shell, "qmictl call wds start-network apn=")[1:] == []  # text


def test_a_secret_is_read(shell):
    """On the command line qmictl refuses it."""
    assert value(shell, "qmictl call uim verify-pin pin.value=") == ["-"]


def test_options(shell, usage):
    listed = set(re.findall(r"(--[a-z0-9-]+)", usage.partition("Options:")[2])) - {"--json=short"}
    assert {w.rstrip("=") for w in offered(shell, "qmictl --")} == listed
    assert offered(shell, "qmictl --no") == ["--no-ask-password", "--no-legend"]
    assert [w.rstrip("=") for w in offered(shell, "qmictl call --j")] == ["--json"]
    assert value(shell, "qmictl --json=") == ["off", "pretty", "short"]
    assert value(shell, "qmictl connect --link-layer=") == ["802.3", "auto", "off", "qmap", "raw-ip"]
    assert offered(shell, "qmictl --json p") == ["pretty"]


def test_files(shell, share):
    """In every other place there are none."""
    (share / "a trace.pcapng").touch()
    assert "trace.pcapng" in shell.type(f"qmictl trace -r {share}/a", shell.ALL)
    assert "trace.pcapng" in shell.type(f"qmictl connect --password-file={share}/a", shell.ALL)
    assert "trace.pcapng" not in shell.type(f"qmictl trace nas {share}/a", shell.ALL)


# ---- what a key makes of the line


@pytest.mark.parametrize("typed, expected", [
    ("qmictl cal", "qmictl call "),
    ("qmictl call dms set-operating-mode mod", "qmictl call dms set-operating-mode mode="),
    ("qmictl call dms set-operating-mode mode=onl", "qmictl call dms set-operating-mode mode=online "),
    ("qmictl call uim verify-pin session.t", "qmictl call uim verify-pin session.type="),
    ("qmictl --json=s", "qmictl --json=short "),
])
def test_one_word_that_fits(shell, typed, expected):
    assert shell.type(typed, shell.TAB) == expected


def test_flags_go_on(shell):
    line = "qmictl call nas set-system-selection-preference modes="
    assert shell.type(f"{line}lt", shell.TAB).rstrip(", ") == f"{line}lte"
    assert shell.type(f"{line}gsm,lt", shell.TAB).rstrip(", ") == f"{line}gsm,lte"


# ---- devices


@pytest.mark.parametrize("kind", [Bash, Zsh, Fish], ids=["bash", "zsh", "fish"])
def test_devices(world, share, kind):
    world.sim()
    world.sim("other")
    world.start_daemon()
    shell = start(kind, share, DBUS_SYSTEM_BUS_ADDRESS=world.bus.address)
    try:
        assert offered(shell, "qmictl -d ") == ["unix_modem0", "unix_other"]
        assert value(shell, "qmictl --device=") == ["unix_modem0", "unix_other"]
        assert offered(shell, "qmictl -H elsewhere -d ") == []  # it has others
        assert offered(shell, "qmictl -d unix_o") == ["unix_other"]
    finally:
        shell.stop()


def test_no_bus_no_word(shell):
    assert offered(shell, "qmictl -d ") == []
    assert b"qmictl:" not in shell.shown


# ---- where it comes from


@pytest.mark.parametrize("kind", [Bash, Zsh, Fish], ids=["bash", "zsh", "fish"])
def test_words_need_no_process(share, kind):
    shell = start(kind, share)
    try:
        assert offered(shell, "qmictl call dms set-operating-m") == ["set-operating-mode"]  # now it is loaded
        if isinstance(shell, Fish):
            shell.env["PATH"] = "/nonexistent"
        else:
            os.write(shell.terminal, b"PATH=/nonexistent\n")
        assert value(shell, "qmictl call dms set-operating-mode mode=onl") == ["online"]
        assert offered(shell, "qmictl call dms set-firmware-preference images.1") == []
    finally:
        shell.stop()


def leaves(fields, prefix=""):
    """The paths of a request without the numbers of elements, as `qmictl describe` has them, and their symbols."""
    for f in fields:
        if "fields" in f:
            yield from leaves(f["fields"], f"{prefix}{f['key']}.")
        elif not f.get("alternative"):
            yield f"{prefix}{f['key']}", set(f.get("symbols", []))


def test_every_word_of_the_schema(world, share):
    """As the tables of the C programs have them."""
    def describe(*words):
        return json.loads(world.qmictl("-j", "describe", *words)[1])

    def words(function, *arguments):
        """What the data of the script holds, a list for each argument."""
        script = f'. "$0"; for i; do REPLY=; {function} "$i"; echo "$REPLY"; done'
        status, out, _ = world.run("bash", "-c", script, share / "share/bash-completion/completions/qmictl", *arguments)
        assert status == 0
        return [row.split() for row in out.splitlines()]

    services = [row["service"] for row in describe()]
    assert sorted(words("_qmictl_services", "describe")[0]) == sorted(services)
    described = {name: describe(name) for name in services}
    for function, kind in (("_qmictl_messages", "message"), ("_qmictl_indications", "indication")):
        seen = dict(zip(services, words(function, *services), strict=True))
        assert seen == {name: [m[kind] for m in described[name][f"{kind}s"]] for name in services}

    requests = [f"{name} {m['message']}" for name in services if name != "ctl" for m in described[name]["messages"]]
    n_symbols = 0
    for request, fields in zip(requests, words("_qmictl_fields", *requests), strict=True):
        about = describe(*request.split())["request"]
        paths = {re.sub(r"\.#", "", f.lstrip("!").split("=")[0]): f.split("=")[1] for f in fields}
        wanted = dict(leaves(about))
        assert set(paths) == set(wanted), request
        for path, symbols in wanted.items():
            if paths[path][0] in "ef":
                assert set(words("_qmictl_symbols", paths[path][1:])[0]) >= symbols, f"{request} {path}"
                n_symbols += len(symbols)
            else:
                assert not symbols or paths[path] == "p", f"{request} {path}"
        mandatory = {f["key"] for f in about if f.get("mandatory") and not f["signature"].startswith("aa")}
        assert {f[1:].split("=")[0].split(".")[0] for f in fields if f[0] == "!"} <= mandatory
    assert n_symbols > 1000
