# SPDX-License-Identifier: LGPL-2.1-or-later
"""Nobody takes more than his share, and everybody has one."""

import os
import threading

import pytest
from dbusclient import NAME, DBusError, connect_as

DEVICE = f"{NAME}.Device"
CLIENT = f"{NAME}.Client"
SERVICES = ("nas", "wds", "dms", "uim", "wms")
NOBODY = 65534


def refusal(call):
    with pytest.raises(DBusError) as e:
        call()
    assert e.value.name == f"{NAME}.Error.LimitsExceeded"
    return e.value.text


def open_client(bus, device, service="nas", **options):
    return bus.call(device, DEVICE, "OpenClient", "sa{sv}", service, options)


def open_socket(bus, client):
    return bus.call(client, CLIENT, "OpenSocket", "a{sv}", {}).to_raw_fd()


# ---- each level


def test_bytes_under_way(world, sim, device, bus):
    """Less than a share of calls, and more than one of bytes."""
    other = world.connect()
    arguments = DEVICE, "Call", "sqa(yay)a{sv}", "nas", 0x0089
    large, small, options = [(0x20, bytes(60000))], [], {"timeout": 600}
    bus.call(device, *arguments, small, options)
    sim.command("silent on")
    asked = [bus.begin(device, *arguments, large, options) for _ in range(17)]
    text = refusal(lambda: bus.call(device, *arguments, large, options))
    assert "bytes" in text and "1048576" in text and "one connection" in text
    # A small one is taken, and so are others' large ones.
    asked.append(bus.begin(device, *arguments, small, options))
    theirs = other.begin(device, *arguments, large, options)
    bus.settle(device)
    other.settle(device)
    sim.command("hangup")
    for caller, serials in ((bus, asked), (other, [theirs])):
        for serial in serials:
            with pytest.raises(DBusError) as e:
                caller.end(serial)
            assert e.value.name == f"{NAME}.Error.DeviceGone"
    sim.command("silent off")
    sim.command("listen")
    bus.wait_property(device, DEVICE, "State", "ready")
    # It was given back.
    for _ in range(40):
        bus.call(device, *arguments, large, options)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_clients_of_a_user(world):
    """What its connections leave behind counts; another user has a share of its own."""
    sim = world.sim(overrides={"ctl.pool": 100})
    world.start_daemon()
    world.directory.chmod(0o755)
    root = world.connect()
    kept = []
    for service in SERVICES[:4]:
        bus = connect_as(NOBODY, world.bus.address)
        kept += [open_client(bus, sim.device, service, persist=True) for _ in range(64)]
        assert "64 client ids" in refusal(lambda: open_client(bus, sim.device, service))
        bus.close()
        root.wait_property(kept[-1], CLIENT, "Owner", "")
    with connect_as(NOBODY, world.bus.address) as bus:
        text = refusal(lambda: open_client(bus, sim.device, "nas"))
        assert "256 client ids" in text and "user" in text
        open_client(root, sim.device, "nas")
        bus.call(kept[0], CLIENT, "Release", "a{sv}", {})
        open_client(bus, sim.device, "nas")


def test_implicit_ones_of_a_user(world):
    """They come without being asked for; no user fills a service with them."""
    sim = world.sim(overrides={"ctl.pool": 200})
    world.start_daemon()
    callers = [world.connect() for _ in range(129)]
    for bus in callers[:-1]:
        bus.qmi(sim.device, "Nas", "SetEventReport")
    text = refusal(lambda: callers[-1].qmi(sim.device, "Nas", "SetEventReport"))
    assert "128" in text and "user" in text
    # Of another service, and one that is asked for, there can be more.
    callers[-1].qmi(sim.device, "Dms", "SetEventReport")
    open_client(callers[-1], sim.device)
    callers[0].close()
    sim.wait_count("clients.nas", "=129")
    callers[-1].qmi(sim.device, "Nas", "SetEventReport")


def test_descriptors(world):
    sim = world.sim(overrides={"ctl.pool": 100})
    world.start_daemon()
    bus, other = world.connect(), world.connect()
    clients = [open_client(bus, sim.device) for _ in range(33)]
    fds = [open_socket(bus, c) for c in clients[:31]]
    fds.append(bus.call(sim.device, DEVICE, "OpenTrace", "a{sv}", {}).to_raw_fd())
    calls = [lambda: open_socket(bus, clients[32]),
             lambda: bus.call(sim.device, DEVICE, "OpenTrace", "a{sv}", {}),
             lambda: bus.call(sim.device, DEVICE, "Inhibit", "sa{sv}", "x", {})]
    for call in calls:
        text = refusal(call)
        assert "32 descriptors" in text
    assert bus.get(sim.device, DEVICE, "State") == "ready"
    os.close(open_socket(other, open_client(other, sim.device)))
    os.close(fds[0])
    os.close(open_socket(bus, clients[32]))
    for fd in fds[1:]:
        os.close(fd)


def test_what_was_refused_costs_nothing(world, sim, device, bus):
    bus.settle(device)
    before = len(os.listdir(f"/proc/{world.daemon.pid}/fd"))
    client = open_client(bus, device)
    os.close(open_socket(bus, client))
    traces = [bus.call(device, DEVICE, "OpenTrace", "a{sv}", {}).to_raw_fd() for _ in range(4)]
    for _ in range(20):
        assert "4 traces" in refusal(lambda: bus.call(device, DEVICE, "OpenTrace", "a{sv}", {}))
    for fd in traces:
        os.close(fd)
    bus.settle(device)
    assert len(os.listdir(f"/proc/{world.daemon.pid}/fd")) == before


# ---- everybody has one


def test_a_thousand_callers(world):
    """Each with a call under way, each known: the bus gives a connection only so many match rules."""
    sim = world.sim(overrides={"ctl.pool": 100})
    world.start_daemon()
    callers = [world.connect() for _ in range(1000)]
    sim.command("delay 200 nas.get-drx")
    serials = [c.begin(sim.device, f"{NAME}.Nas", "GetDrx", "a{sv}", {}) for c in callers]
    for caller, serial in zip(callers, serials):
        assert caller.end(serial) == {"drx": "t128"}
    # Each is noticed when it leaves, too.
    for caller in callers[:50]:
        open_client(caller, sim.device, "wms")
    held = sim.count("clients.wms")
    for caller in callers:
        caller.close()
    sim.wait_count("clients.wms", f"={held - 50}")


def test_one_with_many_calls_is_in_nobodys_way(world, sim, device, bus):
    """He waits for the answer to his first one; others do not."""
    other = world.connect()
    sim.command("delay 1000000 nas.get-signal-info")
    # No two of them are equal, so that none is joined.
    many = [bus.begin(device, DEVICE, "Request", "ssa{sv}a{sv}", "nas", "get-signal-info", {}, {"timeout": 600 + i})
            for i in range(100)]
    bus.settle(device)
    assert other.qmi(device, "Nas", "GetDrx") == {"drx": "t128"}
    assert sim.count("nas.get-signal-info") == 1
    sim.command("hangup")
    for serial in many:
        with pytest.raises(DBusError) as e:
            bus.end(serial)
        assert e.value.name == f"{NAME}.Error.DeviceGone"


def test_callers_at_once(world, sim, device):
    """Who has called before and who has not, all mixed: each gets its own answers, in the order of its calls."""
    failures = []

    def run(n):
        try:
            for _ in range(10):
                with world.connect() as bus:
                    serials = [bus.begin(device, f"{NAME}.Nas", "GetDrx", "a{sv}", {}) for _ in range(5)]
                    client = bus.begin(device, DEVICE, "OpenClient", "sa{sv}", SERVICES[n % len(SERVICES)], {})
                    assert all(bus.end(s) == {"drx": "t128"} for s in serials)
                    assert bus.get(bus.end(client), CLIENT, "Owner") == bus.unique_name
        except Exception as e:  # told by the test
            failures.append(e)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
