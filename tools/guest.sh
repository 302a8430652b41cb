#!/usr/bin/env bash
# Runs a command inside a virtual machine with Debian's stable kernel (6.1, cgroup v2, no hardware needed), on a copy of
# this checkout: what the development machine's kernel hides (older mount API, no file-backed EROFS) shows there.
#
#   tools/guest.sh [COMMAND...]     default: ./gantry quickstart
#
# The guest has Debian's packages for an engine and this tree at /gantry. Its console goes to stdout; the exit status is
# the command's, 125 when the guest could not be built or did not end within GUEST_TIMEOUT seconds (600).
# GUEST_ADD (`file:path file:path`) adds files of this host to it.
# Needs: qemu-system-x86_64, mmdebstrap, mke2fs, cpio, busybox-static. Everything made lies in GUEST_CACHE
# (default: ${XDG_CACHE_HOME:-~/.cache}/gantry-guest).
set -euo pipefail

tree=$(cd "$(dirname "$0")/.." && pwd)
cache=${GUEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/gantry-guest}
timeout=${GUEST_TIMEOUT:-600}
command=${*:-./gantry quickstart}
# What an engine needs of the host, by the table that ./gantry installs by, and what a system needs to boot and to fetch.
build=$tree/build
. "$tree/tools/setup.sh"
packages=$(host_programs | awk '{ printf "%s,", $2 }')libnftables1,kmod,iproute2,ca-certificates,libatomic1,procps,npm

fail() { echo "guest: $*" >&2; exit 125; }
for tool in qemu-system-x86_64 mmdebstrap mke2fs cpio busybox; do
  command -v "$tool" >/dev/null || fail "$tool is missing"
done
mkdir -p "$cache"

# The kernel: unpacked, not installed.
if [ ! -e "$cache/kernel/vmlinuz" ]; then
  rm -rf "$cache/kernel.part"; mkdir -p "$cache/kernel.part/deb"
  cd "$cache/kernel.part/deb"
  name=$(apt-cache depends linux-image-cloud-amd64 | awk '$1 == "Depends:" { print $2 }')
  [ -n "$name" ] || fail "apt knows no linux-image-cloud-amd64 (apt-get update?)"
  apt-get download -q "$name" >/dev/null
  dpkg-deb -x ./*.deb ..
  cd ..
  ln -s boot/vmlinuz-* vmlinuz
  mv "$cache/kernel.part" "$cache/kernel"
fi
version=$(basename "$cache"/kernel/boot/vmlinuz-*); version=${version#vmlinuz-}

# The base system, without the tree; another list of packages makes another one.
base="$cache/base-$(echo "$packages" | cksum | cut -d " " -f 1).tar"
if [ ! -e "$base" ]; then
  unshare --mount mmdebstrap --quiet --format=tar --variant=minbase --include="$packages" bookworm "$base.part" \
    || fail "the base system could not be made"
  mv "$base.part" "$base"
fi

work=$(mktemp -d "$cache/run.XXXXXX")
trap 'rm -rf "$work"' EXIT

# The disk: base system, kernel modules, this tree as it is (with its node_modules), and what to run.
mkdir "$work/root"
tar -C "$work/root" -xf "$base"
mkdir -p "$work/root/lib/modules" "$work/root/gantry"
cp -a "$cache/kernel/lib/modules/$version" "$work/root/lib/modules/"
chroot "$work/root" depmod "$version"
tar -C "$tree" -chf - --exclude=./.git --exclude=./node_modules/.cache . | tar -C "$work/root/gantry" -xf -
for added in ${GUEST_ADD:-}; do
  mkdir -p "$work/root$(dirname "${added#*:}")"
  cp -a "${added%%:*}" "$work/root${added#*:}"
done
printf '%s\n' "$command" > "$work/root/gantry-command"
cat > "$work/root/gantry-init" <<'INIT'
#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev 2>/dev/null
mkdir -p /dev/pts /dev/shm; mount -t devpts devpts /dev/pts; mount -t tmpfs tmpfs /dev/shm
mount -t cgroup2 cgroup2 /sys/fs/cgroup; mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /tmp
for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do echo "+$controller" > /sys/fs/cgroup/cgroup.subtree_control; done
ip link set lo up
cd /gantry
echo "guest: Linux $(uname -r)"
sh -c "$(cat /gantry-command)"
echo "guest: exit status $?"
sync
echo o > /proc/sysrq-trigger
sleep 60
INIT
chmod 755 "$work/root/gantry-init"
mke2fs -q -t ext4 -d "$work/root" "$work/disk.ext4" 6G

# The initramfs: just enough to find the disk.
mkdir -p "$work/initramfs/bin" "$work/initramfs/modules" "$work/initramfs/root" "$work/initramfs/dev"
cp "$(command -v busybox)" "$work/initramfs/bin/busybox"
modules="virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk"
for module in $modules; do
  find "$cache/kernel/lib/modules/$version" -name "$module.ko*" -exec cp {} "$work/initramfs/modules/" \;
done
cat > "$work/initramfs/init" <<INIT
#!/bin/busybox sh
for module in $modules; do [ ! -e /modules/\$module.ko ] || /bin/busybox insmod /modules/\$module.ko; done
/bin/busybox mount -t devtmpfs dev /dev
for try in 1 2 3 4 5 6 7 8 9 10; do [ -e /dev/vda ] && break; /bin/busybox sleep 1; done
/bin/busybox mount -t ext4 /dev/vda /root || exec /bin/busybox sh
exec /bin/busybox switch_root /root /gantry-init
INIT
chmod 755 "$work/initramfs/init"
(cd "$work/initramfs" && find . | cpio --quiet -o -H newc) > "$work/initramfs.cpio"

timeout "$timeout" qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 3072 -nographic -no-reboot -nodefaults \
  -serial stdio -kernel "$cache/kernel/vmlinuz" -initrd "$work/initramfs.cpio" \
  -append "console=ttyS0 quiet panic=-1 loglevel=4 sysrq_always_enabled=1" \
  -drive "file=$work/disk.ext4,format=raw,if=virtio,cache=unsafe" </dev/null | tee "$work/console"
status=$(tr -d '\r' < "$work/console" | sed -n 's/^guest: exit status //p' | tail -n 1)
exit "${status:-125}"
