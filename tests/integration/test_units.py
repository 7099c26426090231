# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is installed beside the programs: the unit, the bus policy, the rules of udev. No root is needed, but for
callers of several users. The virtual machine's tests have the real ones run them."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest

import polkit
import qmidtest
from dbusclient import NAME, DBusError, connect_as
from dbusclient import ROOT as ROOT_PATH
from jeepney import DBusAddress, HeaderFields, new_signal

ROOT = qmidtest.ROOT
NOBODY = 65534

SERVICES = [p.stem for p in (ROOT / "interfaces").glob("*.toml") if p.stem not in ("common", "ctl")]

# Below the prefix: where systemd, udev, D-Bus and man look, on Debian.
INSTALLED = {
    "bin/qmictl",
    "lib/systemd/system/qmid-connect@.service",
    "lib/systemd/system/qmid.service",
    "lib/sysusers.d/qmid.conf",
    "lib/udev/hwdb.d/60-qmid.hwdb",
    "lib/udev/rules.d/60-qmid.rules",
    "libexec/qmid",
    "share/bash-completion/completions/qmictl",
    "share/dbus-1/system-services/org.qmid1.service",
    "share/dbus-1/system.d/org.qmid1.conf",
    "share/fish/vendor_completions.d/qmictl.fish",
    "share/man/man1/qmictl.1",
    "share/man/man5/org.qmid1.5",
    "share/man/man8/qmid.8",
    "share/polkit-1/actions/org.qmid1.policy",
    "share/polkit-1/rules.d/org.qmid1.rules",
    "share/qmid/qmi.lua",
    "share/zsh/vendor-completions/_qmictl",
    "share/doc/qmid/html/errors.html",
    "share/doc/qmid/html/index.html",
    "share/man/man3/org.qmid1.Error.3",
    *(name for service in SERVICES for name in (
        f"share/dbus-1/interfaces/org.qmid1.{service.title().replace('-', '')}.xml",
        f"share/doc/qmid/html/{service}.html",
        f"share/man/man3/org.qmid1.{service.title().replace('-', '')}.3")),
}


def run(*command, **options):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)


def need(*programs):
    for name in programs:
        if not shutil.which(name):
            pytest.skip(f"there is no {name}")


def namespaces():
    """What makes a user root in namespaces of its own, where it may mount."""
    command = ["unshare", "--mount", *([] if os.getuid() == 0 else ["--map-root-user"])]
    if run(*command, "true").returncode != 0:
        pytest.skip("this user may not make a mount namespace")
    return command


def build_options(folder):
    return {o["name"]: o["value"] for o in json.loads(run("meson", "introspect", folder, "--buildoptions").stdout)}


@pytest.fixture(scope="module")
def configured(tmp_path_factory):
    """A build folder as a package has it, configured only."""
    folder = tmp_path_factory.mktemp("configured")
    result = run("meson", "setup", folder, ROOT, "--prefix=/usr")
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


@pytest.fixture(scope="module")
def unit(configured):
    return configured / "units" / "qmid.service"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """What `meson install` puts below DESTDIR and the prefix of the build that is tested."""
    destination = tmp_path_factory.mktemp("installed")
    build = qmidtest.build_folder()
    result = run("meson", "install", "-C", build, "--no-rebuild", f"--destdir={destination}")
    assert result.returncode == 0, result.stdout + result.stderr
    return destination / build_options(build)["prefix"].lstrip("/")


def files_below(folder):
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir()}


# ---- installing


def test_install_into_a_destdir(installed):
    assert files_below(installed) == INSTALLED


def test_places_with_prefix_usr(configured):
    places = json.loads(run("meson", "introspect", configured, "--install-plan").stdout)
    options = build_options(configured)

    def resolve(path):
        return str(pathlib.PurePath("/usr", re.sub(r"\{(\w+)\}", lambda m: options[m[1]], path)))

    seen = {resolve(entry["destination"]) for kind in places.values() for entry in kind.values()}
    assert seen == {f"/usr/{name}" for name in INSTALLED}


def test_bus_starts_the_unit(unit):
    activation = (ROOT / "units/org.qmid1.service").read_text()
    assert "\nName=org.qmid1\n" in activation
    assert "\nSystemdService=qmid.service\n" in activation
    text = unit.read_text()
    assert "\nBusName=org.qmid1\n" in text
    assert "\nExecStart=/usr/libexec/qmid\n" in text
    assert "\n[Install]\n" not in text


# What polkit has its rules call; then the rules, then a question for each line.
POLKIT = """
const rules = [];
const polkit = { Result: { YES: "yes" }, addRule: f => rules.push(f) };
%s
for (const [id, user] of %s) {
    const answer = rules.map(f => f({ id: id }, { user: user })).find(a => a);
    print(id, user, answer || "no word");
}
"""


def test_rule_of_polkit(tmp_path):
    """qmid may give and take back name servers; nobody else may, and it may nothing else."""
    need("gjs")
    resolved = "org.freedesktop.resolve1"
    actions = [f"{resolved}.set-dns-servers", f"{resolved}.revert", f"{resolved}.set-domains", "org.qmid1.raw"]
    questions = [(action, user) for action in actions for user in ("qmid", "nobody")]
    script = tmp_path / "rules.js"
    script.write_text(POLKIT % ((ROOT / "units/org.qmid1.rules").read_text(), json.dumps(questions)))
    result = run("gjs", script)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [
        f"{action} {user} {'yes' if user == 'qmid' and action in actions[:2] else 'no word'}"
        for action, user in questions]


def test_sysusers(tmp_path):
    need("systemd-sysusers")
    (tmp_path / "etc").mkdir()
    result = run(*namespaces(), "systemd-sysusers", f"--root={tmp_path}", ROOT / "units/qmid.sysusers.conf")
    assert result.returncode == 0, result.stderr
    name, _, uid, gid, _, _, shell = (tmp_path / "etc/passwd").read_text().splitlines()[0].split(":")
    assert name == "qmid" and shell == "/usr/sbin/nologin" and int(uid) < 1000
    assert f"qmid:x:{gid}:" in (tmp_path / "etc/group").read_text()


# ---- the units


@pytest.mark.parametrize("name, limit", [("qmid.service", 1.8), ("qmid-connect@.service", 0.3)])
def test_exposure(configured, name, limit):
    """Not more than that, and what is weaker than it could be is explained in the unit of the daemon."""
    need("systemd-analyze")
    unit = configured / "units" / name
    result = run("systemd-analyze", "security", "--offline=true", f"--threshold={round(limit * 10)}", "--no-pager", unit)
    assert result.returncode == 0, result.stdout + result.stderr
    level = float(re.search(r"Overall exposure level for .*: ([\d.]+)", result.stdout)[1])
    assert level <= limit
    if name != "qmid.service":
        return
    text = unit.read_text()
    weaker = re.findall(r"^✗ (\w+)=", result.stdout, re.M)
    assert weaker
    assert not [name for name in weaker if name not in text]


@pytest.mark.parametrize("name", ["qmid.service.in", "qmid-connect@.service.in"])
def test_every_line_is_explained(name):
    """In each block of the unit, from the first line on."""
    text = (ROOT / "units" / name).read_text().partition("[Service]\n")[2]
    blocks = [block for block in text.split("\n\n") if re.search(r"^\w+=", block, re.M)]
    assert len(blocks) > 5
    assert not [block for block in blocks if not block.startswith("# ")]


@pytest.mark.parametrize("name", ["qmid.service", "qmid-connect@internet.service"])
def test_unit_is_valid(configured, name, tmp_path):
    need("systemd-analyze", "man")
    units = tmp_path / "usr/lib/systemd/system"
    units.mkdir(parents=True)
    for unit in ("qmid.service", "qmid-connect@.service"):
        shutil.copy(configured / "units" / unit, units)
    # What every service depends on, here without what it stands for.
    for name in ("basic.target", "shutdown.target", "sysinit.target"):
        (units / name).write_text(f"[Unit]\nDescription={name}\nDefaultDependencies=no\n")
    for place, program in (("libexec/qmid", "src/qmid"), ("bin/qmictl", "cli/qmictl")):
        (tmp_path / "usr" / place).parent.mkdir()
        shutil.copy(qmidtest.program(program), tmp_path / "usr" / place)
    for page in (ROOT / "docs").glob("*.[1-8]"):
        folder = tmp_path / f"usr/share/man/man{page.suffix[1:]}"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(page, folder)
    result = run("systemd-analyze", "verify", f"--root={tmp_path}", name,
                 env={**os.environ, "MANPATH": str(tmp_path / "usr/share/man")})
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_sessions_begin_with_the_daemon(configured, tmp_path):
    """As `systemctl enable` has it, and not before there is a modem."""
    need("systemctl")
    units = tmp_path / "usr/lib/systemd/system"
    units.mkdir(parents=True)
    shutil.copy(configured / "units/qmid-connect@.service", units)
    result = run("systemctl", f"--root={tmp_path}", "enable", "qmid-connect@internet")
    assert result.returncode == 0, result.stderr
    links = [p.relative_to(tmp_path) for p in (tmp_path / "etc").rglob("*") if p.is_symlink()]
    assert links == [pathlib.Path("etc/systemd/system/qmid.service.wants/qmid-connect@internet.service")]


def test_the_unit_starts_a_program_that_is_there(configured):
    text = (configured / "units/qmid-connect@.service").read_text()
    assert "\nExecStart=/usr/bin/qmictl connect " in text


# ---- udev

UID = 977  # of user qmid, in the password file that udev sees


class FakeSys:
    """A modem in a sysfs, udev's own folders and a password file, which `test` mounts over the real ones."""

    HOST = "pci0000:00/0000:00:14.0"
    MODEM = f"{HOST}/usb1/1-1"

    def __init__(self, directory):
        self.directory = directory
        self.sys = directory / "sys"
        for name in ("rules", "etc/udev/hwdb.d", "run", "dev"):
            (directory / name).mkdir(parents=True)
        shutil.copy(ROOT / "udev/60-qmid.rules", directory / "rules")
        shutil.copy(ROOT / "udev/60-qmid.hwdb", directory / "etc/udev/hwdb.d")
        (directory / "passwd").write_text(f"root:x:0:0::/root:/bin/sh\nqmid:x:{UID}:{UID}::/:/bin/false\n")
        self.add(self.HOST, "bus/pci", driver="bus/pci/drivers/xhci_hcd")
        self.add(f"{self.HOST}/usb1", "bus/usb", DEVTYPE="usb_device")
        self.add(self.MODEM, "bus/usb", attributes={"idVendor": "1199", "idProduct": "9071", "serial": "0123456789"},
                 DEVTYPE="usb_device", MAJOR="189", MINOR="1", DEVNAME="bus/usb/001/002")

    def add(self, path, subsystem, driver=None, attributes={}, **properties):
        folder = self.sys / "devices" / path
        folder.mkdir(parents=True)
        (folder / "uevent").write_text("".join(f"{k}={v}\n" for k, v in properties.items()))
        for key, value in attributes.items():
            (folder / key).write_text(value + "\n")
        for name, target in (("subsystem", subsystem), ("driver", driver)):
            if target:
                (self.sys / target).mkdir(parents=True, exist_ok=True)
                (folder / name).symlink_to(os.path.relpath(self.sys / target, folder))
        return folder

    def interface(self, number, driver):
        """A USB interface with a port and a network interface: its path, and that of the port."""
        path = f"{self.MODEM}/1-1:1.{number}"
        self.add(path, "bus/usb", f"bus/usb/drivers/{driver}", DEVTYPE="usb_interface", DRIVER=driver,
                 MODALIAS=f"usb:v1199p9071d0006dc00dsc00dp00icFFiscFFipFFin{number:02X}")
        port = f"{path}/usbmisc/cdc-wdm0"
        self.add(port, "class/usbmisc", MAJOR="180", MINOR="176", DEVNAME="cdc-wdm0")
        net = self.add(f"{path}/net/wwan0", "class/net", DEVTYPE="wwan", INTERFACE="wwan0", IFINDEX="30")
        if driver != "cdc_mbim":
            (net / "qmi").mkdir()
            for name in ("raw_ip", "pass_through", "add_mux", "del_mux"):
                (net / "qmi" / name).write_text("N\n")
        return path, port

    def test(self, path, action="add", then="true"):
        """What udev makes of a device: its properties, the owner and mode of its node, what it would run.
        `then`: shell commands that run afterwards in the same place."""
        mounts = {"passwd": "/etc/passwd", "rules": "/usr/lib/udev/rules.d", "etc/udev": "/etc/udev", "run": "/run",
                  "dev": "/dev", "sys": "/sys"}
        script = "".join(f"mount --bind '{self.directory}/{name}' {target} || exit 1\n"
                         for name, target in mounts.items())
        script += f"udevadm test --action={action} '/sys/devices/{path}' 2>&1 && {then}"
        result = run(*namespaces(), "sh", "-c", script,
                     env={**os.environ, "SYSTEMD_DEVICE_VERIFY_SYSFS": "0", "SYSTEMD_LOG_LEVEL": "debug"})
        assert result.returncode == 0, result.stdout + result.stderr
        self.log = result.stdout
        assert not re.search(r"\.rules:\d+ (Invalid|Unknown|Failed to parse|.*ignoring)", self.log), self.log
        owner = re.search(r"rules:\d+ OWNER (\d+)", self.log)
        mode = re.search(r"rules:\d+ MODE (\d+)", self.log)
        return {
            "properties": dict(re.findall(r"^([A-Z_]+)=(.*)$", self.log, re.M)),
            "node": (int(owner[1]) if owner else None, mode[1] if mode else None),
            "run": re.findall(r"^run: '(.*)'$", self.log, re.M),
        }

    def hwdb(self, text):
        (self.directory / "etc/udev/hwdb.d/70-test.hwdb").write_text(text)
        result = run("systemd-hwdb", "update", "--strict", f"--root={self.directory}")
        assert (result.returncode, result.stderr) == (0, "")


@pytest.fixture
def fake(tmp_path):
    need("udevadm", "systemd-hwdb")
    return FakeSys(tmp_path)


@pytest.mark.parametrize("driver", ["qmi_wwan", "qmi_wwan_q"])
def test_a_port_starts_the_daemon(fake, driver):
    _, port = fake.interface(8, driver)
    seen = fake.test(port)
    assert seen["node"] == (UID, "0600")
    properties = seen["properties"]
    assert properties["ID_PATH"] == "pci-0000:00:14.0-usb-0:1:1.8"
    assert properties["SYSTEMD_WANTS"] == "qmid.service"
    assert properties["TAGS"] == ":systemd:"
    assert seen["run"] == []


@pytest.mark.parametrize("driver", ["cdc_mbim", "huawei_cdc_ncm", "cdc_wdm", "xqmi_wwan"])
def test_other_ports_are_left_alone(fake, driver):
    interface, port = fake.interface(8, driver)
    for path in (interface, port):
        seen = fake.test(path)
        assert seen["node"] == (None, None) and seen["run"] == []
        assert "SYSTEMD_WANTS" not in seen["properties"] and "ID_PATH" not in seen["properties"]


@pytest.mark.parametrize("action", ["bind", "change", "add"])
def test_the_link_layer_is_handed_over(fake, action):
    interface, _ = fake.interface(8, "qmi_wwan")
    (command,) = fake.test(interface, action)["run"]
    folder = fake.sys / "devices" / interface / "net/wwan0/qmi"
    if os.getuid() != 0:  # another user's namespace has no second uid to give a file to
        assert command == f"/bin/sh -c 'exec chown qmid /sys/devices/{interface}/net/*/qmi/*'"
        return
    fake.test(interface, action, then=command)
    assert {p.name: p.stat().st_uid for p in folder.iterdir()} == dict.fromkeys(
        ("raw_ip", "pass_through", "add_mux", "del_mux"), UID)


def test_nothing_to_hand_over(fake):
    """Before the network interface is there, and with a driver that has no such files."""
    interface, _ = fake.interface(8, "qmi_wwan")
    shutil.rmtree(fake.sys / "devices" / interface / "net")
    assert fake.test(interface)["run"] == []


@pytest.mark.parametrize("action", ["remove", "unbind"])
def test_unplugging_runs_nothing(fake, action):
    interface, port = fake.interface(8, "qmi_wwan")
    assert fake.test(interface, action)["run"] == []
    assert "SYSTEMD_WANTS" not in fake.test(port, action)["properties"]


def test_quirks_by_usb_ids(fake):
    fake.hwdb("qmid:usb:v1199p9071*\n QMID_WINDOW=1\n\nqmid:usb:v1199p9072*\n QMID_TAKE=1\n")
    _, port = fake.interface(8, "qmi_wwan")
    properties = fake.test(port)["properties"]
    assert properties["QMID_WINDOW"] == "1"
    assert "QMID_TAKE" not in properties
    assert properties["SYSTEMD_WANTS"] == "qmid.service"


def test_quirks_by_interface(fake):
    fake.hwdb("qmid:usb:v1199p9071d*in0A*\n QMID_IGNORE=1\n")
    _, eight = fake.interface(8, "qmi_wwan")
    _, ten = fake.interface(10, "qmi_wwan")
    assert fake.test(eight)["node"] == (UID, "0600")
    seen = fake.test(ten)
    assert seen["properties"]["QMID_IGNORE"] == "1"
    assert seen["node"] == (None, None) and "SYSTEMD_WANTS" not in seen["properties"]


def test_the_hardware_database_is_valid(fake):
    fake.hwdb("")


def examples_of_man_page():
    text = (ROOT / "docs/qmid.8").read_text()
    blocks = re.findall(r"^\.Bd -literal -offset indent\n(.*?)^\.Ed$", text, re.M | re.S)
    (rules,) = [b for b in blocks if "QMID_WINDOW" in b and "ATTRS{" in b]
    (hwdb,) = [b for b in blocks if b.startswith("qmid:")]
    return rules.replace("\\e", "\\"), hwdb


def test_the_man_page_has_a_rule_that_works(fake):
    rules, _ = examples_of_man_page()
    (fake.directory / "rules/50-modem.rules").write_text(rules)
    _, port = fake.interface(8, "qmi_wwan")
    seen = fake.test(port)
    assert seen["properties"]["QMID_IGNORE"] == "1" and seen["properties"]["QMID_WINDOW"] == "1"
    assert seen["node"] == (None, None) and "SYSTEMD_WANTS" not in seen["properties"]

    (fake.sys / "devices" / fake.MODEM / "serial").write_text("another\n")
    seen = fake.test(port)
    assert "QMID_IGNORE" not in seen["properties"] and seen["properties"]["QMID_WINDOW"] == "1"
    assert seen["node"] == (UID, "0600")


def test_the_man_page_has_a_quirk_that_works(fake):
    _, entry = examples_of_man_page()
    fake.hwdb(entry)
    _, port = fake.interface(8, "qmi_wwan")
    assert fake.test(port)["properties"]["QMID_WINDOW"] == "1"


# ---- the bus policy


# As polkit's own has it.
POLKIT_POLICY = """
<policy user="root"><allow own="org.freedesktop.PolicyKit1"/></policy>
<policy context="default"><allow send_destination="org.freedesktop.PolicyKit1"/></policy>
"""


@pytest.fixture(params=qmidtest.BUS_KINDS)
def policed(request):
    """A private bus that has the policy, with user "daemon" in place of "qmid", which need not exist."""
    if os.getuid() != 0:
        pytest.skip("only root can call as several users")
    need("setpriv", "busctl")
    text = (ROOT / "units/org.qmid1.conf").read_text()
    text, n = re.subn('user="qmid"', 'user="daemon"', text)
    assert n == 1
    text = text.replace("</busconfig>", POLKIT_POLICY + "</busconfig>")
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        directory.chmod(0o755)
        policy = directory / "policy.conf"
        policy.write_text(text)
        try:
            world = qmidtest.World(directory, request.param, policy)
        except qmidtest.Missing as e:
            pytest.skip(str(e))
        with world:
            yield world


def call_as(world, user, group, *call, groups=()):
    """Calls as somebody: what the answer is, or the text of the error."""
    more = [f"--groups={','.join(groups)}"] if groups else ["--clear-groups"]
    status, out, err = world.run("setpriv", f"--reuid={user}", f"--regid={group}", *more, "busctl", "call", *call)
    return out.strip() if status == 0 else err.strip()


GET_VERSION = ("org.qmid1", "/org/qmid1", "org.freedesktop.DBus.Properties", "Get", "ss", "org.qmid1.Manager", "Version")
DENIED = re.compile("Access denied|not allowed|rejected", re.I)


def test_everybody_may_call(policed):
    policed.start_daemon(ports=[])
    for user, group in (("root", "root"), ("daemon", "daemon"), ("nobody", "nogroup")):
        assert call_as(policed, user, group, *GET_VERSION).startswith("v s ")


def test_signals_to_the_service(policed):
    """Polkit's come, as they go to everybody; what anybody addresses to it does not."""
    sim = policed.sim()
    daemon = policed.start_daemon(options=["--log-level=debug"])
    with polkit.Polkit(policed.bus.address, lambda q: polkit.YES) as authority, \
            connect_as(NOBODY, policed.bus.address) as bus:
        for destination in (NAME, bus.bus_call("GetNameOwner", "s", NAME)):
            signal = new_signal(DBusAddress("/a", interface="a.b"), "Forged")
            signal.header.fields[HeaderFields.destination] = destination
            bus.connection.send(signal)
        for _ in range(2):
            bus.qmi(sim.device, "Dms", "GetIds")
            assert len(authority.take()) == 1
            bus.qmi(sim.device, "Dms", "GetIds")
            assert authority.take() == []
            authority.changed()
    assert "Forged" not in daemon.output()


def test_nobody_listens(policed):
    """What is for one caller is not to be had by another."""
    sim = policed.sim()
    policed.start_daemon()
    with policed.connect() as bus, connect_as(NOBODY, policed.bus.address) as other:
        for rule in ("eavesdrop='true'", f"eavesdrop='true',sender='{NAME}'", f"sender='{NAME}'"):
            with contextlib.suppress(DBusError):    # dbus-broker knows no such thing
                other.add_match(rule)
        with pytest.raises(DBusError) as e:
            other.call("/org/freedesktop/DBus", "org.freedesktop.DBus.Monitoring", "BecomeMonitor", "asu", [], 0,
                       destination="org.freedesktop.DBus")
        assert e.value.name == "org.freedesktop.DBus.Error.AccessDenied"
        bus.add_match(f"type='signal',sender='{NAME}'")
        bus.qmi(sim.device, "Nas", "RegisterIndications", {"signal_info": True})
        sim.send("nas", "signal-info")
        bus.wait_signal("SignalInfo")
        heard = {s.member for s in other.take_signals() if s.path.startswith(ROOT_PATH)}
        # The client's, which everybody may see; and the device may just have got to know its modem.
        assert "InterfacesAdded" in heard and heard <= {"InterfacesAdded", "PropertiesChanged"}


def test_who_may_be_the_service(policed):
    request = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName", "su",
               "org.qmid1", "4")
    assert call_as(policed, "root", "root", *request) == "u 1"
    assert call_as(policed, "daemon", "daemon", *request) == "u 1"
    assert DENIED.search(call_as(policed, "nobody", "nogroup", *request, groups=["daemon"]))
    assert DENIED.search(call_as(policed, "nobody", "nogroup", *request))
