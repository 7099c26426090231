# SPDX-License-Identifier: LGPL-2.1-or-later
"""Data sessions over the kernel's qmi_wwan, made and configured by qmid. A ping that comes back is the proof; who it is
for can be reached through a default route only."""

import signal
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from data import ETHERNET, FAMILIES, RAW_IP, address
from qmid import NAME, UNIT, main_pid, qmictl
from sessions import DATA, SESSION, Pings, addresses, beyond, is_unreachable, networks, ping, routes, sessions
from dbusclient import DBusError
from udev import PATIENCE

MISSING = Path("/neighbours-missing")
RESOLVED = "systemd-resolved.service"


# ---- one ----

def test_ten_thousand_pings(bus, line):
    done = qmictl("connect", "--apn=internet", "--configure", "--wait")
    assert done[0] == 0, done
    session, = sessions(bus)
    assert line.get(session, "Interface") == line.network
    assert line.get(session, "Families") == {"ipv4": (True, ""), "ipv6": (True, "")}
    assert addresses(line.network) == [f"{address(4)}/30", f"{address(6)}/64"]
    with beyond(None, 4) as four, beyond(None, 6) as six:
        for pinger in (four, six):
            for _ in range(200):
                pinger.ping(25)
    statistics = line.get(session, "Statistics")
    assert min(statistics["rx_packets"], statistics["tx_packets"]) >= 10000
    gate = line.modem.gate()
    assert gate["out"] >= 10000 and gate["in"] >= 10000
    assert line.modem.count("wrong-framing") == line.modem.count("wrong-source") == line.modem.count("overflows") == 0

    done = qmictl("disconnect")
    assert done[0] == 0, done
    line.wait_ended(session)
    assert all(is_unreachable(family) for family in FAMILIES)
    line.check_clean()


def test_counters_of_both_sides(line, capsys):
    """qmictl shows the modem's below the machine's, of sessions that it may ask about."""

    def rows():
        status, out, error = qmictl("-d", line.network, "link")
        assert (status, error) == (0, "") and max(map(len, out.splitlines())) <= 80
        with capsys.disabled():
            print("\n" + out)
        return [row.split() for row in out.split("\n\n")[2].splitlines()[1:]]

    session = line.connect(families="ipv4")
    assert [row[0] for row in rows()] == [line.network]
    line.disconnect(session)

    assert qmictl("connect", "--apn=internet", "--configure")[0] == 0
    line.sim("set wds.get-packet-statistics.rx-packets-dropped = 3")
    ping(line.network, families=[4])
    host, modem = rows()
    assert host[0] == line.network and int(host[2]) >= 3
    # Of both families: each client has said the same.
    assert modem == ["modem", "4434", "4.8", "MB", "6", "2084", "281.9", "kB", "0"]
    assert qmictl("disconnect")[0] == 0


def test_one_way_for_packets(line):
    """Without muxes a second session has none."""
    session = line.connect()
    with pytest.raises(DBusError) as e:
        line.connect(apn="other")
    assert e.value.name == f"{NAME}.Error.LimitsExceeded"
    line.disconnect(session)
    # Nor when neither is up yet.
    first, second = line.begin(), line.begin(apn="other")
    session = line.bus.end(first, timeout=PATIENCE)
    with pytest.raises(DBusError) as e:
        line.bus.end(second, timeout=PATIENCE)
    assert e.value.name == f"{NAME}.Error.LimitsExceeded"
    line.disconnect(session)
    line.disconnect(line.connect(apn="other"))


def test_published_only(line):
    """Without being asked to, qmid sets nothing but the link."""
    session = line.connect(families="ipv4")
    four = line.get(session, "Ip4")
    assert (four["address"], four["prefix"], four["gateway"]) == (address(4), 30, "192.0.2.41")
    assert line.get(session, "Ip6") == {} and line.gate_is_open(4) and not line.gate_is_open(6)
    assert addresses(line.network) == [] == [r for r in routes(line.network) if r["dst"] == "default"]
    line.disconnect(session)
    line.check_clean()


@pytest.mark.skipif(MISSING.exists(), reason=MISSING.exists() and MISSING.read_text())
def test_name_servers(bus, services, line):
    """systemd-resolved has them as long as the session is up."""
    services.start(RESOLVED)
    try:
        bus.add_match("type='signal',sender='org.freedesktop.resolve1',member='PropertiesChanged'")
        index = int(Path(f"/sys/class/net/{line.network}/ifindex").read_text())

        def wait_servers(n):
            while True:
                servers = bus.call("/org/freedesktop/resolve1", "org.freedesktop.DBus.Properties", "Get", "ss",
                                   "org.freedesktop.resolve1.Manager", "DNS", destination="org.freedesktop.resolve1")
                if len(found := [server for of, _, server in servers if of == index]) == n:
                    return found
                bus.wait_signal("PropertiesChanged", path="/org/freedesktop/resolve1", timeout=PATIENCE)

        session = line.connect(configure=True)
        told = [*line.get(session, "Ip4")["dns"], *line.get(session, "Ip6")["dns"]]
        assert len(told) == 3
        wait_servers(3)
        shown = subprocess.run(["resolvectl", "dns", line.network], capture_output=True, text=True, check=True).stdout
        assert shown.split(": ")[1].split() == told
        line.disconnect(session)
        wait_servers(0)
    finally:
        services.stop(RESOLVED)
        services.stop("polkit.service")     # came with it
    line.check_clean()


# ---- several ----

def test_two_ports(make_lines):
    """Each with an interface and a link layer of its own, at once."""
    lines = make_lines(profile="em7455")
    layers = [RAW_IP, ETHERNET]
    up = [line.connect(configure=True, link_layer=layer) for line, layer in zip(lines, layers)]
    assert [line.get(session, "Interface") for line, session in zip(lines, up)] == [line.network for line in lines]
    for line, layer in zip(lines, layers):
        status = line.status()
        assert status["agreed"] == status["modem"]["link_layer"] == status["host"]["link_layer"] == layer
        assert addresses(line.network) == [f"{address(4)}/30", f"{address(6)}/64"]
    for line in lines + lines:
        ping(line.network)
    lines[0].disconnect(up[0])
    ping(lines[1].network)
    assert not lines[0].gate_is_open(4)
    lines[1].disconnect(up[1])
    assert lines[0].modem.count("wrong-framing") == 0
    for line in lines:
        line.check_clean()


def test_four_at_once(bus, line):
    """Over QMAP. One ends, and three go on."""
    calls = [line.begin(configure=True, link_layer="qmap") for _ in range(4)]
    by_mux = {}
    for call in calls:
        session = bus.end(call, timeout=PATIENCE)
        by_mux[line.get(session, "MuxId")] = session
    assert sorted(by_mux) == [1, 2, 3, 4] and sorted(by_mux.values()) == sessions(bus)
    interfaces = {mux: line.get(session, "Interface") for mux, session in by_mux.items()}
    assert len(set(interfaces.values())) == 4 and line.network not in interfaces.values()
    for mux, network in interfaces.items():
        assert addresses(network) == [f"{address(4, mux)}/30", f"{address(6, mux)}/64"]

    with ExitStack() as stack:
        pingers = {(mux, family): stack.enter_context(beyond(network, family, mux))
                   for mux, network in interfaces.items() for family in FAMILIES}

        def ping_all():
            expected = {who: list(range(pinger.sent + 1, pinger.sent + 26)) for who, pinger in pingers.items()}
            for _ in range(25):
                for pinger in pingers.values():
                    pinger.send()
            assert {who: pinger.receive(25) for who, pinger in pingers.items()} == expected

        ping_all()
        line.disconnect(by_mux.pop(2))
        assert interfaces.pop(2) not in networks() and all(is_unreachable(family, 2) for family in FAMILIES)
        for family in FAMILIES:
            pingers.pop((2, family))
            assert not line.gate_is_open(family, 2)
        ping_all()
        # Its place can be taken again.
        session = line.connect(configure=True, link_layer="qmap")
        assert line.get(session, "MuxId") == 2
        ping(line.get(session, "Interface"), mux=2)
        ping_all()
    assert line.modem.count("wrong-framing") == line.modem.count("wrong-source") == 0
    bus.call(line.device, DATA, "DisconnectAll", "a{sv}", {}, timeout=PATIENCE)
    for session in [session, *by_mux.values()]:
        line.wait_ended(session)
    line.check_clean()


# ---- the daemon is started again ----

@pytest.mark.parametrize("layer", ["raw-ip", "qmap"])
def test_restarts(bus, services, line, layer):
    """Neither by order nor by a crash is a packet lost."""
    session = line.connect(configure=True, link_layer=layer)
    shown = bus.get_all(session, SESSION)
    mux, network = shown["MuxId"], shown["Interface"]
    before = addresses(network), routes(network)
    begun = line.sim("count wds.start-network")
    with Pings(*(beyond(network, family, mux) for family in FAMILIES)) as pings:
        pings.wait(20)
        for _ in range(2):
            services.restart(UNIT)
            pings.wait(20)
        for _ in range(2):
            pid = main_pid(services)
            services.kill(UNIT, signal.SIGKILL)
            services.wait(UNIT, ActiveState="active", MainPID=lambda now, pid=pid: now not in (0, pid))
            pings.wait(20)
            bus.wait_property(session, SESSION, "State", "connected", timeout=PATIENCE)
            line.take_port()
    again = bus.get_all(session, SESSION)
    for name in shown.keys() - {"Statistics"}:
        assert again[name] == shown[name], name
    assert (addresses(network), routes(network)) == before
    assert line.sim("count wds.start-network") == begun
    line.disconnect(session)
    assert all(is_unreachable(family, mux) for family in FAMILIES)
    line.check_clean()


# ---- what the network grants ----

@pytest.mark.parametrize("of_network, granted, cause", [("ipv4", 4, "(50)"), ("ipv6", 6, "(51)")])
def test_one_of_two_families(line, of_network, granted, cause):
    session = line.connect(apn=f"{of_network}.example", configure=True)
    families = line.get(session, "Families")
    other = "ipv6" if granted == 4 else "ipv4"
    assert families[of_network] == (True, "")
    assert families[other][0] is False and f"only IPv{granted} allowed" in families[other][1]
    assert line.get(session, f"Ip{10 - granted}") == {}
    ping(families=[granted])
    assert is_unreachable(10 - granted)
    line.disconnect(session)
    line.check_clean()


def test_two_families_in_one_call(line):
    session = line.connect(apn="single.example", configure=True)
    families = line.get(session, "Families")
    assert families["ipv4"][0] and families["ipv6"][0]
    assert "only one IP family for each bearer allowed" in families["ipv6"][1] + families["ipv4"][1]
    ping()
    line.disconnect(session)
    line.check_clean()
