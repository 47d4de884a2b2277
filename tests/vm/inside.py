"""In the machine of scripts/vm: runs what stands in /runs, a line a runner with its arguments, and says how many passed and failed."""
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, "/tests/e2e")
import counts  # noqa: E402

SLOW = "15"  # software emulation
RUNNERS = {
    "clock": ["/tests/vm/clock.py"],
    # The policy's times grow less than the deadlines: the services keep their pace.
    "e2e": ["/tests/e2e/run.py", "--slow", SLOW, "--window", "30", "--scale", "0.2"],
    "exact": ["/tests/exact/run.py", "--slow", SLOW],
}


def stage(name, arguments):
    """(passed, failed) of one runner, whose output goes on to ours."""
    began = time.monotonic()
    running = subprocess.Popen([sys.executable, "-B", "-u", *RUNNERS[name], *arguments], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    said = []
    for line in running.stdout:
        said.append(line)
        print(f"{name}: {line}", end="", flush=True)
    status = running.wait()
    passed, failed = counts.counts("".join(said))
    print(f"vm: {name} ended with {status} after {time.monotonic() - began:.0f} s: {passed} passed, {failed} failed", flush=True)
    # A runner that counted nothing did not run.
    return passed, max(failed, int(status != 0 or passed + failed == 0))


def main():
    os.environ["UNCLOSED_E2E_WITHIN_REACH"] = "1"
    passed = failed = 0
    for line in pathlib.Path("/runs").read_text().splitlines():
        name, *arguments = line.split("\t")
        ok, wrong = stage(name, arguments)
        passed, failed = passed + ok, failed + wrong
    # The machine keeps nothing: what failing cases left is said.
    for path in sorted(pathlib.Path("/build/e2e").glob("*/*")):
        for line in path.read_text(errors="replace").splitlines()[:200]:
            print(f"{path.relative_to('/build/e2e')}: {line}")
    print(f"vm: in all {passed} passed, {failed} failed", flush=True)


main()
