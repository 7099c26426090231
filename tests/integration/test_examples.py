# SPDX-License-Identifier: LGPL-2.1-or-later
"""The programs in docs/examples, as a reader would run them."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import threading

import pytest
from qmidtest import ROOT, TIMEOUT, program

EXAMPLES = ROOT / "docs" / "examples"
SIGNAL = sorted(p.name for p in EXAMPLES.glob("watch-signal.*"))
NEEDS = {"watch-signal.py": ["/usr/bin/python3"], "watch-signal.js": ["gjs"], "watch-signal.sh": ["jq", "busctl"]}


def test_every_example_is_tried():
    assert {p.name for p in EXAMPLES.iterdir()} == {*SIGNAL, "connection-manager.py", "to-networkd.py"}


@pytest.mark.parametrize("name", SIGNAL)
def test_signal(world, sim, device, name):
    for tool in NEEDS[name]:
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    path = f"{pathlib.Path(program('cli/qmictl')).parent}:{os.environ['PATH']}"
    with subprocess.Popen([str(EXAMPLES / name)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          start_new_session=True, env={**os.environ, "PATH": path,
                                                       "DBUS_SYSTEM_BUS_ADDRESS": world.bus.address}) as process:
        try:
            assert process.stdout.readline() == "RSRP -95 dBm, SNR 12.4 dB\n", process.stderr.read()
            sim.wait_count("nas.register-indications", 1)
            for rsrp in (-90, -91):
                sim.send("nas", "signal-info", lte__rsrp=rsrp)
                assert process.stdout.readline() == f"RSRP {rsrp} dBm, SNR 12.4 dB\n", process.stderr.read()
        finally:
            os.killpg(process.pid, signal.SIGKILL)


# ---- data sessions


class Manager:
    """connection-manager.py, killed if it hangs."""

    def __init__(self, world, *arguments):
        # What runs in the background ignores SIGINT, and so would it.
        self.popen = subprocess.Popen([str(EXAMPLES / "connection-manager.py"), *arguments], stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, text=True,
                                      preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
                                      env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": world.bus.address})
        self.timer = threading.Timer(TIMEOUT, self.popen.kill)
        self.timer.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.popen.kill()
        self.popen.communicate()
        self.timer.cancel()

    def line(self):
        return self.popen.stdout.readline().rstrip("\n")


def test_connection_manager(world):
    """Of a port without a network interface."""
    sim = world.sim(scenario="data")
    world.start_daemon()
    with Manager(world, "internet") as manager:
        assert manager.line() == f"{sim.device}/session/1:  192.0.2.42 2001:db8:42::2a"
        for family in ("ipv4", "ipv6"):
            sim.command(f"end-call 0 {family} call-end-reason=gsm-wcdma-regular-deactivation")
        line = manager.line()
        while line.startswith(f"{sim.device}/session/1: "):  # one family after the other
            line = manager.line()
        assert line.startswith("Again in 1 s: ") and "it is gone" not in line
        assert manager.line() == f"{sim.device}/session/2:  192.0.2.42 2001:db8:42::2a"
        manager.popen.send_signal(signal.SIGINT)
        assert manager.popen.wait() == 0
    sim.wait_count("clients.wds", "=1")  # qmid's own


def test_connection_manager_gives_up(world):
    world.sim(scenario="data")
    world.start_daemon()
    with Manager(world, "a" * 200) as manager:
        assert "apn" in manager.line()
        assert manager.popen.wait() == 1


def test_connection_manager_sets_up_the_interface(monkeypatch):
    """What it would run."""
    words = []
    source = (EXAMPLES / "connection-manager.py").read_text().partition("\nbus = ")[0]
    namespace = {}
    exec(compile(source, "connection-manager.py", "exec"), namespace)
    namespace["ip"] = lambda *a: words.append(" ".join(a))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    namespace["configure"]("wwan0", [
        {"address": "192.0.2.42", "prefix": 30, "gateway": "192.0.2.41", "dns": ["192.0.2.53"], "mtu": 1460},
        {"address": "2001:db8::2a", "prefix": 64, "mtu": 1428}])
    assert words == [
        "link set dev wwan0 mtu 1428 up", "address flush dev wwan0 scope global",
        "address add 192.0.2.42/30 dev wwan0",
        "-4 route add default via 192.0.2.41 onlink dev wwan0 metric 4096",
        "address add 2001:db8::2a/64 dev wwan0", "-6 route add default dev wwan0 metric 4096"]


NETWORK = """[Match]
Name=wwan0

[Link]
RequiredForOnline=no
MTUBytes=1500

[Network]
LinkLocalAddressing=no
IPv6AcceptRA=no
LLDP=no
Address=192.0.2.42/30
DNS=192.0.2.53

[Route]
Destination=0.0.0.0/0
Metric=4096
Gateway=192.0.2.41
GatewayOnLink=yes
"""


def test_networkd(tmp_path):
    assert NETWORK in (ROOT / "docs/data.md").read_text()
    log = tmp_path / "log"
    folder, copy = tmp_path / "network", tmp_path / "copy"
    (tmp_path / "networkctl").write_text(
        f'#!/bin/sh\necho "$*" >>{log}\n[ "$1" != reconfigure ] || cp {folder}/* {copy}\n')
    (tmp_path / "networkctl").chmod(0o755)
    session = {"name": "1", "interface": "wwan0", "ip6": {}, "ip4": {
        "address": "192.0.2.42", "prefix": 30, "gateway": "192.0.2.41", "dns": ["192.0.2.53"], "mtu": 1500}}

    def run(*events):
        text = "".join(json.dumps({"event": name, "session": session}) + "\n" for name in events)
        return subprocess.run([EXAMPLES / "to-networkd.py", folder], input=text, text=True, check=True,
                              env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"})

    run("connected", "ended")
    assert copy.read_text() == NETWORK and list(folder.iterdir()) == []
    assert log.read_text().splitlines() == ["reload", "reconfigure wwan0", "reload"]
    run("connected")  # qmictl was ended
    assert list(folder.iterdir()) == []
