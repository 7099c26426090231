# SPDX-License-Identifier: LGPL-2.1-or-later
"""Callers who are not root: users of the machine, in sessions of logind's or in none."""

import os
import socket
import subprocess
import tempfile
from pathlib import Path

from jeepney.io.blocking import DBusConnection

from qmid import SYSTEM_BUS
from dbusclient import Bus
from udev import PATIENCE

# A login without a password: the session is all that is wanted of it.
PAM_SERVICE = Path("/etc/pam.d/qmid-test")
PAM_TEXT = "account required pam_permit.so\nsession required pam_systemd.so\n"

# What runs as somebody: connects to the bus, so that this is whom the bus and polkit see, hands the connection over to
# the test, and stays until the test closes it.
PROGRAM = """
import os, socket, sys
bus = socket.socket(socket.AF_UNIX)
bus.connect(sys.argv[1])
bus.sendall(b"\\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\\r\\n")
assert bus.recv(1024).startswith(b"OK ")
bus.sendall(b"NEGOTIATE_UNIX_FD\\r\\n")
assert bus.recv(1024).startswith(b"AGREE_UNIX_FD")
bus.sendall(b"BEGIN\\r\\n")
test = socket.socket(socket.AF_UNIX)
test.connect(sys.argv[2])
socket.send_fds(test, [os.environ.get("XDG_SESSION_ID", "-").encode()], [bus.fileno()])
test.recv(1)
"""


class Somebody(Bus):
    """A connection of a user, with the groups that the machine says he has. `vt`: of a session at that virtual
    terminal, which is active while it is shown; 0: of a session without one, as over a network; None: of none."""

    def __init__(self, user, vt=None):
        properties = [f"User={user}"]
        variables = []
        if vt is not None:
            PAM_SERVICE.write_text(PAM_TEXT)
            properties.append(f"PAMName={PAM_SERVICE.name}")
        if vt:
            properties.append(f"TTYPath=/dev/tty{vt}")
            variables = ["XDG_SEAT=seat0", f"XDG_VTNR={vt}", "XDG_SESSION_TYPE=tty"]
        with tempfile.TemporaryDirectory(dir="/run") as folder, socket.socket(socket.AF_UNIX) as listener:
            os.chmod(folder, 0o711)
            address = f"{folder}/socket"
            listener.bind(address)
            os.chmod(address, 0o666)
            listener.listen()
            listener.settimeout(PATIENCE)
            self.process = subprocess.Popen(
                ["systemd-run", "--quiet", "--collect", "--wait", f"--description={user}",
                 *(f"--property={p}" for p in properties), *(f"--setenv={v}" for v in variables),
                 "/usr/bin/python3", "-c", PROGRAM, SYSTEM_BUS.removeprefix("unix:path="), address])
            self.line, _ = listener.accept()
        self.line.settimeout(PATIENCE)
        self.session, (bus,), _, _ = socket.recv_fds(self.line, 64, 1)
        super().__init__(SYSTEM_BUS, DBusConnection(socket.socket(fileno=bus), enable_fds=True))

    def close(self):
        """The session ends with it."""
        super().close()
        self.line.close()
        assert self.process.wait(PATIENCE) == 0
