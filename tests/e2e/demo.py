#!/usr/bin/env python3
"""Starts the leaking service go-ledger on a PostgreSQL of its own, and shows what unclosed says about it."""
import json
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import time

import expectation
import servers

ROOT = pathlib.Path(__file__).resolve().parents[2]


def say(text):
    print(f"\n\033[2m# {text}\033[0m" if sys.stdout.isatty() else f"\n# {text}", flush=True)


def main():
    def end(*_):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    running = servers.Servers()
    service = None
    try:
        say("a private PostgreSQL on loopback")
        address = running.get("postgres").address
        data = json.loads((ROOT / "victims/go-ledger/expect.json").read_text())
        command = [str(ROOT / "build/victims/go-ledger")]
        command += [expectation.fill(argument, running.values()) for argument in data["arguments"]]
        say(f"the service: {shlex.join(command)}")
        service = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
        time.sleep(6)
        held = len(os.listdir(f"/proc/{service.pid}/fd"))
        say(f"it has leaked for some seconds: {held} descriptors are open, most of them connections to {address}")
        options = sys.argv[1:] or ["--for", "40s"]
        attach = [str(ROOT / "build/release/unclosed"), "attach", str(service.pid), *options]
        say(shlex.join(["unclosed", *attach[1:]]))
        return subprocess.run(attach).returncode
    except KeyboardInterrupt:
        return 130
    finally:
        if service:
            servers.stop_process(service)
        running.stop()


if __name__ == "__main__":
    sys.exit(main())
