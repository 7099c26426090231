# SPDX-License-Identifier: LGPL-2.1-or-later
"""The programs in docs/examples, as a reader would run them."""

import os
import pathlib
import shutil
import signal
import subprocess

import pytest
from qmidtest import ROOT, program

EXAMPLES = ROOT / "docs" / "examples"
NEEDS = {"watch-signal.py": ["/usr/bin/python3"], "watch-signal.js": ["gjs"], "watch-signal.sh": ["jq", "busctl"]}


@pytest.mark.parametrize("name", sorted(p.name for p in EXAMPLES.iterdir()))
def test_example(world, sim, device, name):
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
