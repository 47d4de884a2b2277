"""Reads the cases: blocks of `DIRECTIVE value` lines, one block a case, blank lines between them.

NAME      what the case says, and its name
VICTIM    a folder of victims/, with further arguments: started, its pid is {pid}
START     name: a command line to start beside; its pid is {name.pid}
LOAD      a command line that makes traffic while the run lasts
SERVER    a server of servers.py that the case needs; its processes are {postgres.pids}, those from
          before the load {postgres.before.pids}; {victim.pids} is the victim with its children
BEFORE    a shell line, run before the run
SETTLE    seconds between the start and the run (default 4): part of the leak has happened by then
RUN       the command line of the run: `attach`, or words with {placeholders}; its report is on standard output, or in
          {work}/report.json
DURING    seconds: a shell line, run while the run lasts; its pid is {run.pid}
EXPECT    leak · nothing · report · diagnosis WORD (of a group or limit) · verdict WORD and evidence
          NAME (of some finding) · exit N · stdout REGEX · no-stdout REGEX · stderr REGEX · within SECONDS  (several: all hold)
TIMEOUT   seconds the run may take (default: the window and 45)
REQUIRES  programs that must be there, or `root`
ALONE     yes: nothing else runs beside it
LATER     why the program cannot do it yet: the case is listed and left out
"""
import json
import pathlib
import shlex

KNOWN = {"NAME", "VICTIM", "START", "LOAD", "SERVER", "BEFORE", "SETTLE", "RUN", "DURING", "EXPECT", "TIMEOUT",
         "REQUIRES", "ALONE", "LATER"}
MANY = {"START", "LOAD", "SERVER", "BEFORE", "DURING", "EXPECT"}


class Case:
    def __init__(self, origin):
        self.origin = origin
        self.values = {key: [] for key in MANY}

    def add(self, key, value):
        if key not in KNOWN:
            raise ValueError(f"{self.origin}: no directive {key}")
        if key in MANY:
            self.values[key].append(value)
        elif key in self.values:
            raise ValueError(f"{self.origin}: {key} twice in one case")
        else:
            self.values[key] = value

    def get(self, key, otherwise=None):
        return self.values.get(key, otherwise)

    @property
    def name(self):
        return self.values["NAME"]

    @property
    def victim(self):
        """The folder of the victim and the arguments that the case adds; nothing when there is none."""
        words = shlex.split(self.get("VICTIM", ""))
        return (words[0], words[1:]) if words else (None, [])

    @property
    def alone(self):
        return self.get("ALONE") == "yes"


def parse(text, origin="cases"):
    found, case = [], None
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if line.startswith("#"):
            continue
        if not line:
            case = None
            continue
        if case is None:
            case = Case(f"{origin}:{number}")
            found.append(case)
        key, _, value = line.partition(" ")
        case.add(key, value.strip())
    for case in found:
        if "NAME" not in case.values or not case.values["EXPECT"]:
            raise ValueError(f"{case.origin}: a case has at least NAME and EXPECT")
    names = [case.name for case in found]
    for name in set(names):
        if names.count(name) > 1:
            raise ValueError(f"{origin}: two cases are named '{name}'")
    return found


WITHOUT_ROOT = """NAME without root {name}
BEFORE cp {{unclosed}} {{work}}/unclosed && chown 65534 {{work}}
VICTIM {victim} --for {life}s
RUN setpriv --reuid 65534 --regid 65534 --clear-groups {{work}}/unclosed run --for {seconds}s --json -o {{work}}/report.json --scale 0.1 -- {{victim}}
TIMEOUT {timeout}
EXPECT {expect}
REQUIRES root setpriv
"""


def without_root(victims):
    """Each victim and its twin under `run` without privileges, as its expect.json says."""
    texts = []
    for path in sorted(pathlib.Path(victims).glob("*/expect.json")):
        data = json.loads(path.read_text())
        special = data.get("without_root", {})
        if "left_out" in special:
            continue
        name, seconds = path.parent.name, special.get("seconds", 14)
        times = {"seconds": seconds, "life": seconds + 2, "timeout": seconds + 45}
        if data["findings"]:
            texts.append(WITHOUT_ROOT.format(name=f"{name} leaks", victim=name, expect="leak", **times))
        texts.append(WITHOUT_ROOT.format(name=f"{name} healthy", victim=f"{name} --fixed", expect="nothing", **times))
    return parse("\n".join(texts), "without root")


def load(folder):
    found = []
    for path in sorted(pathlib.Path(folder).glob("*.cases")):
        found.extend(parse(path.read_text(), path.name))
    return found
