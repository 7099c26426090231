# SPDX-License-Identifier: LGPL-2.1-or-later
"""A program with a terminal of its own."""

import contextlib
import fcntl
import os
import pty
import signal
import struct
import termios
import threading

from dbusclient import TIMEOUT


class Terminal:
    """80 columns wide. The program is killed if it hangs. `user`: a uid, for root only; `env`: beside ours."""

    def __init__(self, world, *command, user=None, env=None):
        env = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": world.bus.address, **(env or {})}
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            for number in (signal.SIGINT, signal.SIGQUIT):  # what runs in the background ignores them
                signal.signal(number, signal.SIG_DFL)
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
            if user is not None:
                os.fchown(0, user, -1)
                os.setgroups([])
                os.setresgid(user, user, user)
                os.setresuid(user, user, user)
            os.execve(command[0], [str(c) for c in command], env)
        self.timer = threading.Timer(TIMEOUT, os.killpg, (self.pid, signal.SIGKILL))
        self.timer.start()
        self.text = ""

    def read_until(self, what):
        while what not in self.text:
            try:
                self.text += os.read(self.fd, 4096).decode(errors="replace")
            except OSError:
                raise AssertionError(f"no {what!r} in {self.text!r}") from None

    def write(self, text):
        os.write(self.fd, text.encode())

    def echoes(self):
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def wait(self):
        """Its exit status, when it and all that it started have written all."""
        with contextlib.suppress(OSError):  # the end of a terminal is EIO
            while chunk := os.read(self.fd, 4096):
                self.text += chunk.decode(errors="replace")
        os.close(self.fd)
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self.timer.cancel()
        return status
