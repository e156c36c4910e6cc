# Runs in the guest as its first process: the parts that the kernel's command line names, one after another. Tells the
# outcome of each on the console, in lines that scripts/test-kernel.sh looks for, and switches the guest off.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root RUST_BACKTRACE=1
/bin/busybox --install -s /bin 2>/dev/null
mount -t devtmpfs devtmpfs /dev
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
mkdir -p /run/lock /dev/longhorn
ip link set lo up
cd /root || exit

value() { tr ' ' '\n' </proc/cmdline | sed -n "s/^$1=//p"; }
seconds=$(value aurochs.seconds)

# Each is SUITE/MODULE.
for wanted in $(value aurochs.parts | tr , ' '); do
  part=${wanted#*/}
  echo "== $part"
  dmesg -c >/dev/null
  # No pipe: a process that hangs in the kernel would keep it open, and with it this script.
  : >/tmp/output
  tail -f /tmp/output &
  shown=$!
  timeout -k 5 "$seconds" "/tests/${wanted%/*}" --ignored --test-threads=1 "$part::" >/tmp/output 2>&1
  code=$?
  sleep 1
  kill $shown
  # A name that no test has is no success.
  grep -q 'ok\. [1-9][0-9]* passed' /tmp/output || [ $code != 0 ] || code=no-test
  [ "$code" != 124 ] || echo "it did not end within $seconds s"
  if [ "$code" != 0 ]; then
    echo "-- the kernel's log"
    dmesg | tail -n 60
    for log in /var/tmp/kept/*; do
      [ ! -e "$log" ] || { echo "-- $log"; tail -n 30 "$log"; }
    done
  fi
  echo "outcome: $part $code $(cut -d' ' -f1 /proc/uptime)"
  rm -rf /var/tmp/*
done
sync
poweroff -f
