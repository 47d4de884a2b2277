"""What reading a Go process from its memory takes, and costs the process, beside asking it and beside a debugger."""
import os
import re
import resource
import subprocess
import tempfile
import time

from bench_tools import ROOT, TOOL, WORK, go, measure, report_of, sh


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
