#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Prints the LTE signal, then each change of it, until it is interrupted.

Debian: python3-dbus, python3-gi. Any D-Bus library does: a request is a method with one dictionary, an
indication a signal with one dictionary, sent to this connection alone.
"""

import dbus
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib

DBusGMainLoop(set_as_default=True)
bus = dbus.SystemBus()


def show(fields):
    if "lte" in fields:
        print(f"RSRP {fields['lte']['rsrp']} dBm, SNR {fields['lte']['snr']:.1f} dB", flush=True)


manager = dbus.Interface(bus.get_object("org.qmid1", "/org/qmid1"), "org.qmid1.Manager")
path = manager.FindDevice("", dbus.Dictionary(signature="sv"))  # the only one
modem = dbus.Interface(bus.get_object("org.qmid1", path), "org.qmid1.Nas")

show(modem.GetSignalInfo(dbus.Dictionary(signature="sv")))

# From here on this connection has a client id of its own at the modem. It is given back when we leave.
modem.connect_to_signal("SignalInfo", show)
modem.ConfigSignalInfoV2({"lte_rsrp_delta": 1.0})
modem.RegisterIndications({"signal_info": True})
GLib.MainLoop().run()
