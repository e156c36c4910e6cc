#!/usr/bin/env bash
# `make test-kernel`: the frontends on a kernel that has their drivers (nbd, ublk, the iSCSI initiator), which the kernel
# of a test machine or of a container may lack. Boots Debian's kernel in QEMU, by software emulation, so that nothing is
# asked of this machine: no root, no /dev/kvm, no modules. Tests: engine/tests/kernel; one module of it is one part.
#
#   scripts/test-kernel.sh [PART...]      all parts if none is named
set -euo pipefail
cd "$(dirname "$0")/.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
work=$target/kernel-test
# So long may a part take. Emulated processors are some thirty times slower than this machine's.
part_seconds=${PART_SECONDS:-300}

e2e/kernel/fetch.sh "$work"
cargo build --locked --quiet -p aurochs-engine --bin aurochs-engine
# The message names the program that was built.
tests=$(cargo test --locked --quiet -p aurochs-engine --test kernel --no-run --message-format=json |
  sed -n 's/.*"executable":"\([^"]*\/deps\/kernel-[^"]*\)".*/\1/p' | tail -n 1)
[ -x "$tests" ] || { echo "kernel: cargo did not name the program with the tests" >&2; exit 1; }

if [ $# -gt 0 ]; then
  parts=("$@")
else
  mapfile -t parts < <("$tests" --list --ignored --format=terse | sed -n 's/^\([a-z_]*\)::.*/\1/p' | sort -u)
fi
e2e/kernel/image.sh "$work/unpacked" "$work" "$target/debug/aurochs-engine" "$tests"

qemu=$work/unpacked/usr/bin/qemu-system-x86_64
export LD_LIBRARY_PATH=$work/unpacked/usr/lib/x86_64-linux-gnu:$work/unpacked/lib/x86_64-linux-gnu
arguments=(
  -accel tcg,thread=multi -cpu max -smp 2 -m 2G -nodefaults -display none -no-reboot -serial stdio
  -L "$work/unpacked/usr/share/qemu" -L "$work/unpacked/usr/share/seabios"
  -kernel "$work/vmlinuz" -initrd "$work/initramfs"
  -drive "file=$work/root.img,format=raw,if=virtio,cache=unsafe"
  -append "console=ttyS0 quiet loglevel=2 panic=-1 aurochs.seconds=$part_seconds aurochs.parts=$(IFS=,; echo "${parts[*]}")"
)
log=$work/console.log
limit=$((60 + part_seconds * ${#parts[@]}))
echo "kernel: booting $(basename "$(echo "$work"/unpacked/lib/modules/*)")"
start=$SECONDS
timeout -k 5 "$limit" "$qemu" "${arguments[@]}" </dev/null 2>&1 | sed -u 's/\r//g' | tee "$log" || true
rm -f "$work/root.img"

failed=()
echo
for part in "${parts[@]}"; do
  code=$(sed -n "s/^outcome: $part \([^ ]*\) .*/\1/p" "$log")
  case $code in
    0) outcome=ok ;;
    "") outcome="FAILED (the guest ended before it)" ;;
    *) outcome="FAILED ($code)" ;;
  esac
  printf 'kernel: %-10s %s\n' "$part" "$outcome"
  [ "$outcome" = ok ] || failed+=("$part")
done
echo "kernel: $((SECONDS - start)) s in the guest"
[ ${#failed[@]} -eq 0 ] || { echo "failed: ${failed[*]}; the guest's console is in $log" >&2; exit 1; }
