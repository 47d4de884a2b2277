"""What a Go server with a connection for each request keeps of its throughput while `run` without privileges answers for its
calls, beside strace. Interleaved rounds; nothing is pinned, and the clients share the machine."""
import json
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time

import cost

NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
CLIENTS = 8


class Served:
    """The server, started under a command, and visited."""

    def __init__(self, command):
        self.command = command

    def __enter__(self):
        self.process = subprocess.Popen([*NOBODY, *self.command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        text=True, start_new_session=True)
        for line in self.process.stdout:
            if found := re.match(r"ready (\d+)", line):
                self.port = found[1]
                return self
        raise RuntimeError(f"{self.command[0]} did not begin")

    def visit(self, visits, seconds, clients):
        said = subprocess.run([visits, self.port, str(seconds), "0", str(clients)], stdout=subprocess.PIPE, text=True, check=True)
        _, answered, _, failed, *_ = said.stdout.split()
        if int(failed) > int(answered) / 100:
            raise RuntimeError(f"{failed} visits failed beside {answered}")
        return int(answered) / seconds

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)   # `run` writes its report, and the service ends with it
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.process.stdout.close()


def kept(tools, measure, rounds, seconds, clients=CLIENTS):
    with tempfile.TemporaryDirectory(prefix="unclosed-bench-") as folder:
        os.chmod(folder, 0o755)
        report = os.path.join(folder, "out", "report.json")
        os.mkdir(os.path.dirname(report))
        os.chmod(os.path.dirname(report), 0o777)
        program, server = (shutil.copy(tools[name], folder) for name in ("unclosed", "shortweb"))
        commands = {
            "untraced": [server],
            "control": [server],
            "seccomp": [program, "run", "-q", "--json", "-o", report, "--", server],
            "strace": ["strace", "-f", "-qq", "-e", "trace=network,desc", "-o", "/dev/null", server],
        }
        rates = {name: [] for name in commands}
        for number in range(rounds):
            names = [name for name in commands if name != "strace" or number < 5]   # it is far away
            for name in random.sample(names, len(names)):
                with Served(commands[name]) as served:
                    served.visit(tools["visits"], 0.5, clients)
                    rates[name].append(served.visit(tools["visits"], seconds, clients))
                    time.sleep(0.1)
        with open(report, encoding="utf-8") as file:
            coverage = json.load(file)
    if coverage["rung"] != "seccomp":
        raise RuntimeError(f"the rung was {coverage['rung']}")
    control = cost.median_with_interval([b / a for a, b in zip(rates["untraced"], rates["control"])])[0]
    middle, low, high = cost.median_with_interval([b / a for a, b in zip(rates["untraced"], rates["seccomp"])])
    theirs = cost.median_with_interval([b / a for a, b in zip(rates["untraced"], rates["strace"])])[0]
    plain = cost.median_with_interval(rates["untraced"])[0]
    yield measure(f"throughput of a Go server under run without privileges / untraced ({plain:.0f} connections/s, {clients} clients) "
                  f"[95 % {low:.3f} to {high:.3f}; control {control:.3f}; strace {theirs:.2f}]",
                  round(middle, 3), "≥ 0.75", middle >= 0.75, "strace -f -e trace=network,desc", round(theirs, 3))
