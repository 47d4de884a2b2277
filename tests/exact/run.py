#!/usr/bin/env python3
"""Runs the exact suite: one small program per kernel behaviour, looked at by the built program.

At the end of each the set of open descriptors in the report must be what /proc/PID/fd shows, each with the function that
opened it, the counts of what came and went must be the program's own, and coverage.drift must be 0. See README.md.
"""
import argparse
import concurrent.futures
import json
import mmap
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# The rungs: the command that looks, and whether it does so as nobody.
RUNGS = {"bpf-attach": ("attach", False), "bpf-run": ("run", False), "seccomp": ("run", True), "proc": ("attach", True)}
NOBODY = {"user": 65534, "group": 65534, "extra_groups": []}
patience = 60   # seconds for a step on a busy machine
settle = 0.5    # several scans
pause = 0.005   # between two looks at whether something has come about
LINGERS = 0.8   # what an ended process had is told for so long, on the rungs that look again and again


class Wrong(Exception):
    """What a program expected and the report did not say."""


class Table:
    """The table that exact.c keeps: what is open now, and who opened it."""
    HEADER, SLOTS, ENTRY, ENTRIES = struct.Struct("<10I2i"), 16, struct.Struct("<3iI52s52s"), 1000
    READY, GO, DONE, END = 4, 8, 12, 16

    def __init__(self, path):
        size = self.HEADER.size + 4 * self.SLOTS + self.ENTRY.size * self.ENTRIES
        path.write_bytes(bytes(size))
        with open(path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), size)

    def flag(self, at):
        return struct.unpack_from("<I", self.memory, at)[0]

    def set(self, at):
        struct.pack_into("<I", self.memory, at, 1)

    def header(self):
        names = ("lock", "ready", "go", "done", "end", "opened", "gone", "files", "entries", "failed", "first", "stranger")
        return dict(zip(names, self.HEADER.unpack_from(self.memory, 0)))

    def entries(self):
        found = {}
        start = self.HEADER.size + 4 * self.SLOTS
        for index in range(self.header()["entries"]):
            used, pid, fd, _, opener, copier = self.ENTRY.unpack_from(self.memory, start + index * self.ENTRY.size)
            if used:
                found[pid, fd] = (opener.split(b"\0")[0].decode(), copier.split(b"\0")[0].decode())
        return found


def wait(what, condition, process, times=1):
    deadline = time.monotonic() + patience * times
    while not condition():
        if process.poll() is not None and not condition():
            raise Wrong(f"ended with {process.returncode} before {what}")
        if time.monotonic() > deadline:
            raise Wrong(f"not {what} within {patience * times} s")
        time.sleep(pause)


def family(pid):
    """The process and all its descendants, alive now."""
    parents = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            parents.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry.name))
    found, wanted = [], [pid]
    while wanted:
        found.append(wanted.pop())
        wanted += parents.get(found[-1], [])
    return found


def descriptors(pid):
    """{fd: what it refers to} of the process, and of those of its threads that have a table of their own."""
    found = {}
    try:
        tasks = [pathlib.Path(f"/proc/{pid}/fd")] + [task / "fd" for task in pathlib.Path(f"/proc/{pid}/task").iterdir()]
    except OSError:
        return found
    for folder in tasks:
        try:
            for name in os.listdir(folder):
                found.setdefault(int(name), os.readlink(folder / name))
        except OSError:
            pass
    return found


KINDS = {"socket": {"tcp", "udp", "unix", "netlink", "other"}, "pipe": {"pipe"}, "eventfd": {"eventfd"}, "eventpoll": {"epoll"},
         "timerfd": {"timerfd"}, "signalfd": {"signalfd"}, "inotify": {"inotify"}, "pidfd": {"pidfd"}}


def kinds_of(target):
    """The kinds that the report may give to what /proc calls so."""
    if match := re.match(r"anon_inode:\[?(\w+)", target):
        return KINDS.get(match[1], {"other"})
    if match := re.match(r"(\w+):\[", target):
        return KINDS.get(match[1], {"other"})
    return {"memfd"} if target.startswith("/memfd:") else {"file", "fifo", "other"}


def reported(report):
    """{(pid, fd): (kind, functions of the opening, functions of the copying)}"""
    found = {}
    for group in report["groups"]:
        for connection in group["connections"]:
            numbers = [connection] + connection.get("other_descriptors", [])
            stacks = [report["stacks"][index] if index is not None else None
                      for index in (connection["stacks"]["opened"], connection["stacks"]["duplicated"])]
            names = [None if stack is None else {frame["function"] for frame in stack} for stack in stacks]
            for number in numbers:
                key = number["pid"], number["fd"]
                if key in found:
                    raise Wrong(f"descriptor {key} is reported twice")
                found[key] = (group["kind"], *names)
    return found


class Expected:
    """What a rung can tell of a program, by the lines that stand in it (README.md)."""

    def __init__(self, rung, source):
        words = re.findall(rf"^// on {rung} no (stack|copier|number) of ([^:\n]+)", source, re.M)
        lines = {what: set(names.split()) for what, names in words}
        # Openers and copiers that may be missing. On the seccomp rung any may: the number that a call gave is learnt later,
        # and where a look comes between, whose it is cannot be told. A wrong one is wrong everywhere.
        late = {"any"} if rung == "seccomp" and "// on seccomp every stack" not in source else set()
        self.stackless = lines.get("stack", set()) | late
        self.copierless = lines.get("copier", set()) | late
        stand_ins = re.findall(rf"^// on {rung} (\S+) may stand for ([^:\n]+):", source, re.M)
        self.stand_ins = {(other, one) for other, ones in stand_ins for one in ones.split()}
        self.unlisted = lines.get("number", set())    # openers whose descriptors may be missing
        self.uncounted = RUNGS[rung][1]               # what came and went between two looks is not counted
        self.every = rung == "proc"                   # no stacks are told there
        why = re.search(r"^// needs root: (.*)$", source, re.M)
        self.impossible = why[1] if why and RUNGS[rung][1] else None
        self.blind = re.search(r"^// unseen where a note says (.*)$", source, re.M)

    def heed(self, notes):
        """What an older kernel does not tell is said, and found without a stack."""
        self.every = self.every or bool(self.blind) and any(re.search(self.blind[1], note) for note in notes)

    def may_lack_stack(self, opener):
        return self.every or bool(self.stackless & {opener, "any"})

    def may_lack_copier(self, copier):
        return self.every or bool(self.copierless & {copier, "any"})


def compare(seen, table, actual, openers, expected):
    """What does not agree of the set, in sentences."""
    wrong = []
    for key in sorted(actual.keys() - seen.keys()):
        if expected.unlisted & {table.entries().get(key, ("", ""))[0], "any"}:
            continue
        wrong.append(f"{key} is open ({actual[key]}) and not reported")
    for key in sorted(seen.keys() - actual.keys()):
        wrong.append(f"{key} is reported and not open")
    for key in sorted(seen.keys() & actual.keys()):
        kind, opening, copying = seen[key]
        if kind not in kinds_of(actual[key]):
            wrong.append(f"{key} is {actual[key]}, and reported as {kind}")
        opener, copier = table.entries().get(key, ("", ""))
        found = (opening or set()) & openers
        if opener and opener not in found and not (opening is None and expected.may_lack_stack(opener)):
            wrong.append(f"{key} was opened by {opener}, and reported as " +
                         ("without a stack" if opening is None else f"by {sorted(found) or sorted(opening)}"))
        if found - {opener}:
            wrong.append(f"{key} was opened by {opener or 'nobody that was seen'}, and reported as by {sorted(found)}")
        stands_in = any((other, copier) in expected.stand_ins for other in copying or ())
        if copier and not stands_in and copier not in (copying or set()) and not (copying is None and expected.may_lack_copier(copier)):
            wrong.append(f"{key} was copied by {copier}, and reported as by {sorted(copying or [])}")
    missing = {key for key in table.entries() if key[0] in {pid for pid, _ in actual}} - actual.keys()
    if missing:
        wrong.append(f"the program says {sorted(missing)} are open, /proc does not")
    return wrong


def compare_counts(coverage, opened, gone):
    """The same of what came and went; `opened` and `gone` are None where the rung does not count."""
    wrong = []
    for name, ours, told in (("opened", opened, coverage["opened"]), ("gone", gone, coverage["closed"])):
        if ours not in (None, told):
            wrong.append(f"{name}: {ours}, and reported {told}")
    if coverage["drift"]:
        wrong.append(f"drift {coverage['drift']}")
    return wrong


def expectations(source):
    """The `// expect …` lines of a program: (what, value)."""
    return re.findall(r"^// expect (\w+) (.*)$", source, re.M)


class WithinReach:
    """A folder whose programs nobody may run, wherever this tree lies. All are copied before any of them is started: who
    starts one hands the file that is being written to its child, and then nobody may run it."""

    def __init__(self, programs):
        self.folder = tempfile.TemporaryDirectory(prefix="unclosed-exact-")
        os.chmod(self.folder.name, 0o755)
        self.copies = {program: pathlib.Path(shutil.copy(program, self.folder.name)) for program in programs}

    def __enter__(self):
        return self.copies

    def __exit__(self, *_):
        self.folder.cleanup()


def report_of(path, observer):
    wait("reported", path.exists, observer)
    return json.loads(path.read_text())


class Look:
    """One program on one rung."""

    def __init__(self, name, rung, options):
        self.name, self.rung, self.options = name, rung, options
        self.command, self.as_nobody = RUNGS[rung]
        self.source = (HERE / f"{name}.c").read_text()
        self.expected = Expected(rung, self.source)
        self.drift = 0
        self.observers = []
        self.table = self.victim = None
        self.pids, self.actual = [], {}

    def stands_alone(self):
        """Whether an observer of its own is what it is about, or what it needs."""
        return self.is_storm() or re.search("^// (observers|unseen)", self.source, re.M) is not None

    @staticmethod
    def start(command, log, **more):
        with open(log, "wb") as out:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, **more)

    def prepare(self, folder):
        """The program, and the surroundings that it runs in."""
        self.table = Table(folder / "table")
        program = self.options.programs / self.name
        if self.as_nobody:
            program = self.options.reach[program]
            for path in (folder, folder / "table"):
                path.chmod(0o777)
        environment = {**os.environ, "EXACT_TABLE": str(folder / "table"), "EXACT_RUNG": self.command,
                       "EXACT_SLOW": str(round(min(self.options.slow, 8))), "NO_COLOR": "1"}
        return program, {"env": environment, **(NOBODY if self.as_nobody else {})}

    def start_victim(self, program, folder, surroundings):
        self.victim = self.start([program], folder / "victim", **surroundings)
        wait("ready", lambda: self.table.flag(Table.READY), self.victim)

    def tool(self, report):
        program = self.options.reach[self.options.program] if self.as_nobody else self.options.program
        return [program, self.command, "--json", "--all-connections", "--scale", "0.1", "--budget", "off", "-o", str(report)]

    def look(self, folder):
        program, surroundings = self.prepare(folder)
        several = re.search(r"^// observers (\d+)$", self.source, re.M)
        count = int(several[1]) if several and self.command == "attach" else 1
        try:
            if self.command == "attach":
                self.start_victim(program, folder, surroundings)
            for number in range(count):
                said = folder / f"stderr{number}"
                command = self.tool(folder / f"report{number}.json")
                command += [str(self.victim.pid)] if self.victim else ["--", program]
                self.observers.append(self.start(command, said, **surroundings))
                attached = (lambda: b"attached" in said.read_bytes()) if self.victim else (lambda: self.table.flag(Table.READY))
                wait("attached", attached, self.observers[-1])
            self.observe(self.observers[0], folder)
            time.sleep(settle + (LINGERS if self.as_nobody else 0))
            self.note_actual()
            self.compare(folder)
        finally:
            self.end()

    def end(self):
        self.table.set(Table.END)
        for observer in self.observers:
            if observer.poll() is None:
                observer.send_signal(signal.SIGTERM)
        if self.victim:
            try:
                self.victim.wait(5)
            except subprocess.TimeoutExpired:
                pass
            try:
                os.killpg(self.victim.pid, signal.SIGKILL)   # the children of its that wait for nobody
            except ProcessLookupError:
                pass

    def observe(self, observer, folder):
        """Lets the program do its work."""
        table = self.table
        table.set(Table.GO)
        # Where each call is answered by a process, a million of them take their time.
        times = 5 if self.rung == "seccomp" and self.is_storm() else 1
        wait("done", lambda: table.flag(Table.DONE) or table.header()["failed"], observer, times)
        if table.header()["failed"]:
            said = "".join(path.read_text(errors="replace") for path in folder.glob("[vs][it]*"))
            raise Wrong("the program failed: " + said.strip()[-300:])

    def is_storm(self):
        return re.search("^// a storm", self.source, re.M) is not None

    def note_actual(self):
        """What /proc says when the work is done."""
        header = self.table.header()
        self.pids = [pid for pid in family(header["first"]) if self.command == "run" or pid != header["stranger"]]
        self.actual = {(pid, fd): target for pid in self.pids for fd, target in descriptors(pid).items()}

    def compare_set(self, seen, notes):
        self.expected.heed(notes)
        openers = set(re.findall(r"^OPENER [^(]*?\*?(\w+)\(", self.source, re.M))
        wrong = compare(seen, self.table, self.actual, openers, self.expected)
        for what, value in expectations(self.source):
            if what == "note" and self.rung.startswith("bpf") and not any(re.search(value, note) for note in notes):
                wrong.append(f"no note says '{value}': {notes}")
        return wrong

    def counts(self):
        """(opened, gone), or None where the rung does not tell."""
        if self.expected.every or self.expected.uncounted:
            return None, None
        header = self.table.header()
        return header["opened"], header["gone"]

    def compare(self, folder):
        wrong = []
        for observer in self.observers:
            observer.send_signal(signal.SIGINT)
        for number, observer in enumerate(self.observers):
            report = report_of(folder / f"report{number}.json", observer)
            coverage = report["coverage"]
            self.drift += abs(coverage["drift"])
            rung = self.rung.partition("-")[0]
            if report["rung"] != rung:
                wrong.append(f"the rung was {report['rung']}, not {rung}")
            wrong += self.compare_set(reported(report), coverage["notes"])
            wrong += compare_counts(coverage, *self.counts())
            # A storm may fill the ring on a busy machine: counted, and neither the counts nor the set suffer.
            if coverage["events_lost"] and not self.is_storm():
                wrong.append(f"events_lost {coverage['events_lost']}")
        if wrong:
            raise Wrong("\n".join(wrong[:8]))

    def run(self):
        begun = time.monotonic()
        if self.expected.impossible:
            return "-", "", 0
        with tempfile.TemporaryDirectory(prefix="unclosed-exact-") as folder:
            try:
                self.look(pathlib.Path(folder))
                verdict, why = "exact", ""
            except Wrong as wrong:
                verdict, why = "WRONG", str(wrong)
                if self.options.keep:
                    kept = pathlib.Path(self.options.keep)
                    kept.mkdir(parents=True, exist_ok=True)
                    for path in pathlib.Path(folder).glob("[rsv]*"):
                        (kept / f"{self.name}-{self.rung}-{path.name}").write_bytes(path.read_bytes())
            seconds = time.monotonic() - begun
            for observer in self.observers:   # the kernel takes its time to take the hooks away
                try:
                    observer.wait(patience)
                except subprocess.TimeoutExpired:
                    observer.kill()
                    verdict, why = "WRONG", why or "it did not end"
        return verdict, why, seconds


class Together:
    """Many programs before one observer of the bpf rung, one after the other: its start is what takes long on a slow machine."""

    def __init__(self, looks):
        self.looks = looks

    def run(self):
        """{look: what `Look.run` gives}; what cannot be told apart stands with the first."""
        begun = time.monotonic()
        why = {look: [] for look in self.looks}
        first = self.looks[0]
        with tempfile.TemporaryDirectory(prefix="unclosed-exact-") as name:
            folder = pathlib.Path(name)
            try:
                self.look(folder, why)
            except Wrong as wrong:   # nobody was looked at to the end
                for look in self.looks:
                    why[look].append(str(wrong))
            finally:
                for look in self.looks:
                    if look.table:
                        look.end()
                for observer in first.observers:
                    try:
                        observer.wait(patience)
                    except subprocess.TimeoutExpired:
                        observer.kill()
                        why[first].append("it did not end")
        return {look: ("WRONG" if why[look] else "exact", "\n".join(why[look][:8]), time.monotonic() - begun) for look in self.looks}

    def look(self, folder, why):
        first = self.looks[0]
        for look in self.looks:
            own = folder / look.name
            own.mkdir()
            program, surroundings = look.prepare(own)
            look.start_victim(program, own, surroundings)
        command = first.tool(folder / "report.json") + [str(look.victim.pid) for look in self.looks]
        said = folder / "stderr"
        observer = first.start(command, said, env={**os.environ, "NO_COLOR": "1"})
        first.observers.append(observer)
        wait("attached", lambda: b"attached" in said.read_bytes(), observer)
        for look in self.looks:
            try:
                look.observe(observer, folder / look.name)
            except Wrong as wrong:
                why[look].append(str(wrong))
        time.sleep(settle)
        for look in self.looks:
            look.note_actual()
        observer.send_signal(signal.SIGINT)
        report = report_of(folder / "report.json", observer)
        seen, coverage = reported(report), report["coverage"]
        for look in self.looks:
            own = {key: told for key, told in seen.items() if key[0] in look.pids}
            seen = {key: told for key, told in seen.items() if key not in own}
            why[look] += look.compare_set(own, coverage["notes"])
        why[first] += [f"{key} is reported and not open" for key in sorted(seen)]
        if report["rung"] != "bpf":
            why[first].append(f"the rung was {report['rung']}, not bpf")
        opened, gone = (sum(counts) for counts in zip(*(look.counts() for look in self.looks)))
        why[first] += compare_counts(coverage, opened, gone)
        first.drift += abs(coverage["drift"])
        if coverage["events_lost"]:
            why[first].append(f"events_lost {coverage['events_lost']}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only programs whose name holds one of these words")
    parser.add_argument("--rung", action="append", choices=RUNGS, help="only this one")
    parser.add_argument("--together", type=int, default=0, metavar="MANY",
                        help="so many before one observer, where they need none of their own (bpf-attach only)")
    parser.add_argument("--jobs", type=int, default=4, help="programs side by side (%(default)s)")
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build/release/unclosed")
    parser.add_argument("--programs", type=pathlib.Path, default=ROOT / "build/exact", help="where the programs of the suite are")
    parser.add_argument("--keep", help="folder for the reports of what was wrong")
    parser.add_argument("--slow", type=float, default=1, metavar="FACTOR", help="of the deadlines, on a slow machine")
    options = parser.parse_args()
    global patience, settle, pause
    patience, settle, pause = patience * options.slow, settle * min(options.slow, 8), pause * options.slow
    options.program, options.programs = options.program.resolve(), options.programs.resolve()
    rungs = options.rung or (["bpf-attach"] if options.together else list(RUNGS))
    if options.together and rungs != ["bpf-attach"]:
        parser.error("--together is for --rung bpf-attach")
    names = sorted(path.stem for path in HERE.glob("*.c") if path.stem != "exact")
    names = [name for name in names if not options.names or any(word in name for word in options.names)]
    if not names:
        print(f"no program is named like {' or '.join(options.names)}", file=sys.stderr)
        return 2
    looks = {(name, rung): Look(name, rung, options) for name in names for rung in rungs}
    width = max(map(len, names))
    print(f"{'':{width}}  " + "".join(f"{rung:12}" for rung in rungs))
    exact = drift = possible = 0
    as_nobody = any(RUNGS[rung][1] for rung in rungs)
    programs = [options.program, *(options.programs / name for name in names)] if as_nobody else []
    with WithinReach(programs) as options.reach, concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        together = [look for look in looks.values() if options.together and not look.stands_alone()]
        sets = [together[at:at + options.together] for at in range(0, len(together), options.together or 1)]
        shared = {look: run for one in sets for run in [pool.submit(Together(one).run)] for look in one}
        alone = {look: pool.submit(look.run) for look in looks.values() if look not in shared}
        for name in names:
            here = [looks[name, rung] for rung in rungs]
            row = [shared[look].result()[look] if look in shared else alone[look].result() for look in here]
            print(f"{name:{width}}  " + "".join(f"{verdict:12}" for verdict, _, _ in row).rstrip(), flush=True)
            for rung, (verdict, why, _) in zip(rungs, row):
                exact += verdict == "exact"
                possible += verdict != "-"
                drift += looks[name, rung].drift
                for line in why.splitlines():
                    print(f"    {rung}: {line}", flush=True)
    print(f"{exact} of {possible} exact, drift {drift}")
    return 0 if exact == possible else 1


if __name__ == "__main__":
    sys.exit(main())
