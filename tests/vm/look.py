"""In the machine of scripts/vm: a leaking service and its twin under `attach` and `run`, the right line or silence, and a clock
that is set forth and back meanwhile."""
import json
import os
import subprocess
import time

SCALE, SECONDS = "0.2", "20"
wrong = 0


def say(name, complaint):
    global wrong
    wrong += bool(complaint)
    print(f"vm: {name}: {complaint or 'ok'}", flush=True)


def look(name, arguments, clock=False):
    """The report of one look; the clock jumps an hour forth and back while it lasts."""
    path = f"/tmp/{name}.json"
    began = time.monotonic()
    looking = subprocess.Popen(["/unclosed", *arguments[:1], "--for", f"{SECONDS}s", "--scale", SCALE, "--json", "-o", path, "-q",
                                *arguments[1:]], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    if clock:
        time.sleep(12)
        for step in (3600, -7200, 3600):
            time.clock_settime(time.CLOCK_REALTIME, time.time() + step)
            time.sleep(2)
    looking.wait(400)
    with open(path) as file:
        report = json.load(file)
    print(f"vm: {name} took {time.monotonic() - began:.0f} s, attached in {report['cost']['attach_seconds']} s", flush=True)
    return report


def complaint_about(report, function, clock=False):
    # A service that is at work opens and closes while it is counted.
    if abs(report["coverage"]["drift"]) > 2 or report["coverage"]["events_lost"]:
        return f"coverage {report['coverage']}"
    found = [(finding["verdict"], (finding["blame"] or {}).get("function")) for finding in report["findings"]]
    if function is None:
        return f"a finding on the twin: {found}" if found else ""
    if len(found) != 1 or found[0][0] != "leaking" or not (found[0][1] or "").startswith(function):
        return f"{found}, not {function}"
    if clock:
        ages = [one["age_seconds"] for finding in report["findings"] for one in finding["connections"]]
        if not -0.1 < min(ages) or max(ages) > 400 or report["window"]["seconds"] > 400:
            return f"the clock went into the durations: {report['window']}, ages {min(ages)} to {max(ages)}"
    return ""


def main():
    # The victim and its function stand in /victim, one a line.
    program, function = open("/victim").read().split()
    say("run of a leak", complaint_about(look("run", ["run", "--", program]), function))
    leaking = subprocess.Popen([program], stdout=subprocess.DEVNULL)
    time.sleep(2)
    say("attach to a leak, the clock set meanwhile",
        complaint_about(look("attach", ["attach", str(leaking.pid)], clock=True), function, clock=True))
    leaking.kill()
    healthy = subprocess.Popen([program, "--fixed"], stdout=subprocess.DEVNULL)
    time.sleep(2)
    say("attach to the twin", complaint_about(look("twin", ["attach", str(healthy.pid)]), None))
    healthy.kill()
    os._exit(1 if wrong else 0)


main()
