# SPDX-License-Identifier: LGPL-2.1-or-later
"""The access classes as actions of polkit: what people are asked, and who may without being asked."""

from __future__ import annotations

from dataclasses import dataclass
from xml.sax.saxutils import escape

from typeparser import ACCESS

# The daemon's user, who must be the owner of an action to ask about others' rights to it.
OWNER = 'unix-user:qmid'


@dataclass(frozen=True)
class Action:
    description: str
    message: str  # above the field for the password
    any: str
    inactive: str
    active: str


# Of class status there is none: everybody may, and polkit is not asked.
ACTIONS = {
    'identity': Action(
        'See who a mobile subscription belongs to',
        'Authentication is required to read the identity of the modem and of its SIM card',
        'auth_admin',
        'auth_admin',
        'yes',
    ),
    'location': Action(
        'See where a modem is',
        'Authentication is required to find out where this modem is',
        'no',
        'no',
        'auth_admin_keep',
    ),
    'data': Action(
        'Connect to mobile data, and disconnect',
        'Authentication is required to control mobile data connections',
        'auth_admin',
        'auth_admin',
        'yes',
    ),
    'sim_unlock': Action(
        'Unlock a SIM card with its PIN',
        'Authentication is required to unlock the SIM card',
        'auth_admin',
        'auth_admin',
        'yes',
    ),
    'sim': Action(
        'Change the PINs of a SIM card, read its files, choose a slot',
        'Authentication is required to access the SIM card',
        'auth_admin',
        'auth_admin',
        'auth_admin_keep',
    ),
    'messaging': Action(
        'Read and send text messages',
        'Authentication is required to read and send text messages',
        'no',
        'no',
        'auth_self_keep',
    ),
    'voice': Action(
        'Make and take telephone calls',
        'Authentication is required to make and take telephone calls',
        'no',
        'no',
        'auth_self_keep',
    ),
    'control': Action(
        'Switch a modem on and off, choose radio and network',
        'Authentication is required to control the modem',
        'auth_admin',
        'auth_admin',
        'auth_admin_keep',
    ),
    'clients': Action(
        'See and take what other programs hold on a modem',
        'Authentication is required to access what other programs hold on the modem',
        'auth_admin',
        'auth_admin',
        'auth_admin',
    ),
    'configuration': Action(
        'Change the configuration of a modem',
        'Authentication is required to change the configuration of the modem',
        'auth_admin',
        'auth_admin',
        'auth_admin',
    ),
    'raw': Action(
        'Send anything to a modem, and see all that passes',
        'Authentication is required for unchecked access to the modem',
        'auth_admin',
        'auth_admin',
        'auth_admin',
    ),
}

HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<!-- SPDX-License-Identifier: LGPL-2.1-or-later -->
<!DOCTYPE policyconfig PUBLIC "-//freedesktop//DTD PolicyKit Policy Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/PolicyKit/1/policyconfig.dtd">
<!-- The details device, service and message tell rules what it is about: org.qmid1(5). -->
<policyconfig>
        <vendor>qmid</vendor>
"""


def action(name: str, a: Action) -> str:
    return f"""
        <action id="org.qmid1.{name}">
                <description>{escape(a.description)}</description>
                <message>{escape(a.message)}</message>
                <defaults>
                        <allow_any>{a.any}</allow_any>
                        <allow_inactive>{a.inactive}</allow_inactive>
                        <allow_active>{a.active}</allow_active>
                </defaults>
                <annotate key="org.freedesktop.policykit.owner">{OWNER}</annotate>
        </action>
"""


def policy() -> str:
    # A class without an action would be one that polkit always denies.
    return HEAD + ''.join(action(c, ACTIONS[c]) for c in ACCESS if c != 'status') + '</policyconfig>\n'
