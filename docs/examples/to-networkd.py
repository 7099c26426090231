#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Has systemd-networkd set up a session's network interface, which qmid only tells the addresses of:

    qmictl --json=short connect --apn=internet --wait --foreground | to-networkd.py [FOLDER]

Writes a file for networkd whenever the session says something new, and takes it away when it ends.
"""

import json
import pathlib
import subprocess
import sys


def network_file(session):
    lines = ["[Match]", f"Name={session['interface']}", "", "[Link]", "RequiredForOnline=no"]
    addresses = [session[family] for family in ("ip4", "ip6") if session[family]]
    mtus = [a["mtu"] for a in addresses if a.get("mtu")]
    if mtus:
        lines.append(f"MTUBytes={min(mtus)}")
    lines += ["", "[Network]", "LinkLocalAddressing=no", "IPv6AcceptRA=no", "LLDP=no"]  # it needs Ethernet
    for a in addresses:
        lines.append(f"Address={a['address']}/{a['prefix']}")
        lines += [f"DNS={server}" for server in a.get("dns", [])]
    for a in addresses:
        lines += ["", "[Route]", f"Destination={'::/0' if ':' in a['address'] else '0.0.0.0/0'}", "Metric=4096"]
        if a.get("gateway"):  # 802.3 needs it
            lines += [f"Gateway={a['gateway']}", "GatewayOnLink=yes"]
    return "\n".join([*lines, ""])


def networkctl(*words):
    subprocess.run(["networkctl", *words])


folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "/run/systemd/network")
folder.mkdir(parents=True, exist_ok=True)
file = None
for line in sys.stdin:
    event = json.loads(line)
    if file:
        file.unlink(missing_ok=True)
        file = None
    if event["event"] != "ended" and event["session"]["interface"]:
        interface = event["session"]["interface"]
        file = folder / f"10-{interface}.network"
        file.write_text(network_file(event["session"]))
        networkctl("reload")
        networkctl("reconfigure", interface)
    else:
        networkctl("reload")
if file:  # qmictl was ended
    file.unlink(missing_ok=True)
    networkctl("reload")
