#!/bin/busybox sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# /init of the virtual machine: stacks the root file system, mounts the shares, starts systemd.
b=/bin/busybox
fail() {
    $b echo "init: $*" >/dev/kmsg
    exec $b poweroff -f
}

share() { # TAG PATH OPTIONS
    $b mkdir -p "$2" && $b mount -t 9p -o "trans=virtio,version=9p2000.L,$3" "$1" "$2" || fail "cannot mount $1"
}

$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
$b mount -t devtmpfs dev /dev
while read -r module; do
    $b insmod "/modules/$module" || fail "cannot load $module"
done </modules/list

# From the bottom: the host's own root, what the machine needs beside it, the installed project; all of them
# are read only. What the guest writes goes to memory.
for layer in host base installed; do
    share $layer /layers/$layer ro,msize=512000,cache=loose
done
$b mount -t tmpfs -o mode=755 written /written
$b mkdir /written/upper /written/work
$b mount -t overlay -o lowerdir=/layers/installed:/layers/base:/layers/host,upperdir=/written/upper,workdir=/written/work \
    root /root || fail "cannot mount the root"
# With these systemd believes that it runs in a container, and ignores the kernel's command line.
$b rm -f /root/.dockerenv /root/run/.containerenv
$b mkdir -p /root/run /root/proc /root/sys /root/dev /root/tmp
$b mount -t tmpfs -o mode=755 run /root/run
$b mount -t tmpfs -o mode=1777 tmp /root/tmp

# The results; and the folders that may lie below /tmp on the host.
share out /root/run/out rw,msize=131072,cache=none
while read -r tag path; do
    share "$tag" "/root$path" ro,msize=512000,cache=loose
done </root/run/out/shares

for folder in proc sys dev; do
    $b mount --move /$folder /root/$folder
done
exec $b switch_root /root /sbin/init
