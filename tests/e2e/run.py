#!/usr/bin/env python3
"""Runs the end-to-end cases: real services, real servers, the real program attached to them. See README.md."""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

import cases
import expectation
import servers

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
VICTIMS = ROOT / "victims"


class Failure(Exception):
    """A case did not hold; the message says what."""


class Bench:
    """What all cases share: options, servers, and a lock around their start."""

    def __init__(self, options):
        self.options = options
        self.servers = servers.Servers()
        self.lock = threading.Lock()
        self.interrupted = threading.Event()
        self.build = pathlib.Path(options.victims).resolve()
        self.artefacts = pathlib.Path(options.artefacts).resolve()

    def need_server(self, name):
        with self.lock:
            return self.servers.get(name)

    def values(self):
        with self.lock:
            return self.servers.values()


class Run:
    """One case from its start to its end; everything that it started is gone when it is over."""

    def __init__(self, case, bench):
        self.case = case
        self.bench = bench
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="unclosed-case-"))
        self.work.chmod(0o755)
        self.started = []
        self.values = {
            "unclosed": str(pathlib.Path(bench.options.program).resolve()), "build": str(bench.build),
            "victims": str(VICTIMS), "work": str(self.work), "for": f"{bench.options.window:g}",
            "scale": f"{bench.options.scale:g}", "python": sys.executable, "tests": str(HERE), "gone_pid": str(self.gone_pid()),
        }
        self.expectation = None
        self.victim = None
        self.loads = []
        self.output = ""
        self.errors = ""
        self.code = None
        self.seconds = 0.0

    @staticmethod
    def gone_pid():
        ended = subprocess.Popen(["true"])
        ended.wait()
        return ended.pid

    def fill(self, text):
        return expectation.fill(text, self.values)

    def command(self, line):
        words = []
        for word in shlex.split(line):
            filled = self.fill(word)
            # {postgres.pids} is several words
            words.extend(filled.split() if re.fullmatch(r"\{[\w.-]+\.pids\}", word) else [filled])
        return words

    def start(self, command, log, ready=False):
        path = self.work / log
        with open(path, "wb") as out:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                       cwd=self.work, start_new_session=True,
                                       env={**os.environ, "PATH": servers.search_path(), "PYTHONDONTWRITEBYTECODE": "1"})
        self.started.append(process)
        deadline = time.monotonic() + 20 * self.bench.options.slow
        while ready and b"ready" not in path.read_bytes():
            if process.poll() is not None or time.monotonic() > deadline:
                raise Failure(f"{shlex.join(command)} did not become ready:\n{path.read_text(errors='replace')[-1500:]}")
            time.sleep(0.05)
        return process

    def start_victim(self):
        name, further = self.case.victim
        if name is None:
            return None
        data = json.loads((VICTIMS / name / "expect.json").read_text())
        self.expectation = (data, VICTIMS / name)
        for server in data["servers"]:
            self.bench.need_server(server)
        self.values.update(self.bench.values())
        program = self.fill(data.get("program", "{build}/" + name))
        if further and not further[0].startswith("-"):  # another build of the same service
            program = self.fill(further.pop(0))
        interpreter = data.get("interpreter", [])
        command = [self.find(interpreter[0]), *interpreter[1:]] if interpreter else []
        command += [program] + [self.fill(argument) for argument in data["arguments"] + further]
        self.values["victim"] = shlex.join(command)
        if re.search(r"unclosed\}? run ", self.case.get("RUN", "attach")):
            return None  # the run itself starts it
        process = self.start(command, "victim.log", ready=True)
        self.values["pid"] = str(process.pid)
        self.victim = process
        return process

    @staticmethod
    def find(program):
        if program == "python3":
            # Debian's, which every user may run and which has its drivers.
            return "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable
        return servers.find(program)

    def prepare(self):
        for program in self.case.get("REQUIRES", "").split():
            if program == "root":
                if os.geteuid() != 0:
                    raise servers.Missing("root is needed")
            else:
                servers.find(program)
        before = {}
        for name in self.case.get("SERVER"):
            server = self.bench.need_server(name)
            self.values[f"{name}.pid"] = str(server.process.pid)
            before[name] = server.pids()
        self.values.update(self.bench.values())
        for line in self.case.get("BEFORE"):
            self.shell(line)
        victim = self.start_victim()
        for line in self.case.get("START"):
            name, _, command = line.partition(":")
            process = self.start(self.command(command), f"{name}.log")
            self.values[f"{name}.pid"] = str(process.pid)
        for number, line in enumerate(self.case.get("LOAD")):
            self.loads.append((self.start(self.command(line), f"load{number}.log"), self.work / f"load{number}.log"))
        settle = float(self.case.get("SETTLE", 4 if victim or self.case.get("LOAD") else 0))
        if self.bench.interrupted.wait(settle):
            raise Failure("interrupted")
        if victim:
            self.values["victim.pids"] = " ".join(map(str, servers.tree_of(victim.pid)))
        for name in self.case.get("SERVER"):
            now = self.bench.need_server(name).pids()
            self.values[f"{name}.pids"] = " ".join(map(str, now))
            self.values[f"{name}.before.pids"] = " ".join(str(pid) for pid in now if pid in before[name])

    def shell(self, line):
        done = subprocess.run(["/bin/sh", "-c", self.fill(line)], cwd=self.work, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise Failure(f"'{self.fill(line)}' failed with {done.returncode}: {done.stdout.strip()}")

    def run(self):
        line = self.case.get("RUN", "attach")
        if line == "attach":
            line = "{unclosed} attach {pid} --for {for}s --json --scale {scale}"
        if "{victim}" in line:
            line = line.replace("{victim}", self.values["victim"])
        command = self.command(line)
        patience = float(self.case.get("TIMEOUT", self.bench.options.window + 45)) * self.bench.options.slow
        begun = time.monotonic()
        with open(self.work / "stdout", "wb") as out, open(self.work / "stderr", "wb") as err:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=self.work,
                                       start_new_session=True, env={**os.environ, "NO_COLOR": "1"})
        self.started.append(process)
        self.values["run.pid"] = str(process.pid)
        timers = []
        mistakes = []
        for during in self.case.get("DURING"):
            seconds, _, shell = during.partition(":")
            timers.append(threading.Timer(float(seconds), self.during, [shell.strip(), mistakes]))
        for timer in timers:
            timer.start()
        try:
            while process.poll() is None and not self.bench.interrupted.is_set():
                if time.monotonic() - begun > patience:
                    mistakes.append(f"the run did not end within {patience:g} s")
                    break
                time.sleep(0.05)
        finally:
            servers.stop_process(process, signal.SIGKILL)
            for timer in timers:
                timer.cancel()
        self.seconds = time.monotonic() - begun
        self.code = process.returncode if process.returncode >= 0 else 128 - process.returncode
        written = self.work / "report.json"  # a `run` leaves standard output to its child
        self.output = (written if written.exists() else self.work / "stdout").read_text(errors="replace")
        self.errors = (self.work / "stderr").read_text(errors="replace")
        if mistakes:
            raise Failure("; ".join(mistakes))

    def during(self, line, mistakes):
        try:
            self.shell(line)
        except Failure as failure:
            mistakes.append(str(failure))

    def check(self):
        expects = self.case.get("EXPECT")
        complaints = []
        if not any(expect.startswith("exit ") for expect in expects) and self.code != 0:
            complaints.append(f"exit code {self.code}: {self.errors.strip()[-400:]}")
        for expect in expects:
            kind, _, value = expect.partition(" ")
            complaints.extend(self.check_one(kind, value))
        complaints += self.trouble_of_victim()
        if complaints:
            raise Failure("\n".join(dict.fromkeys(complaints)))

    def trouble_of_victim(self):
        """Silence about a service that did not work means nothing."""
        for process, log in self.loads:
            if process.poll() is not None:
                return [f"the load ended with {process.returncode}: {log.read_text(errors='replace')[-400:]}"]
        if self.victim is None or self.case.get("RUN", "attach") != "attach":
            return []
        log = (self.work / "victim.log").read_text(errors="replace")
        if self.victim.poll() is not None:
            return [f"the victim ended with {self.victim.returncode}: {log[-400:]}"]
        return [f"the victim says: {line}" for line in log.splitlines() if "fail" in line or "cannot" in line][:3]

    def check_one(self, kind, value):
        if kind == "exit":
            return [] if self.code == int(value) else [f"exit code {self.code}, not {value}: {self.errors.strip()[-400:]}"]
        if kind in ("stdout", "stderr"):
            text = self.output if kind == "stdout" else self.errors
            return [] if re.search(self.fill(value), text) else [f"{kind} has no '{self.fill(value)}': {text.strip()[-400:]}"]
        if kind == "no-stdout":
            return [f"stdout has '{value}'"] if re.search(self.fill(value), self.output) else []
        if kind == "within":
            return [] if self.seconds <= float(value) else [f"took {self.seconds:.1f} s, not {value} at most"]
        try:
            report = json.loads(self.output)
        except ValueError as error:
            return [f"stdout is no JSON ({error}): {self.output[:200]!r}"]
        complaints = expectation.complaints_about_report(report)
        if kind == "leak":
            data, folder = self.expectation
            complaints += expectation.complaints_about_leak(report, data, folder, self.values)
        elif kind == "nothing":
            complaints += expectation.complaints_about_silence(report)
        elif kind == "diagnosis":
            complaints += expectation.complaints_about_diagnosis(report, value)
        elif kind == "verdict":
            complaints += expectation.complaints_about_verdict(report, value)
        elif kind == "evidence":
            complaints += expectation.complaints_about_evidence(report, value)
        elif kind != "report":
            complaints.append(f"no such expectation: {kind}")
        return complaints

    def keep(self, why):
        folder = self.bench.artefacts / re.sub(r"[^\w.-]+", "-", self.case.name)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "why").write_text(why + "\n")
        (folder / "report.json").write_text(self.output)
        (folder / "stderr").write_text(self.errors)
        for log in self.work.glob("*.log"):
            shutil.copy(log, folder / log.name)
        return folder

    def finish(self):
        for process in reversed(self.started):
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
            servers.stop_process(process)
            try:
                os.killpg(process.pid, signal.SIGKILL)   # what a shell has started
            except ProcessLookupError:
                pass
        shutil.rmtree(self.work, ignore_errors=True)


class Result:
    def __init__(self, case, verdict, why="", seconds=0.0):
        self.case, self.verdict, self.why, self.seconds = case, verdict, why, seconds


def run_case(case, bench):
    if case.get("LATER") and not bench.options.later:
        return Result(case, "later", case.get("LATER"))
    begun = time.monotonic()
    run = Run(case, bench)
    try:
        run.prepare()
        run.run()
        run.check()
        verdict, why = "ok", ""
        if bench.options.keep:
            run.keep("kept")
    except servers.Missing as missing:
        verdict, why = "skipped", str(missing)
    except Failure as failure:
        verdict, why = "FAILED", str(failure)
    except Exception:  # a mistake of the runner is a failure of the case, not the end of the others
        verdict, why = "FAILED", traceback.format_exc()
    finally:
        if run.started:
            run.finish()
    if verdict == "FAILED":
        why += f"\nkept in {run.keep(why)}"
    shutil.rmtree(run.work, ignore_errors=True)
    return Result(case, verdict, why, time.monotonic() - begun)


def say(result):
    print(f"{result.verdict:8}{result.seconds:6.1f} s  {result.case.name}", flush=True)
    for line in result.why.splitlines():
        print(f"{'':18}{line}", flush=True)


def run_all(chosen, bench):
    results = []
    together = [case for case in chosen if not case.alone]
    with concurrent.futures.ThreadPoolExecutor(bench.options.jobs) as pool:
        futures = [pool.submit(run_case, case, bench) for case in together]
        try:
            for future in concurrent.futures.as_completed(futures):
                results.append(future.result())
                say(results[-1])
        except BaseException:
            bench.interrupted.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    for case in chosen:
        if case.alone:
            results.append(run_case(case, bench))
            say(results[-1])
    order = {case.name: number for number, case in enumerate(chosen)}
    return sorted(results, key=lambda result: order[result.case.name])


def table(results):
    print()
    width = max(len(result.case.name) for result in results)
    for result in results:
        first = result.why.splitlines()[0] if result.why else ""
        print(f"  {result.case.name:{width}}  {result.verdict:8} {first[:100]}")
    print()


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only cases whose name holds one of these words")
    parser.add_argument("--list", action="store_true", help="print the cases and end")
    parser.add_argument("--keep", action="store_true", help="keep the reports of cases that hold, too")
    parser.add_argument("--later", action="store_true", help="also run cases that wait for a later version")
    parser.add_argument("--full", action="store_true", help="windows of 75 s under the policy that users have")
    parser.add_argument("--without-root", action="store_true",
                        help="each victim and its twin under `run` without privileges instead")
    parser.add_argument("--window", type=float, default=16, help="seconds of each attach (%(default)s)")
    parser.add_argument("--scale", type=float, default=0.1, help="factor on the policy's times (%(default)s)")
    parser.add_argument("--slow", type=float, default=1, metavar="FACTOR", help="of the deadlines, on a slow machine")
    parser.add_argument("--jobs", type=int, default=5, help="cases side by side (%(default)s)")
    parser.add_argument("--program", default=str(ROOT / "build/release/unclosed"))
    parser.add_argument("--victims", default=str(ROOT / "build/victims"))
    parser.add_argument("--artefacts", default=str(ROOT / "build/e2e"), help="where failing cases leave their reports")
    chosen = parser.parse_args()
    if chosen.full:
        chosen.window, chosen.scale = 75, 1
    return chosen


def come_within_reach():
    """Cases that run as nobody need this tree within nobody's reach: where it is not, we go on in a mount of it that is."""
    seen = subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "test", "-r", __file__],
                          stderr=subprocess.DEVNULL, check=False)
    if seen.returncode == 0 or os.geteuid() != 0 or os.environ.get("UNCLOSED_E2E_WITHIN_REACH"):
        return
    place = tempfile.mkdtemp(prefix="unclosed-tree-")
    os.chmod(place, 0o755)
    os.environ["UNCLOSED_E2E_WITHIN_REACH"] = "1"
    os.execvp("unshare", ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" "$1" && place=$1 && shift 2 && '
                          'exec python3 -B "$place/tests/e2e/run.py" "$@"', str(ROOT), place, "-", *sys.argv[1:]])


def main():
    chosen = options()
    known = cases.without_root(VICTIMS) if chosen.without_root else cases.load(HERE / "cases")
    selected = [case for case in known
                if not chosen.names or any(word in case.name for word in chosen.names)]
    if chosen.list:
        for case in selected:
            print(case.name + (f"   (later: {case.get('LATER')})" if case.get("LATER") else ""))
        return 0
    if not selected:
        print(f"no case is named like {' or '.join(chosen.names)}", file=sys.stderr)
        return 2
    come_within_reach()
    if not os.access(chosen.program, os.X_OK):
        print(f"{chosen.program} is not there: run scripts/build first", file=sys.stderr)
        return 2

    def end(*_):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    servers.patience *= chosen.slow
    bench = Bench(chosen)
    try:
        results = run_all(selected, bench)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    finally:
        bench.servers.stop()
    table(results)
    passed = sum(result.verdict == "ok" for result in results)
    failed = sum(result.verdict in ("FAILED", "skipped") for result in results)
    later = sum(result.verdict == "later" for result in results)
    print(f"{passed} passed, {failed} failed" + (f", {later} skipped" if later else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
