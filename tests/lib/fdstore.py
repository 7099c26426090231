# SPDX-License-Identifier: LGPL-2.1-or-later
"""A service manager's descriptor store without the service manager: it keeps what one process gives it and hands it
to the next one, as sd_notify(3) and sd_listen_fds(3) have it."""

import collections
import contextlib
import fcntl
import mmap
import os
import pathlib
import select
import socket
import struct
import threading

FIRST = 3       # SD_LISTEN_FDS_START
ALOFT = 100     # where descriptors wait that will be moved to the numbers from FIRST on
MAX = 253       # descriptors in one message (SCM_MAX_FD)
BROKEN = select.POLLHUP | select.POLLERR


def mix(checksum, data):
    for i in range(0, len(data), 8):
        word = data[i:i + 8]
        padded = bytes(word) + len(word).to_bytes(8, "little")[len(word):]
        checksum = (checksum ^ int.from_bytes(padded, "little")) * 0x9E3779B97F4A7C15 % 2**64
        checksum ^= checksum >> 29
    return checksum


class FdStore:
    def __init__(self, directory, limit=1024):
        self.path = pathlib.Path(directory) / "notify"
        self.limit = limit
        self.stored = []        # [name, descriptor, whether it is polled]
        self.told = collections.Counter()   # READY=1, STOPPING=1, …
        self.changed = threading.Condition()
        self.n_synced = 0
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def close(self):
        self._send(b"X-END=1")
        self.thread.join()
        self.socket.close()
        self.empty()

    # ---- what the process says

    def _serve(self):
        while True:
            data, ancillary, _, _ = self.socket.recvmsg(65536, socket.CMSG_SPACE(MAX * 4) + socket.CMSG_SPACE(12))
            fds = [fd for level, kind, raw in ancillary if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
                   for (fd,) in struct.iter_unpack("i", raw[:len(raw) - len(raw) % 4])]
            lines = data.decode().splitlines()
            with self.changed:
                self._handle(lines, fds)
                self.changed.notify_all()
            if "X-END=1" in lines:
                return

    def _handle(self, lines, fds):
        values = dict(line.split("=", 1) for line in lines if "=" in line)
        name = values.get("FDNAME", "stored")
        self.told.update(lines)
        if "X-SYNC" in values:
            self.n_synced += 1
        if values.get("FDSTOREREMOVE") == "1":
            for entry in [e for e in self.stored if e[0] == name]:
                os.close(entry[1])
                self.stored.remove(entry)
        if values.get("FDSTORE") == "1":
            for fd in fds:
                if len(self.stored) < self.limit:
                    os.set_inheritable(fd, False)
                    self.stored.append([name, fd, values.get("FDPOLL") != "0"])
                else:
                    os.close(fd)
        else:
            for fd in fds:      # of BARRIER=1, as a rule: closing is the answer
                os.close(fd)

    def _send(self, message):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.sendto(message, str(self.path))

    def sync(self):
        """Until all is dealt with that was sent before."""
        with self.changed:
            n = self.n_synced
        self._send(b"X-SYNC=1")
        with self.changed:
            self.changed.wait_for(lambda: self.n_synced > n)

    def wait_told(self, line, n=1, timeout=60):
        """Until the process has said that line, "READY=1", so many times."""
        with self.changed:
            if not self.changed.wait_for(lambda: self.told[line] >= n, timeout):
                raise TimeoutError(f"{line} was not told {n} times")

    # ---- what is kept

    def names(self):
        self.sync()
        with self.changed:
            return sorted(name for name, *_ in self.stored)

    def fd(self, name):
        """The descriptor of that name; it stays the store's."""
        self.sync()
        with self.changed:
            found, = [fd for n, fd, _ in self.stored if n == name]
        return found

    def empty(self):
        """As when a unit is stopped for good."""
        with self.changed:
            for _, fd, _ in self.stored:
                os.close(fd)
            self.stored = []

    @contextlib.contextmanager
    def state(self):
        """The bytes of the saved state, to be changed."""
        fd = self.fd("state")
        with mmap.mmap(fd, os.fstat(fd).st_size) as memory:
            yield memory

    def rewrite(self, change):
        """Changes what the state says, and its checksum with it, as somebody would who is of another mind about what
        its bytes mean: `change` gets them as a bytearray. As src/slots.c writes them."""
        with self.state() as memory:
            size = (len(memory) - 4096) // 2
            headers = [struct.unpack_from("<QIIQQ", memory, i * 32) for i in range(2)]
            slot = max(range(2), key=lambda i: headers[i][3])
            magic, kind, n, sequence, checksum = headers[slot]
            begin = 4096 + slot * size
            data = bytearray(memory[begin:begin + n])

            def header():
                return struct.pack("<QIIQ", magic, kind, len(data), sequence)

            assert checksum == mix(mix(1, header()), data)
            change(data)
            memory[begin:begin + len(data)] = bytes(data)
            memory[slot * 32:slot * 32 + 32] = header() + struct.pack("<Q", mix(mix(1, header()), data))

    # ---- the next process

    def _drop_broken(self):
        for entry in [e for e in self.stored if e[2]]:
            poll = select.poll()
            poll.register(entry[1], 0)
            if any(events & BROKEN for _, events in poll.poll(0)):
                os.close(entry[1])
                self.stored.remove(entry)

    @contextlib.contextmanager
    def passed(self, command):
        """What to run in place of the command so that it gets all that is kept: the command, its environment, and the
        descriptors that it must inherit while this lasts."""
        self.sync()
        with self.changed:
            self._drop_broken()
            names = [name for name, *_ in self.stored]
            aloft = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, ALOFT) for _, fd, _ in self.stored]
        moves = "".join(f"exec {FIRST + i}<&{fd} {fd}<&-; " for i, fd in enumerate(aloft))
        # The process id is known to nobody but the process: exec keeps it.
        script = f'{moves}LISTEN_PID=$$ exec "$@"'
        env = {"NOTIFY_SOCKET": str(self.path)}
        if names:
            env |= {"LISTEN_FDS": str(len(names)), "LISTEN_FDNAMES": ":".join(names)}
        try:
            yield (["bash", "-c", script, "bash", *command] if names else command), env, aloft
        finally:
            for fd in aloft:
                os.close(fd)
