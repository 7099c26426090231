# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the manual says of who may without a rule, for each access class: others, inactive, active."""

DEFAULTS = {
    "identity": ("auth_admin", "auth_admin", "yes"),
    "location": ("no", "no", "auth_admin_keep"),
    "data": ("auth_admin", "auth_admin", "yes"),
    "sim_unlock": ("auth_admin", "auth_admin", "yes"),
    "sim": ("auth_admin", "auth_admin", "auth_admin_keep"),
    "messaging": ("no", "no", "auth_self_keep"),
    "voice": ("no", "no", "auth_self_keep"),
    "control": ("auth_admin", "auth_admin", "auth_admin_keep"),
    "clients": ("auth_admin",) * 3,
    "configuration": ("auth_admin",) * 3,
    "raw": ("auth_admin",) * 3,
}
