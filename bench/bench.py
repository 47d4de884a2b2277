"""The measures behind scripts/bench. Each gives one figure, its bar, and whether it holds."""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time

import cost
import from_memory
import throughput
from bench_tools import (ROOT, TOOL, WORK, fastest, fastest_of, go, go_environment, made, measure, native, report_of, sh,
                         spent)

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


MEASURES = {"ls": ls, "goroutines": goroutines, "memory-reader": from_memory.memory_reader,
            "holders": from_memory.holders, "attach": attach,
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
