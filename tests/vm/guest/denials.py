# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the cage of the service refuses, wherever that is told."""

import json
import re
import subprocess

# By the daemon, or what the unit runs before it.
REFUSED = re.compile("Operation not permitted|Permission denied|Read-only file system", re.I)
# By systemd: a system call that is refused ends the daemon here (units/refusals.conf); status 200 and above is a part
# of the cage that could not be made.
ENDED = re.compile(r"^qmid[^ ]*\.(service|slice): .*(status=31/SYS|status=2\d\d/[A-Z_]+)")
# By the kernel.
AUDITED = re.compile(r'(type=1326|SECCOMP|AVC|apparmor="DENIED").*\bcomm="qmi(d|ctl)"')


class Denials:
    def __init__(self):
        self.cursor = None

    def take(self):
        """Since the last time, or since the machine started."""
        since = f"--after-cursor={self.cursor}" if self.cursor else "--boot"
        shown = subprocess.run(["journalctl", "--quiet", "--output=json", "--show-cursor", since,
                                "--output-fields=MESSAGE,_SYSTEMD_UNIT"], capture_output=True, text=True, check=True)
        entries, _, cursor = shown.stdout.partition("-- cursor: ")
        self.cursor = cursor.strip() or self.cursor
        return [message for message, unit in map(self._parse, entries.splitlines()) if self._is_one(message, unit)]

    @staticmethod
    def _parse(line):
        entry = json.loads(line)
        return str(entry.get("MESSAGE")), entry.get("_SYSTEMD_UNIT", "")

    @staticmethod
    def _is_one(message, unit):
        return bool(ENDED.search(message) or AUDITED.search(message) or
                    (re.match("qmid[^ ]*\\.service$", unit) and REFUSED.search(message)))


def settle():
    """Until the journal has all that was written."""
    subprocess.run(["journalctl", "--sync"], check=True)
