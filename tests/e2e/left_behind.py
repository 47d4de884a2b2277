#!/usr/bin/env python3
"""Ends a look at a process in the midst of it, and wants nothing left: left_behind.py PROGRAM PID SIGNAL us|target|both.

Nothing: no program, map or link of ours in the kernel, and no byte of the target's code that is not its file's.
"""
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

PATIENCE = 60


def ids_of(pid):
    """{("prog"|"map"|"link", id)} that the process holds, as its descriptors tell."""
    found = set()
    for name in os.listdir(f"/proc/{pid}/fdinfo"):
        try:
            with open(f"/proc/{pid}/fdinfo/{name}") as info:
                text = info.read()
        except OSError:
            continue
        for kind, number in re.findall(r"^(prog|map|link)_id:\s*(\d+)$", text, re.M):
            found.add((kind, int(number)))
    return found


def still_there(ids):
    return {(kind, number) for kind, number in ids
            if subprocess.run(["bpftool", kind, "show", "id", str(number)], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL).returncode == 0}


def patched(pid):
    """How many bytes of the target's own code are not what its file says."""
    count = 0
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb") as memory, open(f"/proc/{pid}/exe", "rb") as exe:
        path = os.readlink(f"/proc/{pid}/exe")
        for line in maps:
            words = line.split(maxsplit=5)
            if len(words) < 6 or "x" not in words[1] or words[5].strip() != path:
                continue
            start, end = (int(word, 16) for word in words[0].split("-"))
            memory.seek(start)
            exe.seek(int(words[2], 16))
            ours, file = memory.read(end - start), exe.read(end - start)
            count += sum(a != b for a, b in zip(ours, file)) if ours[:len(file)] != file else 0
    return count


def main():
    program, target, number, whom = sys.argv[1], int(sys.argv[2]), getattr(signal, "SIG" + sys.argv[3]), sys.argv[4]
    errors = tempfile.TemporaryFile()
    ours = subprocess.Popen([program, "attach", str(target), "--for", "120s", "--json", "--scale", "0.1"], stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=errors)
    deadline = time.monotonic() + PATIENCE
    while b"attached" not in os.pread(errors.fileno(), 65536, 0):
        if ours.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"not attached: {os.pread(errors.fileno(), 65536, 0).decode()}")
        time.sleep(0.05)
    while patched(target) == 0 and time.monotonic() < deadline and "--probed" in sys.argv:
        time.sleep(0.2)
    during = patched(target)
    ids = ids_of(ours.pid)
    kinds = {kind: sum(one == kind for one, _ in ids) for kind in ("prog", "map", "link")}
    print(f"attached: {kinds}, {during} bytes of code patched", flush=True)
    if "--probed" in sys.argv and during == 0:
        sys.exit("no probe was put there")
    if not kinds["prog"] or not kinds["map"] or not kinds["link"]:
        sys.exit("our own descriptors tell of no programs")
    for pid in {"us": [ours.pid], "target": [target], "both": [target, ours.pid]}[whom]:
        os.kill(pid, number)
    ours.wait(PATIENCE)
    deadline = time.monotonic() + PATIENCE
    while (left := still_there(ids)) and time.monotonic() < deadline:
        time.sleep(0.2)
    if left:
        sys.exit(f"left in the kernel: {sorted(left)}")
    if whom == "us":
        if after := patched(target):
            sys.exit(f"{after} bytes of the target's code are still patched")
        os.kill(target, 0)
    print("nothing is left")


if __name__ == "__main__":
    main()
