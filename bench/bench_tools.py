"""What the measures share: how programs and inputs are made, commands timed, and a figure told."""
import json
import os
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOOL = os.path.join(ROOT, "build/release/unclosed")
WORK = os.path.join(ROOT, "build/bench")


def sh(*command, **options):
    return subprocess.run(command, check=True, **options)


def native(name, *flags):
    """A program of this folder, built once for each version of its source."""
    source = os.path.join(ROOT, "bench", name + ".cc")
    program = os.path.join(WORK, name)
    if not os.path.exists(program) or os.path.getmtime(program) < os.path.getmtime(source):
        sh("g++", "-std=c++20", "-O2", "-g", *flags, source, "-o", program)
    return program


def go_environment(**further):
    path = os.environ["PATH"] + ":/usr/local/go/bin:" + os.path.join(ROOT, "build/victims/go/bin")
    return {**os.environ, "CGO_ENABLED": "0", "PATH": path, **further}


def go(directory, program, *flags, environment=None):
    sh("go", "build", *flags, "-o", program, ".", cwd=directory, env=go_environment(**(environment or {})))
    return program


def measure(name, ours, bar, holds, peer=None, theirs=None):
    ratio = ours / theirs if isinstance(ours, (int, float)) and theirs else None
    return {"measure": name, "ours": ours, "peer": peer, "theirs": theirs,
            "ratio": round(ratio, 3) if ratio is not None else None, "bar": bar, "holds": holds}


def report_of(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def fastest(commands, times=3):
    """The shortest time of each command, taken in turns, so that what else the machine does meets all alike."""
    best = [None] * len(commands)
    for _ in range(times):
        for i, command in enumerate(commands):
            began = time.monotonic()
            subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
            took = time.monotonic() - began
            best[i] = took if best[i] is None else min(best[i], took)
    return best


def made(name, script, *arguments):
    """A large input, made once for each version of what makes it."""
    path, maker = os.path.join(WORK, name), os.path.join(ROOT, "bench", script)
    if not os.path.exists(path) or os.path.getmtime(path) < os.path.getmtime(maker):
        sh(sys.executable, maker, path, *arguments)
    return path


def spent(*command):
    """Wall time, CPU time and largest resident size (MB) of a command."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=go_environment())
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return time.monotonic() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def fastest_of(times, *command):
    return min((spent(*command) for _ in range(times)), key=lambda one: one[0])
