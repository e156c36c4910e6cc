#!/usr/bin/env python3
"""Runs the workspace's test programs, several at a time, and prints each one's output when it ends.

Most of them wait for processes and disks half of their time, and cargo runs one after the other. Usage:

    run-suites.py [--at-once N] [--without PACKAGE]... -- CARGO_ARGUMENTS...

`cargo test CARGO_ARGUMENTS --no-run` says which programs there are. Each runs as cargo would run it, in its package's
directory. Those that wait longest begin first. Exit code 1 if any failed; their output is printed last, once more named.
"""

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

# What takes longest, by far; the rest in cargo's order.
FIRST = ["installed", "crashes", "histories", "driver", "instant_restore", "crash_points", "cli", "api"]
# Those whose tests mostly wait, for processes and for minutes of the clock: more of them at once than processors.
WAITING = {"installed", "driver", "cli", "api"}
# A suite that hangs is killed and shown; the longest takes six minutes alone.
PATIENCE_SECONDS = 25 * 60


def programs(cargo_arguments, without):
    """(name, program, directory of the package) of every test program."""
    command = ["cargo", "test", *cargo_arguments, "--no-run", "--message-format", "json"]
    built = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if built.returncode != 0:
        sys.exit(built.returncode)
    found = []
    for line in built.stdout.splitlines():
        message = json.loads(line) if line.startswith("{") else {}
        if message.get("reason") != "compiler-artifact" or not message.get("executable"):
            continue
        if not message["profile"]["test"]:
            continue
        directory = os.path.dirname(message["manifest_path"])
        package = message["package_id"].rsplit("/", 1)[-1].split("#")[-1].split("@")[0]
        if os.path.basename(directory) in without or package in without:
            continue
        found.append((message["target"]["name"], message["executable"], directory))
    rank = {name: place for place, name in enumerate(FIRST)}
    return sorted(found, key=lambda suite: rank.get(suite[0], len(FIRST)))


def compiler_libraries():
    """Where the compiler's own libraries lie: tests of derive macros are linked with them."""
    printed = ["rustc", "--print", "target-libdir"]
    return subprocess.run(printed, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def run(suite, libraries, said):
    name, program, directory = suite
    start = time.monotonic()
    environment = dict(os.environ, CARGO_MANIFEST_DIR=directory)
    inherited = [path for path in [os.environ.get("LD_LIBRARY_PATH")] if path]
    environment["LD_LIBRARY_PATH"] = ":".join([libraries, *inherited])
    if name in WAITING:
        environment.setdefault("RUST_TEST_THREADS", str(2 * (os.cpu_count() or 1)))
    process = subprocess.Popen(
        [program, "--quiet"], cwd=directory, env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
    )
    try:
        output, _ = process.communicate(timeout=PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
        output += f"\nerror: {name} was still running after {PATIENCE_SECONDS // 60} minutes and was killed\n"
    failed = process.returncode != 0
    with said:
        where = os.path.relpath(directory)
        outcome = f"FAILED ({process.returncode})" if failed else "ok"
        print(f"{where}: {name} {time.monotonic() - start:.0f} s {outcome}", flush=True)
        lines = output.splitlines()
        shown = lines if failed else [line for line in lines if line.startswith("test result")]
        print("\n".join(shown), flush=True)
    return f"error: tests failed in {where}: {name}" if failed else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--at-once", type=int, default=2)
    parser.add_argument("--without", action="append", default=[], help="package directory whose tests are left out")
    parser.add_argument("cargo", nargs="*", help="arguments of cargo test")
    arguments = parser.parse_args()
    suites = programs(arguments.cargo, set(arguments.without))
    libraries, said = compiler_libraries(), threading.Lock()
    with ThreadPoolExecutor(arguments.at_once) as pool:
        failures = [failure for failure in pool.map(lambda suite: run(suite, libraries, said), suites) if failure]
    print("\n".join(failures) or f"{len(suites)} suites passed", flush=True)
    sys.exit(1 if failures else 0)


main()
