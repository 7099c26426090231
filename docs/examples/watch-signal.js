#!/usr/bin/gjs
// SPDX-License-Identifier: LGPL-2.1-or-later
// Prints the LTE signal, then each change of it, until it is interrupted. Debian: gjs.

const { Gio, GLib } = imports.gi;

const bus = Gio.bus_get_sync(Gio.BusType.SYSTEM, null);

function call(path, iface, method, signature, ...values) {
    const parameters = new GLib.Variant(signature, values);
    return bus.call_sync('org.qmid1', path, iface, method, parameters, null,
        Gio.DBusCallFlags.NONE, -1, null).recursiveUnpack();
}

function show(fields) {
    if (fields.lte)
        print(`RSRP ${fields.lte.rsrp} dBm, SNR ${fields.lte.snr.toFixed(1)} dB`);
}

const [path] = call('/org/qmid1', 'org.qmid1.Manager', 'FindDevice', '(sa{sv})', '', {});
show(call(path, 'org.qmid1.Nas', 'GetSignalInfo', '(a{sv})', {})[0]);

bus.signal_subscribe('org.qmid1', 'org.qmid1.Nas', 'SignalInfo', path, null, Gio.DBusSignalFlags.NONE,
    (connection, sender, object, iface, signal, parameters) => show(parameters.recursiveUnpack()[0]));
call(path, 'org.qmid1.Nas', 'ConfigSignalInfoV2', '(a{sv})',
    { lte_rsrp_delta: new GLib.Variant('d', 1) });
call(path, 'org.qmid1.Nas', 'RegisterIndications', '(a{sv})',
    { signal_info: new GLib.Variant('b', true) });
new GLib.MainLoop(null, false).run();
