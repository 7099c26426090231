# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon leaves when there is nothing to serve and nobody asks."""

from qmidtest import NAME


def test_exits_when_idle(world):
    daemon = world.start_daemon(ports=[], options=["--udev=no", "--idle=1"])
    assert daemon.wait() == 0
    daemon.check_output()
    with world.connect() as bus:
        assert not bus.bus_call("NameHasOwner", "s", NAME)


def test_a_call_keeps_it_a_while(world, bus):
    daemon = world.start_daemon(ports=[], options=["--udev=no", "--idle=1"])
    assert bus.get("/org/qmid1", f"{NAME}.Manager", "Version")
    assert daemon.wait() == 0
    assert "nobody asks" in daemon.output()


def test_a_modem_keeps_it(world, sim, bus):
    daemon = world.start_daemon(options=["--idle=1"])
    sim.command("delay 1500 dms.get-model")
    assert bus.qmi(sim.device, "Dms", "GetModel")
    assert daemon.popen.poll() is None


def test_wrong_number(world):
    for wrong in ("", "-1", "soon", "1.5", "99999999999"):
        daemon = world.start_daemon(ports=[], options=[f"--idle={wrong}"], wait=False)
        assert daemon.wait() == 2
        assert "--idle" in daemon.output()
        world.daemon = None
