# SPDX-License-Identifier: LGPL-2.1-or-later
"""The link between port and network interface, as qmid sets it up, repairs it, or says why it cannot. A packet that
comes back is the proof: what is framed wrongly is lost without an error."""

import json
import struct
import subprocess
from pathlib import Path

import pytest

from data import (DISABLED, HSUSB, LINK_LAYERS, RAW_IP, add_mux, address, ip, ping, qmi_attribute,
                  set_host_format, set_up)
from dbusclient import DBusError
from modem import scenario
from qmid import CLIENT, DEVICE, UNIT, connect, qmictl, wait_ready
from udev import PATIENCE

LINK_ERROR = "org.qmid1.Error.LinkLayer"
RULES = Path("/run/udev/rules.d/50-link.rules")


class Link:
    """A modem's port, its link, and calls begun by hand."""

    def __init__(self, bus, modem, port):
        self.bus, self.modem, self.port = bus, modem, port
        self.network = port.network
        self.device = wait_ready(bus, port)

    def status(self):
        return self.bus.get(self.device, DEVICE, "LinkLayer")

    def wait(self, wanted):
        """The first status of which that is true."""
        while not wanted(status := self.status()):
            self.bus.wait_signal("PropertiesChanged", timeout=PATIENCE, path=self.device)
        return status

    def set(self, mode):
        self.bus.call(self.device, DEVICE, "SetLinkLayer", "sa{sv}", mode, {}, timeout=PATIENCE)
        return self.status()

    def refused(self, mode):
        """The sentence."""
        with pytest.raises(DBusError) as e:
            self.set(mode)
        assert e.value.name == LINK_ERROR
        return e.value.text

    def set_modem(self, link, aggregation=DISABLED):
        """As somebody else would."""
        wire = [(0x11, LINK_LAYERS[link]), (0x12, aggregation), (0x13, aggregation)]
        tlvs = [(t, list(struct.pack("<I", value))) for t, value in wire]
        tlvs.append((0x17, list(struct.pack("<II", HSUSB, self.port.interface))))
        response = self.bus.call(self.device, DEVICE, "Call", "sqa(yay)a{sv}", "wda", 0x20, tlvs, {}, timeout=PATIENCE)
        assert bytes(dict(response)[2]) == bytes(4)

    def start(self, family=4, mux=None):
        """A call, on a client of its own."""
        client = self.bus.call(self.device, DEVICE, "OpenClient", "sa{sv}", "wds", {}, timeout=PATIENCE)
        if mux is not None:
            self.bus.qmi(client, "Wds", "BindMuxDataPort", {
                "endpoint": {"type": "hsusb", "interface": self.port.interface}, "mux_id": mux}, timeout=PATIENCE)
        self.bus.qmi(client, "Wds", "StartNetwork", {"apn": "internet", "ip_family": f"ipv{family}"}, timeout=PATIENCE)
        return client

    def stop(self, client):
        self.bus.call(client, CLIENT, "Release", "a{sv}", {}, timeout=PATIENCE)


@pytest.fixture
def make(make_modem, bus):
    """Makes and plugs a modem: a Link for each port."""
    def make(*lines, **options):
        modem = make_modem(scenario=scenario("data", *lines), **options)
        ports = modem.plug()
        links = [Link(bus, modem, port) for port in ports]
        return links if len(links) > 1 else links[0]

    return make


def test_as_it_is_found(make):
    """At plug nothing is set, and what is there is known."""
    link = make()
    status = link.wait(lambda s: s["modem"]["link_layer"] != "unknown")
    assert status["modem"]["link_layer"] == "raw-ip" and status["host"]["link_layer"] == "802.3"
    assert (status["mode"], status["agreed"], status["manager"], status["problem"]) == ("auto", "", "nobody", "")
    assert status["host"]["interface"] == link.network and status["host"]["muxes"] == {}
    assert qmi_attribute(link.port, "raw_ip").read_text() == "N\n"
    ip("link", "set", link.network, "up")
    status = link.wait(lambda s: s["problem"])
    assert status["problem"] == f"The modem speaks raw IP, and {link.network} 802.3: every packet is lost."


def test_a_host_in_802_3_is_repaired(make):
    link = make()
    status = link.set("auto")
    assert status["agreed"] == status["modem"]["link_layer"] == status["host"]["link_layer"] == "raw-ip"
    assert (status["manager"], status["problem"]) == ("qmid", "")
    link.start()
    set_up(link.network, families=[4])
    ping(link.network, 4)


def test_a_host_in_raw_ip_is_repaired(make):
    """And a MAC address that the driver takes for an IP packet."""
    link = make('data.link-layer = "802-3"', 'wda.get-data-format.link-layer-protocol = "802-3"')
    set_host_format(link.port, RAW_IP)
    link.wait(lambda s: s["host"]["link_layer"] == "raw-ip")
    status = link.set("auto")
    assert status["agreed"] == status["modem"]["link_layer"] == status["host"]["link_layer"] == "802.3"
    mac = Path(f"/sys/class/net/{link.network}/address").read_text()
    assert int(mac[:2], 16) & 0xD0 != 0x40
    assert "802.3" in link.refused("raw-ip")
    link.start()
    set_up(link.network, families=[4])
    ping(link.network, 4)


def test_an_interface_that_is_up(make):
    """Without addresses of somebody else it goes down and up again."""
    link = make()
    ip("link", "set", link.network, "up")
    assert link.set("raw-ip")["host"]["up"]
    ip("addr", "add", f"{address(4)}/30", "dev", link.network)
    link.start()
    ping(link.network, 4)


def test_somebody_elses_address(make):
    link = make()
    ip("link", "set", link.network, "up")
    ip("addr", "add", "198.51.100.1/24", "dev", link.network)
    assert link.wait(lambda s: s["manager"] == "other")["agreed"] == ""
    text = link.refused("raw-ip")
    assert text.startswith("taking the interface down: ") and "198.51.100.1/24" in text
    status = link.status()
    assert status["mode"] == "auto" and status["host"]["link_layer"] == "802.3" and status["host"]["up"]
    assert status["problem"]
    ip("addr", "flush", "dev", link.network)
    assert link.set("raw-ip")["problem"] == ""


def test_a_forgotten_mux(make):
    link = make()
    link.set("raw-ip")
    network = add_mux(link.port, 3)
    status = link.wait(lambda s: s["host"]["muxes"])
    assert status["host"]["muxes"] == {3: network} and status["manager"] == "other"
    assert f"mux 3 ({network})" in status["problem"]
    assert f"mux 3 ({network})" in link.refused("802.3")
    qmi_attribute(link.port, "del_mux").write_text("3")
    status = link.wait(lambda s: not s["host"]["muxes"])
    assert (status["manager"], status["problem"]) == ("qmid", "")


def test_qmap(make):
    link = make()
    status = link.set("qmap")
    assert status["agreed"] == status["modem"]["link_layer"] == "qmap"
    assert status["modem"]["downlink_max_size"] == status["host"]["mtu"]
    # Somebody uses it, with muxes of his own.
    networks = {mux: add_mux(link.port, mux) for mux in (1, 2)}
    ip("link", "set", link.network, "up")
    for mux, network in networks.items():
        link.start(4, mux)
        set_up(network, mux, [4])
    for mux, network in networks.items():
        ping(network, 4, mux)
    status = link.wait(lambda s: len(s["host"]["muxes"]) == 2)
    assert status["host"]["link_layer"] == "qmap" and status["manager"] == "other"


def test_a_modem_without_qmap(make):
    link = make("data.qmap = false")
    text = link.refused("qmap")
    assert text.startswith("reading back what was set: ") and "qmap" in text and "raw-ip" in text
    assert link.set("auto")["agreed"] == "raw-ip"


@pytest.mark.parametrize("can, agreed", [("both", "raw-ip"), ("802-3", "802.3")])
def test_a_modem_without_wda(make, can, agreed):
    """It has CTL 0x0026 only, and cannot be asked."""
    link = make("ctl.services.wda = none", f'data.link-layer = "{can}"')
    assert link.status()["modem"]["link_layer"] == "unknown"
    assert "no WDA" in link.refused("qmap")
    status = link.set("auto")
    assert status["agreed"] == status["modem"]["link_layer"] == status["host"]["link_layer"] == agreed
    link.start()
    set_up(link.network, families=[4])
    ping(link.network, 4)


def test_each_port_has_its_own(make):
    one, two = make(profile="em7455")
    assert one.set("raw-ip")["agreed"] == "raw-ip"
    assert two.set("802.3")["agreed"] == "802.3"
    for link in (one, two):
        link.start()
        set_up(link.network, families=[4])
    for link in (one, two, one):
        ping(link.network, 4)


def test_a_call_is_up(make):
    """Of which qmid knows nothing: the modem does not let its format be changed then."""
    link = make()
    link.set("raw-ip")
    client = link.start()
    text = link.refused("qmap")
    assert text.startswith("setting the modem's format: ") and "invalid_operation" in text
    link.stop(client)
    assert link.set("qmap")["agreed"] == "qmap"


def test_a_restart_touches_nothing(make, services):
    link = make()
    link.set("raw-ip")
    link.start()
    set_up(link.network, families=[4])
    before = link.status()
    services.restart(UNIT)
    with connect() as bus:
        wait_ready(bus, link.port)
        assert bus.get(link.device, DEVICE, "LinkLayer") == before
    ping(link.network, 4)


@pytest.fixture
def configure():
    """What udev is to say of ports."""
    def configure(text):
        RULES.parent.mkdir(parents=True, exist_ok=True)
        RULES.write_text(f'SUBSYSTEM=="usbmisc", KERNEL=="cdc-wdm*", {text}\n')
        subprocess.run(["udevadm", "control", "--reload"], check=True)

    yield configure
    RULES.unlink()
    subprocess.run(["udevadm", "control", "--reload"], check=True)


def test_udev_asks_for_it(make, configure):
    """Then it is set as soon as the modem is ready, nobody having called."""
    configure('ENV{QMID_LINK_LAYER}="qmap"')
    link = make()
    status = link.wait(lambda s: s["agreed"])
    assert (status["mode"], status["agreed"], status["manager"], status["problem"]) == ("qmap", "qmap", "qmid", "")
    # The modem starts anew, with the format of its own.
    link.modem.replug()
    wait_ready(link.bus, link.modem.ports[0])
    status = link.wait(lambda s: s["agreed"] == s["modem"]["link_layer"] == "qmap" and s["host"]["mtu"] ==
                       s["modem"]["downlink_max_size"])
    assert status["problem"] == ""


def test_qmictl_shows_it(make, capsys):
    """In 80 columns, with the sentence at the end."""
    link = make()
    link.wait(lambda s: s["modem"]["link_layer"] == "raw-ip")
    shown = []

    def show(*arguments):
        status, out, error = qmictl("-d", link.network, "link", *arguments)
        assert (status, error) == (0, "") and max(map(len, out.splitlines())) <= 80
        shown.append(out)
        return out.split("\n\n")

    assert show()[-1] == "Nothing is set until the first session begins; then both are.\n"
    ip("link", "set", link.network, "up")
    link.wait(lambda s: s["problem"])
    assert show()[-1] == f"The modem speaks raw IP, and {link.network} 802.3: every packet is lost.\n"
    heading, sides, interfaces = show("raw-ip")
    assert heading == f"{link.network} is up; mode raw-ip, set to raw-ip; managed by qmid"
    assert sides.split()[-4:] == ["link", "layer", "raw-ip", "raw-ip"]
    assert interfaces.splitlines()[1].split()[:2] == [link.network, "1500"]
    link.start()
    set_up(link.network, families=[4])
    ping(link.network, 4, n=3)
    assert show()[-1].splitlines()[1].split()[2] == "3"     # RX PACKETS
    mux = add_mux(link.port, 3)
    link.wait(lambda s: s["host"]["muxes"])
    assert f"mux 3 ({mux})" in " ".join(show()[-1].split())
    assert [line.split()[0] for line in show()[2].splitlines()] == ["INTERFACE", link.network, mux]
    status, out, error = qmictl("-d", link.network, "link", "802.3")
    assert (status, out) == (1, "") and "mux 3" in error
    qmi_attribute(link.port, "del_mux").write_text("3")
    status, out, _ = qmictl("-d", link.network, "-j", "link")
    assert status == 0 and json.loads(out)["agreed"] == "raw-ip"
    for verb in ("list", "status"):
        assert qmictl(verb)[0] == 0
    with capsys.disabled():
        print("\n" + "\n".join(shown))


def test_udev_says_off(make, configure):
    configure('ENV{QMID_LINK_LAYER}="off"')
    link = make()
    status = link.wait(lambda s: s["modem"]["link_layer"] == "raw-ip")
    assert (status["mode"], status["agreed"], status["host"]["link_layer"]) == ("off", "", "802.3")
    assert link.set("raw-ip")["agreed"] == "raw-ip"
