# SPDX-License-Identifier: LGPL-2.1-or-later
# Sourced by ./demo and ./test: installs what is missing of Debian packages, saying what and why.

# need_packages WHY PACKAGE…
need_packages() {
    local why=$1 package missing=()
    shift
    for package in "$@"; do
        dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0

    echo "Installing Debian packages $why: ${missing[*]}"
    local as_root=()
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || {
            echo "They are missing, and there is no sudo: please install them as root." >&2
            return 1
        }
        as_root=(sudo)
    fi
    local log
    log=$(mktemp)
    if ! {
        "${as_root[@]}" apt-get update -q &&
            "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
                apt-get install -q -y --no-install-recommends "${missing[@]}"
    } >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
}

BUILD_PACKAGES=(gcc libc6-dev meson ninja-build pkg-config python3 libmnl-dev libsystemd-dev libudev-dev)
RUN_PACKAGES=(dbus-daemon systemd)
TEST_PACKAGES=(bash-completion clang libclang-rt-14-dev clang-format dbus-broker fish gjs git jq man-db mandoc
    python3-dbus python3-dbusmock python3-gi python3-jeepney python3-pytest tidy tshark udev valgrind zsh)
VM_PACKAGES=(binutils dbus iproute2 python3-jeepney python3-pytest qemu-system-x86 systemd-sysv udev)
PACKAGE_PACKAGES=(build-essential debhelper dpkg-dev git lintian)
