"""What a Go server with a connection for each request keeps of its throughput while `run` without privileges answers for its
calls, with the stacks that the budget allows and with every stack, beside strace. Interleaved rounds; nothing is pinned, and the
clients share the machine. The ratio of throughputs has the bar; the CPU time of a connection says where it goes."""
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
                with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as file:
                    self.pids = [self.process.pid, *map(int, file.read().split())]
                return self
        raise RuntimeError(f"{self.command[0]} did not begin")

    def visit(self, visits, seconds, clients):
        """Connections per second, and the CPU time of one in µs: of server, client and whatever stands between."""
        before = sum(map(cost.cpu_of, self.pids))
        said = subprocess.run([visits, self.port, str(seconds), "0", str(clients)], stdout=subprocess.PIPE, text=True, check=True)
        _, answered, _, failed, _, client = said.stdout.split()
        used = sum(map(cost.cpu_of, self.pids)) - before + int(client) / 1e9
        if int(failed) > int(answered) / 100:
            raise RuntimeError(f"{failed} visits failed beside {answered}")
        return int(answered) / seconds, used / int(answered) * 1e6

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
            "every": [program, "run", "-q", "--json", "-o", report, "--budget", "off", "--", server],
            "strace": ["strace", "-f", "-qq", "-e", "trace=network,desc", "-o", "/dev/null", server],
        }
        rates, used = ({name: [] for name in commands} for _ in range(2))
        for number in range(rounds):
            names = [name for name in commands if name != "strace" or number < 5]   # it is far away
            for name in random.sample(names, len(names)):
                with Served(commands[name]) as served:
                    served.visit(tools["visits"], 0.5, clients)
                    rate, each = served.visit(tools["visits"], seconds, clients)
                    rates[name].append(rate)
                    used[name].append(each)
                    time.sleep(0.1)
        with open(report, encoding="utf-8") as file:
            coverage = json.load(file)
    if coverage["rung"] != "seccomp":
        raise RuntimeError(f"the rung was {coverage['rung']}")

    def kept_of(name):
        return cost.median_with_interval([after / before for before, after in zip(rates["untraced"], rates[name])])

    plain, cpu = (cost.median_with_interval(of["untraced"])[0] for of in (rates, used))
    beside = f"control {kept_of('control')[0]:.3f}; strace {kept_of('strace')[0]:.2f}"
    for name, stacks in (("seccomp", "stacks within the budget"), ("every", "every stack")):
        middle, low, high = kept_of(name)
        each = cost.median_with_interval(used[name])[0]
        yield measure(f"throughput of a Go server under run without privileges, {stacks} / untraced ({plain:.0f} connections/s, "
                      f"{clients} clients; CPU {each:.0f} against {cpu:.0f} µs a connection) [95 % {low:.3f} to {high:.3f}; {beside}]",
                      round(middle, 3), "≥ 0.75", middle >= 0.75, "strace -f -e trace=network,desc", round(kept_of("strace")[0], 3))
