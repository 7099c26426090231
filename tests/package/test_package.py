# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Debian package, built from a clone of what is committed: what is in it. How it lives on a machine is for
tests/vm/guest/test_package.py."""

import os
import re
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = {"/usr/bin/qmictl", "/usr/libexec/qmid"}
# Without these it would be of no use.
NEEDED = PROGRAMS | {
    "/usr/lib/systemd/system/qmid-connect@.service",
    "/usr/lib/systemd/system/qmid.service",
    "/usr/lib/sysusers.d/qmid.conf",
    "/usr/lib/udev/hwdb.d/60-qmid.hwdb",
    "/usr/lib/udev/rules.d/60-qmid.rules",
    "/usr/share/dbus-1/interfaces/org.qmid1.Dms.xml",
    "/usr/share/dbus-1/system-services/org.qmid1.service",
    "/usr/share/dbus-1/system.d/org.qmid1.conf",
    "/usr/share/man/man1/qmictl.1",
    "/usr/share/man/man5/org.qmid1.5",
    "/usr/share/man/man8/qmid.8",
    "/usr/share/polkit-1/actions/org.qmid1.policy",
    "/usr/share/polkit-1/rules.d/org.qmid1.rules",
}
# What debhelper adds to what is installed.
ADDED = {
    "/usr/share/doc/qmid/changelog.Debian",
    "/usr/share/doc/qmid/copyright",
    "/usr/share/doc-base/qmid.qmid",
    "/usr/share/lintian/overrides/qmid",
}


def run(*command, **options):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          **options)
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


@pytest.fixture(scope="session")
def clone():
    """A clone in which the package was built; what came of it lies beside it. QMID_PACKAGE_FOLDER keeps that."""
    clone = Path(os.environ["QMID_PACKAGE_FOLDER"], "clone")
    run("git", "clone", "--quiet", ROOT, clone)
    # Neither the variables of this test nor a developer's are to change it.
    variables = {name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ}
    run("dpkg-buildpackage", "--unsigned-source", "--unsigned-changes", "--build=binary", cwd=clone,
        env=variables | {"LANG": "C.UTF-8"})
    return clone


def built(clone, pattern):
    found, = clone.parent.glob(pattern)
    return found


@pytest.fixture
def package(clone):
    return built(clone, "qmid_*.deb")


@pytest.fixture
def members(package):
    """What the package unpacks, by path."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as process, \
            tarfile.open(fileobj=process.stdout, mode="r|") as archive:
        return {plain(member.name.removeprefix(".")): member for member in archive}


def plain(path):
    """As it is named where it is used: /lib is a link, manual pages are compressed."""
    return re.sub("^/lib/", "/usr/lib/", path).removesuffix(".gz")


def files_of(members):
    return {path for path, member in members.items() if not member.isdir()}


def test_lintian_has_nothing_to_say(clone):
    assert run("lintian", "--allow-root", "--display-info", "--pedantic", built(clone, "*.changes")) == ""


def test_versions_agree(clone, package):
    version = run("dpkg-deb", "--field", package, "Version").strip()
    assert version == run("dpkg-parsechangelog", "--show-field=Version", cwd=clone).strip()
    project = re.search("version: '(.*?)'", (ROOT / "meson.build").read_text())[1]
    assert version.rpartition("-")[0] == project


def test_what_the_project_installs_is_in_the_package(clone, members, tmp_path):
    build = clone / f"obj-{run('dpkg-architecture', '--query', 'DEB_HOST_GNU_TYPE').strip()}"
    run("meson", "install", "-C", build, "--no-rebuild", env={**os.environ, "DESTDIR": str(tmp_path)})
    installed = {plain(f"/{path.relative_to(tmp_path)}") for path in tmp_path.rglob("*") if not path.is_dir()}
    assert NEEDED <= installed
    assert files_of(members) == installed | ADDED


def test_owners_and_modes(members):
    for path, member in members.items():
        assert (member.uid, member.gid) == (0, 0), path
        assert member.isdir() or member.isfile() or member.issym(), path
        if not member.issym():
            assert stat.S_IMODE(member.mode) == (0o755 if member.isdir() or path in PROGRAMS else 0o644), path


def test_nothing_stays_after_cleaning(clone):
    """The last one, as nothing is left to look at."""
    assert run("git", "status", "--porcelain", cwd=clone) == ""
    run("dpkg-buildpackage", "--target=clean", "--no-check-builddeps", cwd=clone)
    assert run("git", "status", "--porcelain", "--ignored", cwd=clone) == ""
