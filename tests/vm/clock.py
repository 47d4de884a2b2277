"""In the machine of scripts/vm: a service that leaks, while the clock is set forth and back. The leak is found, and the clock
goes into no duration."""
import json
import subprocess
import sys
import time

VICTIM, FUNCTION = ["/build/victims/cpp-import"], "Importer::import_one"
REPORT = "/tmp/clock.json"


def complaint_about(report):
    # A service that is at work opens and closes while it is counted.
    if abs(report["coverage"]["drift"]) > 2 or report["coverage"]["events_lost"]:
        return f"coverage {report['coverage']}"
    found = [(finding["verdict"], (finding["blame"] or {}).get("function")) for finding in report["findings"]]
    if len(found) != 1 or found[0][0] != "leaking" or not (found[0][1] or "").startswith(FUNCTION):
        return f"{found}, not {FUNCTION}"
    ages = [one["age_seconds"] for finding in report["findings"] for one in finding["connections"]]
    if not -0.1 < min(ages) or max(ages) > 400 or report["window"]["seconds"] > 400:
        return f"the clock went into the durations: {report['window']}, ages {min(ages)} to {max(ages)}"
    return ""


def main():
    victim = subprocess.Popen(VICTIM, stdout=subprocess.DEVNULL)
    time.sleep(2)
    looking = subprocess.Popen(["/build/release/unclosed", "attach", "--for", "20s", "--scale", "0.2", "--json", "-o", REPORT, "-q",
                                str(victim.pid)], stdin=subprocess.DEVNULL)
    time.sleep(12)
    for step in (3600, -7200, 3600):
        time.clock_settime(time.CLOCK_REALTIME, time.time() + step)
        time.sleep(2)
    looking.wait(400)
    victim.kill()
    with open(REPORT) as file:
        complaint = complaint_about(json.load(file))
    print(complaint or "ok")
    print(f"{int(not complaint)} passed, {int(bool(complaint))} failed")
    return 1 if complaint else 0


sys.exit(main())
