"""What watching costs: CPU per connection beside an untraced control and beside other tools, and the run time of our
programs in the kernel by the kernel's own statistics."""
import contextlib
import json
import os
import random
import re
import subprocess
import tempfile
import time

STATS = "/proc/sys/kernel/bpf_stats_enabled"
NGINX = """worker_processes 1; daemon off; pid {0}/pid; error_log {0}/error.log;
events {{ worker_connections 1024; }}
http {{ access_log off; keepalive_timeout 0; client_body_temp_path {0}/a; proxy_temp_path {0}/b; fastcgi_temp_path {0}/c;
  uwsgi_temp_path {0}/d; scgi_temp_path {0}/e;
  server {{ listen 127.0.0.1:{1}; location / {{ return 200 "ok\\n"; }} }} }}
"""


def cpu_of(pid):
    """CPU time of another process, all its threads, in seconds: its CLOCK_PROCESS_CPUTIME (man 3 clock_getcpuclockid)."""
    return time.clock_gettime((~pid << 3) | 2)


class Server:
    """A server pinned to the first CPU; `pids` are its processes."""

    def __init__(self, kind, tools):
        self.kind = kind
        self.tools = tools

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        if self.kind == "go":
            self.process = subprocess.Popen(["taskset", "-c", "0", self.tools["shortweb"]], stdout=subprocess.PIPE, text=True)
            self.port = int(self.process.stdout.readline().split()[1])
            self.pids = [self.process.pid]
            return self
        self.port = 18080
        os.chmod(self.folder.name, 0o755)
        path = os.path.join(self.folder.name, "nginx.conf")
        with open(path, "w", encoding="ascii") as out:
            out.write(NGINX.format(self.folder.name, self.port))
        self.process = subprocess.Popen(["taskset", "-c", "0", "nginx", "-c", path], stderr=subprocess.DEVNULL)
        time.sleep(1)
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as file:
            self.pids = [self.process.pid, *map(int, file.read().split())]
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()

    def visit(self, seconds, rate=None):
        """CPU seconds per connection, server and client together, and connections per second."""
        before = sum(map(cpu_of, self.pids))
        command = ["taskset", "-c", "1", self.tools["visits"], str(self.port), str(seconds), *([str(rate)] if rate else [])]
        words = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
        visits, client = int(words[1]), int(words[5]) / 1e9
        return (sum(map(cpu_of, self.pids)) - before + client) / visits, visits / seconds, visits


class Watcher:
    """Something that watches the server while this lives."""

    def __init__(self, command, ready=None):
        self.command, self.ready = command, ready

    def __enter__(self):
        if self.command is None:
            return self
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True)
        if self.ready is None:
            time.sleep(3)
            return self
        for line in self.process.stderr:
            if self.ready in line:
                return self
        raise RuntimeError(f"{self.command[0]} did not begin")

    def cpu(self):
        return cpu_of(self.process.pid) if self.command else 0

    def __exit__(self, *_):
        if self.command is None:
            return
        self.process.send_signal(2)
        self.process.communicate(timeout=60)


def median_with_interval(values):
    """The median and its 95 % interval by order statistics (binomial): ranks n/2 ± 0.98 √n."""
    values = sorted(values)
    count = len(values)
    reach = 0.98 * count ** 0.5
    low, high = max(0, int(count / 2 - reach)), min(count - 1, int(count / 2 + reach))
    return values[count // 2], values[low], values[high]


@contextlib.contextmanager
def statistics():
    with open(STATS, encoding="ascii") as file:
        before = file.read()
    with open(STATS, "w", encoding="ascii") as file:
        file.write("1")
    try:
        yield
    finally:
        with open(STATS, "w", encoding="ascii") as file:
            file.write(before)


def programs_of(pid):
    """Run time in ns and runs of each BPF program that a process holds, by name; those of one name are added."""
    ids = set()
    for entry in os.listdir(f"/proc/{pid}/fdinfo"):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/fdinfo/{entry}", encoding="ascii") as file:
            found = re.search(r"^prog_id:\s*(\d+)", file.read(), re.M)
            if found:
                ids.add(int(found[1]))
    listed = json.loads(subprocess.run(["bpftool", "prog", "show", "--json"], stdout=subprocess.PIPE, check=True).stdout)
    sums = {}
    for program in listed:
        if program["id"] in ids:
            time_ns, runs = sums.get(program.get("name"), (0, 0))
            sums[program.get("name")] = (time_ns + program.get("run_time_ns", 0), runs + program.get("run_cnt", 0))
    return sums


def difference(after, before):
    return {name: (after[name][0] - before.get(name, (0, 0))[0], after[name][1] - before.get(name, (0, 0))[1])
            for name in after}


def ours(tool, pids, *options):
    return Watcher([tool, "attach", *map(str, pids), "--for", "600", "--json", "-o", "/dev/null", *options], "attached")


# A port that was used a moment ago is passed over when the next is chosen: every visit comes after the same pause.
SETTLE = 1.2


def ratios(kind, tools, measure, rounds, seconds):
    """Interleaved rounds in random order; each ratio is untraced / watched of its own round: server and client, and the
    same with the watcher's own process."""
    results = {"control": [], "default": [], "off": [], "strace": [], "bpftrace": []}
    whole = {name: [] for name in results}
    throughput = {name: [] for name in results}
    with Server(kind, tools) as server:
        watchers = {
            "plain": lambda: Watcher(None),
            "control": lambda: Watcher(None),
            "default": lambda: ours(tools["unclosed"], server.pids),
            "off": lambda: ours(tools["unclosed"], server.pids, "--budget", "off"),
            "strace": lambda: Watcher(["strace", "-f", "-qq", "-e", "trace=network,desc", "-o", "/dev/null",
                                       *[word for pid in server.pids for word in ("-p", str(pid))]]),
            "bpftrace": lambda: Watcher(["bpftrace", tools["same.bt"], str(server.pids[-1])]),
        }
        server.visit(seconds)
        for number in range(rounds):
            # The slow ones need fewer rounds: they are far away.
            names = [name for name in watchers if number < 5 or name not in ("strace", "bpftrace")]
            used, with_own, rates = {}, {}, {}
            for name in random.sample(names, len(names)):
                with watchers[name]() as watcher:
                    time.sleep(SETTLE)
                    before = watcher.cpu()
                    used[name], rates[name], visits = server.visit(seconds)
                    with_own[name] = used[name] + (watcher.cpu() - before) / visits
            for name in used.keys() - {"plain"}:
                results[name].append(used["plain"] / used[name])
                whole[name].append(used["plain"] / with_own[name])
                throughput[name].append(rates[name] / rates["plain"])
    control = median_with_interval(results["control"])[0]
    peers = {name: median_with_interval(whole[name])[0] / control for name in ("strace", "bpftrace")}
    for name, bar, label in (("default", 0.96, "default budget"), ("off", 0.92, "every stack")):
        middle, low, high = (value / control for value in median_with_interval(results[name]))
        own = median_with_interval(whole[name])[0] / control
        flow = median_with_interval(throughput[name])[0] / median_with_interval(throughput["control"])[0]
        yield measure(f"{kind}: CPU per connection untraced / watched, {label} [95 % {low:.3f} to {high:.3f}; "
                      f"control {control:.3f}; with our own process {own:.3f}; throughput {flow:.3f}; bpftrace with its own "
                      f"{peers['bpftrace']:.2f}, strace with its own {peers['strace']:.2f}]",
                      round(middle, 3), f"to {bar}", high >= bar, peer="strace, with its own process", theirs=round(peers["strace"], 3))


def hook_sets(kind, tools, measure, rounds, seconds):
    """Tracepoints of sockets against exits of system calls, in interleaved rounds."""
    sets = ("sockets", "syscalls")
    results = {name: [] for name in ("control", *sets)}
    with Server(kind, tools) as server:
        server.visit(seconds)
        for _ in range(rounds):
            for name in random.sample(sorted(results), len(results)):
                plain, _, _ = server.visit(seconds)
                command = [tools["hooksets"], str(server.pids[-1]), name] if name in sets else None
                with Watcher(command, "attached"):
                    watched, _, _ = server.visit(seconds)
                results[name].append(plain / watched)
    control = median_with_interval(results["control"])[0]
    taken, other = (median_with_interval(results[name])[0] / control for name in sets)
    yield measure(f"{kind}: CPU per connection untraced / watched, every stack: socket hooks taken, beside system calls",
                  round(taken, 3), "best", taken >= other - 0.01, peer="hooks on system calls", theirs=round(other, 3))


def run_time(kind, tools, measure, seconds):
    """Of our own programs, on that load."""
    with Server(kind, tools) as server, ours(tools["unclosed"], server.pids, "--budget", "off") as watcher:
        with statistics():
            before = programs_of(watcher.process.pid)
            _, _, visits = server.visit(seconds)
            full = sum(entry[0] for entry in difference(programs_of(watcher.process.pid), before).values())
            before = programs_of(watcher.process.pid)
            server.visit(seconds, 500)
            slow = sum(entry[0] for entry in difference(programs_of(watcher.process.pid), before).values())
    each = full / visits / 1000
    yield measure(f"{kind}: run time of our programs per connection, every stack, µs", round(each, 2), "≤ 6", each <= 6)
    share = slow / seconds / 1e9 * 100
    yield measure(f"{kind}: run time of our programs at 500 connections/s, % of a core", round(share, 3), "≤ 0.5", share <= 0.5)


class Ops:
    """One of the programs ops, ready to begin."""

    def __init__(self, program, what, times):
        self.process = subprocess.Popen(["taskset", "-c", "0", program, what, str(times)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def go(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        said = ""
        for line in self.process.stdout:
            if line == "done\n":
                return said
            said += line
        raise RuntimeError("ops ended")


def each_run(tool, program, what, times, *options, target=None):
    """ns of one run of each of our programs while `program` does `what`."""
    with Ops(program, what, times) as ops, ours(tool, [target or ops.process.pid], *options) as watcher, statistics():
        before = programs_of(watcher.process.pid)
        ops.go()
        spent = difference(programs_of(watcher.process.pid), before)
    return {name: time_ns / runs for name, (time_ns, runs) in spent.items() if runs > times // 4}


def hooks(tools, measure, times=200000):
    tool = tools["unclosed"]
    for program, label, opening, sending in (("opsgo", "frame pointers", 3, 2.5), ("ops", "tables", 4, 3.5)):
        each = each_run(tool, tools[program], "open", times, "--budget", "off")["on_open_exit"] / 1000
        yield measure(f"opening with its stack, {label}, µs", round(each, 2), f"≤ {opening}", each <= opening)
        each = each_run(tool, tools[program], "request", times, "--budget", "off")["on_send"] / 1000
        yield measure(f"request with its stack, {label}, µs", round(each, 2), f"≤ {sending}", each <= sending)
    # So small a budget that nearly every stack is left out.
    each = each_run(tool, tools["ops"], "open", times, "--budget", "0.001%")["on_close_enter"] / 1000
    yield measure("close of a tracked descriptor, without a stack, µs", round(each, 2), "≤ 0.7", each <= 0.7)
    each = each_run(tool, tools["ops"], "request", times, "--budget", "0.001%")["on_receive"] / 1000
    yield measure("receive, without a stack, µs", round(each, 2), "≤ 0.5", each <= 0.5)
    with Ops(tools["ops"], "open", 1) as idle:
        each = each_run(tool, tools["ops"], "open", times, target=idle.process.pid)["on_close_enter"] / 1000
        yield measure("close of an untracked descriptor, µs", round(each, 2), "≤ 0.2", each <= 0.2)
        yield tax(tools, measure, idle.process.pid)


def tax(tools, measure, target, times=3000000, rounds=7):
    def each():
        with Ops(tools["ops"], "syscall", times) as ops:
            return float(ops.go().split()[1])
    differences = []
    for _ in range(rounds):
        plain = each()
        with ours(tools["unclosed"], [target]):
            differences.append(each() - plain)
    middle, low, high = median_with_interval(differences)
    return measure(f"tax on a system call of somebody else, ns [{low:.0f} to {high:.0f}]", round(middle, 1), "≤ 100", middle <= 100)
