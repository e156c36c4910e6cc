#!/usr/bin/env bash
# Builds the guest: WORK/vmlinuz, WORK/initramfs with what it takes to find the root file system, and WORK/root.img, the
# root file system, with the guest's scripts, the programs below, and the PROGRAMs given, each at its own path of this
# machine. One that is given as NAME=PROGRAM is started in the guest as /tests/NAME too. UNPACKED and KERNEL are what fetch.sh
# made.
set -euo pipefail
[ $# -ge 4 ] || { echo "usage: e2e/kernel/image.sh UNPACKED KERNEL WORK PROGRAM..." >&2; exit 2; }
unpacked=$(realpath "$1") kernel=$(realpath "$2") work=$(realpath "$3")
shift 3
here=$(realpath "$(dirname "$0")")

# Of this machine; tests call them.
tools=(bash cp cmp df diff mount umount mountpoint sync losetup blockdev blkdiscard fstrim timeout fusermount3
  mkfs.ext4 e2fsck resize2fs mkfs.xfs xfs_repair xfs_growfs blkid pgrep pkill)
# Of the packages that were downloaded.
unpacked_tools=(/bin/kmod /sbin/iscsid /usr/bin/iscsiadm /sbin/iscsiadm /sbin/mount.nfs4 /sbin/umount.nfs4
  /usr/sbin/exportfs /usr/sbin/rpc.mountd /sbin/mount.cifs /usr/sbin/ksmbd.mountd /usr/sbin/ksmbd.adduser
  /usr/sbin/ksmbd.control /sbin/cryptsetup)
boot_modules=(virtio_pci virtio_blk ext4)
modules=(nbd ublk_drv iscsi_tcp sd_mod loop fuse xfs nfsd nfsv4 cifs ksmbd nls_utf8 dummy dm_crypt)
# What ciphers are made of; a kernel may have them built in, or under other names. CIFS names those that it asks for when it is used.
cipher_modules=(xts aesni_intel sha256_ssse3 sha256_generic af_alg algif_hash algif_skcipher ctr ghash)

rm -rf "$work/root" "$work/boot"
mkdir -p "$work/root"/{usr/{bin,sbin,lib,lib64},dev,proc,sys,run,tmp,var/tmp,etc/iscsi,root} "$work/boot"/{dev,root}
for link in bin sbin lib lib64; do ln -s "usr/$link" "$work/root/$link"; done
export LD_LIBRARY_PATH=$unpacked/usr/lib/x86_64-linux-gnu:$unpacked/lib/x86_64-linux-gnu

# Puts a file where it is expected, whichever tree it comes from.
place() {
  local file=$1 at=${1#"$unpacked"}
  at=${at#"$kernel"}
  [ ! -e "$work/root$at" ] || return 0
  mkdir -p "$work/root$(dirname "$at")"
  cp -L "$file" "$work/root$at"
}

# A program and the libraries that it is linked to.
place_program() {
  local library
  place "$1"
  while read -r library; do place "$library"; done < <(ldd "$1" 2>/dev/null | grep -o '/[^ ]*')
}

for tool in "${tools[@]}"; do
  found=$(command -v "$tool") || { echo "kernel: $tool is missing; scripts/install.sh test installs it" >&2; exit 1; }
  place_program "$found"
done
for tool in "${unpacked_tools[@]}"; do
  [ ! -x "$unpacked$tool" ] || place_program "$unpacked$tool"
done
mkdir "$work/root/tests"
for program; do
  name=${program%%=*} program=${program#*=}
  place_program "$program"
  # A tenth of the size, and of the time to copy it.
  strip --strip-debug "$work/root$program"
  [ "$name" = "$program" ] || ln -s "$program" "$work/root/tests/$name"
done
for name in modprobe depmod lsmod rmmod insmod; do ln -sf /bin/kmod "$work/root/sbin/$name"; done
cp "$unpacked/bin/busybox" "$work/root/bin/busybox"
install "$here/guest/run.sh" "$work/root/run.sh"
echo "InitiatorName=iqn.2019-10.io.longhorn.test:guest" >"$work/root/etc/iscsi/initiatorname.iscsi"
cp "$here/guest/iscsid.conf" "$work/root/etc/iscsi/iscsid.conf"
# What servers look for: NFS knows networks by the file, and has no exports of its own.
mkdir -p "$work/root/etc/ksmbd"
touch "$work/root/etc/exports"
if [ -e "$unpacked/etc/netconfig" ]; then place "$unpacked/etc/netconfig"; else place /etc/netconfig; fi
printf 'root:x:0:0:root:/root:/bin/sh\n' >"$work/root/etc/passwd"
printf 'root:x:0:\n' >"$work/root/etc/group"
printf '127.0.0.1 localhost\n' >"$work/root/etc/hosts"

# Where a kernel's package puts things depends on its age.
[ -e "$kernel/lib" ] || ln -s usr/lib "$kernel/lib"
version=$(basename "$(echo "$kernel"/lib/modules/*)")
for place in "$kernel/boot/vmlinuz-$version" "$kernel/lib/modules/$version/vmlinuz"; do
  [ ! -e "$place" ] || cp "$place" "$work/vmlinuz"
done
modprobe() { (exec -a modprobe "$unpacked/bin/kmod" "$@"); }
depmod() { (exec -a depmod "$unpacked/bin/kmod" "$@"); }
[ -e "$kernel/lib/modules/$version/modules.dep" ] || depmod -b "$kernel" "$version"

# Paths of a module and of all that it needs, those first.
with_dependencies() {
  modprobe -d "$kernel" -S "$version" --show-depends "$@" | sed -n 's/^insmod \([^ ]*\).*/\1/p'
}

# It stays empty where they are all built in.
touch "$work/boot/modules.sh"
for module in "${boot_modules[@]}"; do with_dependencies "$module"; done | awk '!seen[$0]++' |
  while read -r file; do
    name=$(basename "$file")
    name=${name%.[xz]*}
    case $file in
      *.xz) xz -dc "$file" >"$work/boot/$name" ;;
      *.zst) zstd -qdc "$file" >"$work/boot/$name" ;;
      *) cp "$file" "$work/boot/$name" ;;
    esac
    echo "insmod /$name" >>"$work/boot/modules.sh"
  done
for module in "${modules[@]}"; do
  with_dependencies "$module" | while read -r file; do place "$file"; done
done
cipher_modules+=($(sed -n 's/^softdep \(cifs\|ksmbd\) \(pre: \)\?//p' "$kernel/lib/modules/$version/modules.softdep" | sort -u))
for module in "${cipher_modules[@]}"; do
  { with_dependencies "$module" 2>/dev/null || true; } | while read -r file; do place "$file"; done
done
cp "$kernel/lib/modules/$version"/modules.{builtin,builtin.modinfo,order} "$work/root/lib/modules/$version/"
depmod -b "$work/root" "$version"

cp "$unpacked/bin/busybox" "$work/boot/busybox"
install "$here/guest/init" "$work/boot/init"
(cd "$work/boot" && find . | ./busybox cpio -o -H newc 2>/dev/null) >"$work/initramfs"
rm -f "$work/root.img"
truncate -s 4G "$work/root.img"
mkfs.ext4 -q -E root_owner=0:0,lazy_itable_init=1,lazy_journal_init=1 -d "$work/root" "$work/root.img"
rm -rf "$work/root" "$work/boot"
