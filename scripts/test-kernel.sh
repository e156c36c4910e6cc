#!/usr/bin/env bash
# `make test-kernel`: the frontends on kernels that have their drivers (nbd, ublk, the iSCSI initiator), and encrypted volumes
# where there is device-mapper, which the kernel of a test machine or of a container may lack. Boots Debian's kernels in QEMU,
# by software emulation, so that nothing is asked of this machine: no root, no /dev/kvm, no modules. Tests: the ignored ones of
# engine/tests/kernel, and of csi/tests/driver the module encryption; one module is one part.
#
#   scripts/test-kernel.sh [PART...]      all parts if none is named
#
# KERNELS names the kernels, as e2e/kernel/fetch.sh takes them. The first is the last one on which the ublk driver can't
# resize a device in use, the other one is Debian's newest.
set -euo pipefail
cd "$(dirname "$0")/.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
work=$target/kernel-test
read -ra kernels <<<"${KERNELS:-bookworm-backports trixie-backports}"
# So long may a part take. Emulated processors are some thirty times slower than this machine's.
part_seconds=${PART_SECONDS:-900}

for kernel in "${kernels[@]}"; do e2e/kernel/fetch.sh "$work" "$kernel"; done

# Builds a suite and prints its program. With the selection of packages that all tests are built with: with another one cargo
# builds dependencies again.
suite() {
  local program
  # The message names the program that was built.
  program=$(cargo test --workspace --locked --quiet --test "$1" --no-run --message-format=json |
    sed -n "s/.*\"executable\":\"\([^\"]*\/deps\/$1-[^\"]*\)\".*/\1/p" | tail -n 1)
  [ -x "$program" ] || { echo "kernel: cargo did not name the program with the tests of $1" >&2; exit 1; }
  echo "$program"
}

cargo build --workspace --locked --quiet --bin aurochs-engine
kernel_tests=$(suite kernel)
if [ $# -gt 0 ]; then
  parts=("$@")
else
  mapfile -t parts < <("$kernel_tests" --list --ignored --format=terse | sed -n 's/^\([a-z_]*\)::.*/\1/p' | sort -u)
  parts+=(encryption)
fi
programs=("$target/debug/aurochs-engine" "kernel=$kernel_tests")
# As the guest is told: which suite a part is of.
wanted=()
for part in "${parts[@]}"; do
  if [ "$part" != encryption ]; then wanted+=("kernel/$part"); continue; fi
  cargo build --workspace --locked --quiet --bin aurochs
  driver_tests=$(suite driver)
  programs+=("$target/debug/aurochs" "$target/debug/aurochs-csi" "driver=$driver_tests")
  wanted+=(driver/encryption)
done
qemu=$work/unpacked/usr/bin/qemu-system-x86_64
libraries=$work/unpacked/usr/lib/x86_64-linux-gnu:$work/unpacked/lib/x86_64-linux-gnu
limit=$((60 + part_seconds * ${#parts[@]}))

# Runs all parts on a kernel; what they tell goes to the file LOG too.
run_on() {
  local kernel=$1 log=$2
  e2e/kernel/image.sh "$work/unpacked" "$work/kernels/$kernel" "$work" "${programs[@]}"
  local arguments=(
    -accel tcg,thread=multi -cpu max -smp 2 -m 2G -nodefaults -display none -no-reboot -serial stdio
    -L "$work/unpacked/usr/share/qemu" -L "$work/unpacked/usr/share/seabios"
    -kernel "$work/vmlinuz" -initrd "$work/initramfs"
    -drive "file=$work/root.img,format=raw,if=virtio,cache=unsafe"
    -append "console=ttyS0 quiet loglevel=2 panic=-1 aurochs.seconds=$part_seconds aurochs.parts=$(IFS=,; echo "${wanted[*]}")"
  )
  echo "kernel: booting $(basename "$(echo "$work/kernels/$kernel"/lib/modules/*)") ($kernel)"
  LD_LIBRARY_PATH=$libraries timeout -k 5 "$limit" "$qemu" "${arguments[@]}" </dev/null 2>&1 |
    sed -u 's/\r//g' | tee "$log" || true
  rm -f "$work/root.img"
}

# What LOG tells of a part.
outcome_of() {
  local code
  code=$(sed -n "s/^outcome: $1 \([^ ]*\) .*/\1/p" "$2")
  case $code in
    0) echo ok ;;
    "") echo "FAILED (the guest ended before it)" ;;
    *) echo "FAILED ($code)" ;;
  esac
}

summary=() failed=()
for kernel in "${kernels[@]}"; do
  log=$work/console-$kernel.log
  start=$SECONDS
  run_on "$kernel" "$log"
  for part in "${parts[@]}"; do
    outcome=$(outcome_of "$part" "$log")
    summary+=("$(printf '%-10s %s' "$part" "$outcome")")
    [ "$outcome" = ok ] || failed+=("$part on $kernel: the guest's console is in $log")
  done
  summary+=("$((SECONDS - start)) s in the guest with $kernel")
done
echo
printf 'kernel: %s\n' "${summary[@]}"
[ ${#failed[@]} -eq 0 ] || { printf 'failed: %s\n' "${failed[@]}" >&2; exit 1; }
