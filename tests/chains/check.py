#!/usr/bin/env python3
"""Compares whole chains of calls, inlined ones included, with the truth: the program's own runtime.Callers for Go,
gdb at the caught system call of a like run for native code. Prints a row a program and fails below 99 %.

usage: check.py UNCLOSED PROGRAM…    with PROGRAM = go:PATH | native:PATH | python:SCRIPT
"""
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BAR = 0.99


def observe(tool, command, workdir):
    """The chains as the tool saw them, {fd: [(function, line, module)]}, and which numbers were open at the end."""
    out = os.path.join(workdir, "report.json")
    with open(out, "wb") as report, open(os.path.join(workdir, "program.out"), "wb") as program_out:
        process = subprocess.Popen([tool, "run", "--json", "--all-connections", "-o", out, "--", *command],
                                   stdout=program_out, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 60
        while b"ready" not in open(program_out.name, "rb").read():
            if time.monotonic() > deadline or process.poll() is not None:
                raise SystemExit(f"{command}: did not become ready: {process.stderr.read().decode()}")
            time.sleep(0.1)
        time.sleep(2.5)
        child = int(open(f"/proc/{process.pid}/task/{process.pid}/children", encoding="utf-8").read().split()[0])
        still_open = {int(fd) for fd in os.listdir(f"/proc/{child}/fd")} - {0, 1, 2}
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        report.close()
    data = json.load(open(out, encoding="utf-8"))
    chains = {}
    for group in data["groups"]:
        for connection in group["connections"]:
            index = connection["stacks"].get("opened")
            if index is not None:
                chains[connection["fd"]] = [(f["function"], f["line"], f["module"]) for f in data["stacks"][index]]
    return chains, still_open


def plain(name):
    """A function's name without parameters, template arguments and return type, as both sides may write it."""
    name = re.sub(r"\[abi:\w+\]", "", name)
    while True:
        shorter = re.sub(r"<[^<>]*>", "", name.replace("operator()", "operator_call").replace("->", ""))
        if shorter == name:
            break
        name = shorter
    name = re.sub(r"\(anonymous namespace\)", "{anonymous}", name)
    name = re.sub(r"\{lambda\([^{}]*\)(#\d+)?\}", "{lambda}", name)
    name = re.split(r"\((?!anonymous)", name)[0].strip()
    return name.split(" ")[-1]


def go_truth(path):
    truth = {}
    for line in open(path, encoding="utf-8"):
        fd, *chain = line.split()
        truth[int(fd)] = [tuple(entry.rsplit(":", 1)) for entry in chain]
    return truth


def check_go(tool, program, workdir):
    path = os.path.join(workdir, "truth")
    seen, _ = observe(tool, [program, path], workdir)
    truth = go_truth(path)
    right = 0
    wrong = []
    for fd, chain in truth.items():
        want = [f"{name}:{line}" for name, line in chain if name != "runtime.goexit"]
        got = [f"{name}:{line}" for name, line, _ in seen.get(fd, []) if name != "runtime.goexit"]
        # The program notes the chain from its own line outwards; the tool also saw what that line called.
        if want and got[-len(want):] == want:
            right += 1
        else:
            wrong.append((fd, want, got))
    return right, len(truth), wrong


def gdb_truth(command, workdir):
    path = os.path.join(workdir, "truth")
    script = os.path.join(workdir, "truth.py")
    with open(script, "w", encoding="utf-8") as out:
        out.write(f"OUT = {path!r}\nexec(open({os.path.join(HERE, 'gdb_chains.py')!r}).read())\n")
    environment = {**os.environ, "DEBUGINFOD_URLS": ""}
    subprocess.run(["gdb", "-q", "-nx", "-batch", "-x", script, "--args", *command], env=environment, timeout=600,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    truth = {}
    for line in open(path, encoding="utf-8"):
        fd, *chain = line.rstrip("\n").split("\t")
        truth[int(fd)] = [tuple(entry.rsplit("@", 1)) for entry in chain]
    return truth


def last_part(name):
    """The last part of a qualified name, with what differs between two right answers taken off: symbols of one address
    have several names (open, open64, __libc_open64), clones have suffixes, a lambda's function is its operator()."""
    part = plain(name).split("::")[-1]
    if part in ("operator_call", "{lambda}"):
        return "{lambda}"
    part = re.sub(r"\.(constprop|isra|part|cold|lto_priv)(\.\d+)*", "", part)
    part = re.sub(r"^(__GI_+|__libc_|_IO_new_|_IO_|IO_new_|IO_|_+)+", "", part)
    return re.sub(r"(64|_impl)$", "", part)


def same_native(want, got):
    """Every frame's function; its line too where both sides know one. Frames that gdb cannot name match anything."""
    if len(want) != len(got):
        return False
    for (want_name, want_line), (got_name, got_line, _) in zip(want, got):
        if want_name != "?" and last_part(want_name) != last_part(got_name):
            return False
        if want_line != "0" and got_line and int(want_line) != got_line:
            return False
    return True


def check_native(tool, command, workdir):
    truth = gdb_truth(command, workdir)
    seen, still_open = observe(tool, command, workdir)
    right = 0
    wrong = []
    total = 0
    for fd in sorted(still_open):
        total += 1
        want = truth.get(fd, [])
        got = seen.get(fd, [])
        # gdb shows the signal trampoline as a frame of its own kind, without a name.
        if same_native([w for w in want if w[0] != "<signal handler called>"], got):
            right += 1
        else:
            wrong.append((fd, [f"{n}:{line}" for n, line in want], [f"{n}:{line}" for n, line, _ in got]))
    return right, total, wrong


def main():
    tool, *programs = sys.argv[1:]
    failed = 0
    for program in programs:
        kind, path = program.split(":", 1)
        with tempfile.TemporaryDirectory() as workdir:
            if kind == "go":
                right, total, wrong = check_go(tool, path, workdir)
            elif kind == "native":
                right, total, wrong = check_native(tool, [path], workdir)
            else:
                right, total, wrong = check_native(tool, ["/usr/bin/python3", path], workdir)
        share = right / total if total else 0
        holds = total >= 15 and share >= BAR
        failed += not holds
        print(f"{'ok ' if holds else 'BAD'} {kind:7} {os.path.basename(path):20} {right}/{total} chains ({share:.1%})", flush=True)
        for fd, want, got in wrong[:3]:
            print(f"    fd {fd}\n      want {want}\n      got  {got}")
    print(f"{len(programs) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
