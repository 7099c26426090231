# SPDX-License-Identifier: LGPL-2.1-or-later
"""Equal queries are asked once."""

from dbusclient import NAME


def test_equal_queries_of_one_caller(sim, device, bus):
    """Behind another of its own, which has their caller's turn: they are all that is left to wait for it."""
    sim.command("delay 50 nas.get-signal-info")
    for n in range(1, 4):
        asked = [bus.begin(device, f"{NAME}.Nas", m, "a{sv}", {}) for m in ("GetSignalInfo", "GetDrx", "GetDrx", "GetDrx")]
        assert bus.end(asked[0])["lte"]["rsrp"] == -95
        assert [bus.end(serial) for serial in asked[1:]] == [{"drx": "t128"}] * 3
        assert sim.count("nas.get-drx") == n
