"""The measures behind scripts/bench. Each gives one figure, its bar, and whether it holds."""
import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time

import cost
import throughput

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


# ---- attach ----------------------------------------------------------------------------------------------------------

def big_go_service():
    """A Go service of over 100 MB: much generated code, and embedded data up to that size."""
    program = os.path.join(WORK, "big-service")
    if os.path.exists(program):
        return program
    source = os.path.join(WORK, "big")
    os.makedirs(source, exist_ok=True)
    with open(os.path.join(source, "go.mod"), "w", encoding="utf-8") as out:
        out.write("module example.org/big\n\ngo 1.21\n")
    names = []
    for package in range(60):
        folder = os.path.join(source, f"p{package}")
        os.makedirs(folder, exist_ok=True)
        lines = [f"package p{package}", "", 'import "fmt"', ""]
        for number in range(300):
            lines.append(f"func F{number}(a int) string {{ if a > {number} {{ return fmt.Sprintf(\"{package}-%d\", a) }}; "
                         f"return fmt.Sprint(a*{number}, \"x\") }}")
        lines.append("func All(a int) (s string) {")
        lines += [f"\ts += F{number}(a)" for number in range(300)]
        lines.append("\treturn\n}")
        with open(os.path.join(folder, "code.go"), "w", encoding="utf-8") as out:
            out.write("\n".join(lines) + "\n")
        names.append(f"p{package}")
    with open(os.path.join(source, "data.bin"), "wb") as out:
        for _ in range(90):
            out.write(os.urandom(1 << 20))
    imports = "\n".join(f'\t"example.org/big/{name}"' for name in names)
    calls = "\n".join(f"\tn += len({name}.All(n))" for name in names)
    with open(os.path.join(source, "main.go"), "w", encoding="utf-8") as out:
        out.write(f"""package main

import (
\t_ "embed"
\t"fmt"
\t"net"
\t"net/http"
{imports}
)

//go:embed data.bin
var data []byte

func main() {{
\tn := len(data)
{calls}
\tl, err := net.Listen("tcp", "127.0.0.1:0")
\tif err != nil {{
\t\tpanic(err)
\t}}
\tfmt.Println("ready", n)
\tpanic(http.Serve(l, nil))
}}
""")
    return go(source, program)


def attach():
    service = big_go_service()
    size = os.path.getsize(service) / 1e6
    process = subprocess.Popen([service], stdout=subprocess.PIPE)
    try:
        process.stdout.readline()
        times = []
        for _ in range(5):
            with tempfile.NamedTemporaryFile() as out:
                sh(TOOL, "attach", str(process.pid), "--for", "0.2", "--json", "-o", out.name, stderr=subprocess.DEVNULL)
                times.append(report_of(out.name)["cost"]["attach_seconds"])
        median = sorted(times)[2]
        yield measure(f"attach to a Go binary of {size:.0f} MB, s (median of 5)", median, "≤ 1", median <= 1 and size >= 100)
    finally:
        process.kill()
        process.wait()


# ---- memory ----------------------------------------------------------------------------------------------------------

def memory():
    processes, each = 6, 16700
    crowd = subprocess.Popen([native("crowd"), str(processes), str(each)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             text=True)
    try:
        pids = crowd.stdout.readline().split()[1:]
        with tempfile.NamedTemporaryFile() as out:
            look = subprocess.Popen([TOOL, "attach", *pids, "--for", "120", "--budget", "off", "--json", "-o", out.name],
                                    stderr=subprocess.PIPE, text=True)
            for line in look.stderr:
                if "attached" in line:
                    break
            crowd.stdin.write("go\n")
            crowd.stdin.flush()
            crowd.stdout.readline()
            time.sleep(8)
            look.send_signal(2)
            look.communicate(timeout=120)
            report = report_of(out.name)
    finally:
        crowd.stdin.close()
        crowd.wait(timeout=60)
    total = processes * each
    counted = sum(g["count"] for g in report["groups"] if g["kind"] == "tcp" and (g["sites"]["opened"] or {}).get("line"))
    resident, kernel = report["cost"]["resident_bytes"] / 1e6, report["cost"]["kernel_bytes"] / 1e6
    yield measure(f"of {total} live connections counted by site", counted, f"= {total}", counted == total)
    yield measure(f"resident with {total} live connections, MB", round(resident, 1), "≤ 100", resident <= 100)
    yield measure(f"kernel maps with {total} live connections, MB", round(kernel, 1), "≤ 100", kernel <= 100)


# ---- losses ----------------------------------------------------------------------------------------------------------

def losses(seconds=60):
    with tempfile.NamedTemporaryFile() as out:
        run = subprocess.run([TOOL, "run", "-o", out.name, "--json", "--", native("storm"), str(seconds)],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
        coverage = report_of(out.name)["coverage"]
    pairs = int(re.search(r"pairs (\d+)", run.stdout)[1])
    # The program's loader opens and closes some files of its own.
    off = coverage["opened"] - pairs
    yield measure(f"openings not counted of {pairs} in {seconds} s ({pairs / seconds:.0f}/s)", max(0, -off), "0",
                  0 <= off < 100)
    yield measure("close events lost without being counted", coverage["opened"] - coverage["closed"], "≤ open at the end",
                  0 <= coverage["opened"] - coverage["closed"] <= 20)
    yield measure("close events that found no place (counted, healed by the next scan)", coverage["events_lost"], "counted", True)
    yield measure("drift at the end", coverage["drift"], "0", coverage["drift"] == 0)


# ---- chains ----------------------------------------------------------------------------------------------------------

def chains():
    lines = sh(os.path.join(ROOT, "scripts/chains"), stdout=subprocess.PIPE, text=True).stdout.splitlines()
    for line in lines:
        found = re.match(r"(ok |BAD) (\S+)\s+(\S+)\s+(\d+)/(\d+) chains", line)
        if found:
            share = int(found[4]) / int(found[5])
            yield measure(f"whole chains right, {found[3]} ({found[5]} chains)", round(share, 4), "≥ 0.99", share >= 0.99)


# ---- probe -----------------------------------------------------------------------------------------------------------

def probe(seconds=10):
    program = go(os.path.join(ROOT, "bench/webloop"), os.path.join(WORK, "webloop"))
    stats = "/proc/sys/kernel/bpf_stats_enabled"
    with open(stats, encoding="ascii") as file:
        before = file.read()
    service = subprocess.Popen([program], stdout=subprocess.PIPE)
    look = None
    try:
        service.stdout.readline()
        with tempfile.NamedTemporaryFile() as out:
            look = subprocess.Popen([TOOL, "attach", str(service.pid), "--for", str(seconds), "--json", "-o", out.name, "-q"])
            time.sleep(seconds / 2)
            with open(stats, "w", encoding="ascii") as file:
                file.write("1")
            time.sleep(seconds / 3)
            programs = json.loads(sh("bpftool", "prog", "show", "--json", stdout=subprocess.PIPE).stdout)
            look.wait()
            armed = bool(report_of(out.name)["coverage"]["probes"])
        runs = max((p for p in programs if p.get("name") == "on_handout"), key=lambda p: p.get("run_cnt", 0))
        each = runs["run_time_ns"] / max(1, runs["run_cnt"]) / 1000
        yield measure(f"run time of the borrower probe per request of a Go HTTP client, µs ({runs['run_cnt']} runs)",
                      round(each, 2), "≤ 3", armed and runs["run_cnt"] > 1000 and each <= 3)
    finally:
        with open(stats, "w", encoding="ascii") as file:
            file.write(before)
        service.kill()
        service.wait()
        if look is not None:
            look.wait()


# ---- cost ------------------------------------------------------------------------------------------------------------

def cost_tools():
    return {"unclosed": TOOL, "visits": native("visits", "-pthread"), "ops": native("ops"), "same.bt": os.path.join(ROOT, "bench/same.bt"),
            **{name: go(os.path.join(ROOT, "bench", name), os.path.join(WORK, name)) for name in ("shortweb", "opsgo")}}


def cpu(rounds=21, seconds=3):
    for kind in ("go", "nginx"):
        yield from cost.ratios(kind, cost_tools(), measure, rounds, seconds)


def hooksets(rounds=7, seconds=2):
    tools = {**cost_tools(), "hooksets": os.path.join(ROOT, "build/release/hooksets")}
    for kind in ("go", "nginx"):
        yield from cost.hook_sets(kind, tools, measure, rounds, seconds)


def kernel(seconds=6):
    for kind in ("go", "nginx"):
        yield from cost.run_time(kind, cost_tools(), measure, seconds)
    yield from cost.hooks(cost_tools(), measure)


def seccomp(rounds=15, seconds=1):
    tools = {"unclosed": TOOL, "visits": native("visits", "-pthread"),
             "shortweb": go(os.path.join(ROOT, "bench/shortweb"), os.path.join(WORK, "shortweb"))}
    yield from throughput.kept(tools, measure, rounds, seconds)


# ---- ls --------------------------------------------------------------------------------------------------------------

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


def ls():
    servers, each = 3, 17000
    floor = native("listing_floor", "-pthread")
    crowd = subprocess.Popen([native("crowd"), str(servers), str(each)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             text=True)
    try:
        pids = crowd.stdout.readline().split()[1:]
        crowd.stdin.write("go\n")
        crowd.stdin.flush()
        pids += crowd.stdout.readline().split()[3:]
        look = [TOOL, "ls", "--once", "--descriptors"]
        sockets = 2 * servers * each
        for rung in ("bpf", "proc"):
            lines = sh(*look, "--rung", rung, *pids, stdout=subprocess.PIPE, text=True).stdout.splitlines()
            connected = sum(" tcp " in line and " ESTABLISHED " in line and " → " in line for line in lines)
            yield measure(f"of {sockets} TCP sockets in {len(pids)} processes listed with both ends, rung {rung}", connected,
                          f"= {sockets}", connected == sockets)
        bpf, proc, least, lsof, ss = fastest([[*look, "--rung", "bpf", *pids], [*look, "--rung", "proc", *pids],
                                              [floor, *pids], ["lsof", "-nP", "-p", ",".join(pids)], ["ss", "-tanp"]])
    finally:
        crowd.stdin.close()
        crowd.wait(timeout=60)
    for what, ours, bars in (("bpf", bpf, (8, 30)), ("proc", proc, (2, 9))):
        for peer, theirs, bar in (("lsof -nP -p …", lsof, bars[0]), ("ss -tanp", ss, bars[1])):
            times = round(theirs / ours, 1)
            one = measure(f"ls of {sockets} sockets, rung {what} ({ours:.3f} s), times as fast as {peer} ({theirs:.2f} s)",
                          times, f"≥ {bar}", times >= bar, peer, round(theirs, 3))
            yield {**one, "ratio": times}
    ratio = round(proc / least, 2)
    yield measure(f"ls of {sockets} sockets, rung proc, beside one readlink each and one dump ({least:.3f} s)", ratio, "≤ 1.2",
                  ratio <= 1.2, "the floor", round(least, 3))


# ---- goroutines ------------------------------------------------------------------------------------------------------

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


def goroutines():
    count = 1_000_000
    dump = made("goroutines.txt", "goroutine_dump.py", str(count))
    read = json.loads(sh(TOOL, "go", dump, "--json", stdout=subprocess.PIPE).stdout)
    whole = read["goroutines"] == count and read["damaged_at"] is None and read["in_no_group"] == 0
    yield measure(f"goroutines counted of a dump of {os.path.getsize(dump) / 1e6:.0f} MB, in {len(read['groups'])} groups",
                  read["goroutines"], f"= {count}", whole)
    took, cpu_time, resident = fastest_of(5, TOOL, "go", dump)
    yield measure(f"dump of {count} goroutines grouped, s (fastest of 5; {cpu_time:.2f} s of CPU)", round(took, 2), "≤ 3", took <= 3)
    yield measure("resident meanwhile, MB", round(resident), "≤ 1000", resident <= 1000)
    peer = go(os.path.join(ROOT, "bench/stackparse"), os.path.join(WORK, "stackparse"))
    theirs, their_cpu, their_size = fastest_of(2, peer, dump)
    one = measure(f"the same, times as fast as gostackparse with a map of stacks ({theirs:.1f} s, {their_cpu:.1f} s of CPU, "
                  f"{their_size:.0f} MB)", round(theirs / took, 1), "≥ 10", theirs / took >= 10, "gostackparse", round(theirs, 2))
    yield {**one, "ratio": round(theirs / took, 1)}
    part = made("goroutines-part.txt", "goroutine_dump.py", str(count // 20))
    pp = os.path.join(WORK, "bin/pp")
    if not os.path.exists(pp):
        sh("go", "install", "github.com/maruel/panicparse/v2/cmd/pp@v2.4.0",
           env=go_environment(GOBIN=os.path.dirname(pp)))
    ours, _, _ = fastest_of(5, TOOL, "go", part)
    theirs, _, their_size = spent(pp, "-aggressive", "-parse=false", "-rebase=false", part)
    one = measure(f"dump of {count // 20} goroutines, times as fast as panicparse ({ours:.2f} s; {theirs:.1f} s, {their_size:.0f} MB)",
                  round(theirs / ours, 1), "≥ 10", theirs / ours >= 10, "pp", round(theirs, 2))
    yield {**one, "ratio": round(theirs / ours, 1)}
    yield from heap_profile()


def heap_profile():
    raw = made("heap.pb", "heap_profile.py", "100")
    packed = raw + ".gz"
    if not os.path.exists(packed) or os.path.getmtime(packed) < os.path.getmtime(raw):
        sh("gzip", "-1", "-k", "-f", raw)
    for path, what in ((raw, ""), (packed, ", with its gzip")):
        took, cpu_time, resident = fastest_of(5, TOOL, "go", path)
        yield measure(f"heap profile of 100 MB{what}, s (fastest of 5; {cpu_time:.2f} s of CPU, {resident:.0f} MB)",
                      round(took, 2), "≤ 1", took <= 1)
    theirs, their_cpu, their_size = spent("go", "tool", "pprof", "-top", packed)
    one = measure(f"the same, times as fast as go tool pprof -top ({theirs:.1f} s, {their_cpu:.1f} s of CPU, {their_size:.0f} MB)",
                  round(theirs / took, 1), "–", True, "go tool pprof -top", round(theirs, 2))
    yield {**one, "ratio": round(theirs / took, 1)}


# ---- go from memory --------------------------------------------------------------------------------------------------

def parked(program, *arguments):
    """One end of the parked service, ready, and the line it prints."""
    def room():
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    process = subprocess.Popen([program, *map(str, arguments)], stdout=subprocess.PIPE, text=True, preexec_fn=room)
    return process, process.stdout.readline().split()


def while_loaded(program, address, deed, seconds=3.0, every=0.5):
    """The 99th percentile of the service's answers in ms, while `deed` is done again and again; None: left alone."""
    load = subprocess.Popen([program, "load", address, str(seconds)], stdout=subprocess.PIPE, text=True)
    while load.poll() is None:
        begun = time.monotonic()
        if deed:
            deed()
        time.sleep(max(0.01, every - (time.monotonic() - begun)))
    return float(load.stdout.read().split()[0])


def delve():
    """The debugger, if Go's module proxy can be reached."""
    program = os.path.join(WORK, "dlv")
    if not os.path.exists(program):
        path = os.environ["PATH"] + ":/usr/local/go/bin:" + os.path.join(ROOT, "build/victims/go/bin")
        subprocess.run(["go", "install", "github.com/go-delve/delve/cmd/dlv@latest"], check=False, capture_output=True,
                       env={**os.environ, "PATH": path, "GOBIN": WORK, "CGO_ENABLED": "0"})
    return program if os.path.exists(program) else None


def by_delve(program, pid, limit=300):
    """Seconds in which delve stops the process, prints all goroutines with stacks, and lets it go on."""
    with tempfile.NamedTemporaryFile("w", suffix=".init") as script:
        script.write("goroutines -s -t 20\nexit -c\n")
        script.flush()
        begun = time.monotonic()
        subprocess.run([program, "attach", str(pid), "--init", script.name, "--allow-non-terminal-interactive=true"],
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=limit,
                       check=False)
        return time.monotonic() - begun


def from_memory(service, address, program, count):
    def look(out="/dev/null"):
        begun = time.monotonic()
        process = subprocess.Popen([TOOL, "go", str(service.pid), "--json", "-o", out])
        resident = os.wait4(process.pid, 0)[2].ru_maxrss
        process.returncode = 0
        return time.monotonic() - begun, resident / 1024

    def dump():
        begun = time.monotonic()
        sh("curl", "-s", "-o", "/dev/null", f"http://{address}/debug/pprof/goroutine?debug=2")
        return time.monotonic() - begun

    looks = [look() for _ in range(9)]
    ours = sorted(seconds for seconds, _ in looks)[4]
    dumped = min(dump() for _ in range(2))
    yield measure(f"{count} goroutines from memory, whole command, s (median of 9)", round(ours, 3), "≤ 0.25", ours <= 0.25,
                  "curl debug=2", round(dumped, 3))
    resident = max(megabytes for _, megabytes in looks)
    yield measure("resident meanwhile, MB", round(resident, 1), "≤ 50", resident <= 50)
    with tempfile.NamedTemporaryFile() as out:
        look(out.name)
        report = report_of(out.name)
    found = report["goroutines"] - report["moving"]
    yield measure(f"goroutines read as one moment, of {count} parked", found, f"≥ {count}", found >= count)
    alone, read = [], []
    for _ in range(5):
        alone.append(while_loaded(program, address, None))
        read.append(while_loaded(program, address, look))
    quiet, with_us, with_dumps = sorted(alone)[2], sorted(read)[2], while_loaded(program, address, dump)
    ratio = round(with_us / quiet, 2)
    yield measure(f"p99 of its answers while read twice a second ({with_us:.2f} ms), beside left alone ({quiet:.2f} ms)",
                  ratio, "≤ 1.25", ratio <= 1.25, "curl debug=2, ms", with_dumps)
    debugger = delve()
    stopped = by_delve(debugger, service.pid) if debugger else None
    yield measure("it stands still while delve prints the same, s" if stopped else "delve cannot be fetched here",
                  round(stopped, 1) if stopped else "-", "shown", True)


def memory_reader(goroutines=100_000, connections=18_000):
    program = go(os.path.join(ROOT, "bench/parked"), os.path.join(WORK, "parked"))
    service, (address, _) = parked(program, "serve", goroutines)
    try:
        yield from from_memory(service, address, program, goroutines)
    finally:
        service.kill()
        service.wait()
    service, (_, address) = parked(program, "serve", 0)
    clients, _ = parked(program, "hold", address, connections)
    try:
        times = []
        for _ in range(9):
            with tempfile.NamedTemporaryFile() as out:
                sh(TOOL, "go", str(service.pid), "--json", "-o", out.name)
                report = report_of(out.name)
            times.append(report["cost"]["descriptors_seconds"])
        joined = sum(1 for one in report["descriptors"] if one["waiters"])
        median = sorted(times)[4]
        yield measure(f"{connections} connections joined with their goroutines, s (median of 9)", median, "≤ 0.05",
                      median <= 0.05)
        yield measure("descriptors whose goroutine is named", joined, f"≥ {connections}", joined >= connections)
    finally:
        for process in (service, clients):
            process.kill()
            process.wait()


def holders(megabytes=1400, connections=4000):
    """Who holds each of so many leaked connections, in a heap of that size."""
    program = go(os.path.join(ROOT, "bench/held"), os.path.join(WORK, "held"))
    loader = go(os.path.join(ROOT, "bench/parked"), os.path.join(WORK, "parked"))
    service, (address,) = parked(program, "serve", megabytes, connections)
    try:
        def look(out="/dev/null"):
            process = subprocess.Popen([TOOL, "go", str(service.pid), "--who-holds", "all", "--json", "-o", out])
            resident = os.wait4(process.pid, 0)[2].ru_maxrss
            process.returncode = 0
            return resident / 1024

        with tempfile.NamedTemporaryFile() as out:
            looks = []
            for _ in range(5):
                resident = look(out.name)
                looks.append(report_of(out.name)["search"]["seconds"])
            report = report_of(out.name)
        with open(f"/proc/{service.pid}/status", encoding="utf-8") as status:
            heap = int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1)) // 1024
        took = sorted(looks)[2]
        yield measure(f"holders of {len(report['held'])} descriptors in a process of {heap} MB, s (median of 5)",
                      round(took, 2), "≤ 3", took <= 3)
        named = sum(1 for one in report["held"] if one["holder"]["name"] == "main.sessions")
        yield measure(f"of {connections} leaked, those whose holder is main.sessions", named, f"= {connections}",
                      named == connections)
        yield measure("resident meanwhile, MB", round(resident, 1), "≤ 150", resident <= 150)
        alone, read = [], []
        for _ in range(3):
            alone.append(while_loaded(loader, address, None))
            read.append(while_loaded(loader, address, look))
        quiet, busy = sorted(alone)[1], sorted(read)[1]
        yield measure(f"p99 of its answers while searched without a pause ({busy:.2f} ms), beside left alone ({quiet:.2f} ms)",
                      round(busy / quiet, 2), "shown", True)
    finally:
        service.kill()
        service.wait()


MEASURES = {"ls": ls, "goroutines": goroutines, "memory-reader": memory_reader, "holders": holders, "attach": attach,
            "memory": memory, "losses": losses, "chains": chains, "probe": probe, "cpu": cpu, "kernel": kernel,
            "hooksets": hooksets, "seccomp": seccomp}


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object a measure instead of the table")
    parser.add_argument("--list", action="store_true", help="print the names of the measures and end")
    parser.add_argument("names", nargs="*", choices=[[], *MEASURES], help="only those")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(MEASURES))
        return 0
    if os.geteuid() != 0:
        print("bench: needs root", file=sys.stderr)
        return 4
    os.makedirs(WORK, exist_ok=True)
    short = 0
    if not arguments.json:
        print(f"{'measure':78} {'ours':>12} {'bar':>12}  holds", flush=True)
    for name in arguments.names or MEASURES:
        for one in MEASURES[name]():
            short += not one["holds"]
            if arguments.json:
                print(json.dumps(one, ensure_ascii=False), flush=True)
            else:
                print(f"{one['measure']:78} {one['ours']!s:>12} {one['bar']:>12}  {'yes' if one['holds'] else 'NO'}", flush=True)
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
