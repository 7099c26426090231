# SPDX-License-Identifier: LGPL-2.1-or-later
"""The actions of polkit: one for each access class, with the defaults that the manual tells."""

import sys
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "interfaces"), str(ROOT / "tests" / "lib")]

from policy import policy  # noqa: E402
from policy_defaults import DEFAULTS  # noqa: E402
from typeparser import ACCESS  # noqa: E402

OWNER = "org.freedesktop.policykit.owner"


def test_every_class_has_its_action():
    actions = {a.get("id").removeprefix("org.qmid1."): a for a in ElementTree.fromstring(policy()).iter("action")}
    assert set(actions) == set(ACCESS) - {"status"} == set(DEFAULTS)
    for name, a in actions.items():
        assert tuple(a.find(f"defaults/allow_{who}").text for who in ("any", "inactive", "active")) == DEFAULTS[name]
        # Without it, polkit would not tell the daemon about other users.
        assert {x.get("key"): x.text for x in a.iter("annotate")} == {OWNER: "unix-user:qmid"}
        assert len(a.find("description").text) > 10
        assert a.find("message").text.startswith("Authentication is required ")


def test_a_class_of_the_manual():
    text = (ROOT / "docs/org.qmid1.5").read_text()
    for name, defaults in DEFAULTS.items():
        assert f".It {name} Ta {' Ta '.join(defaults)}" in text
