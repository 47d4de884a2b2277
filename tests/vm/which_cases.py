"""Prints which end-to-end cases can run in the machine of scripts/vm, which has few programs and no servers of Debian's, or
the victims that they need: `which_cases.py cases`, `which_cases.py victims`."""
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))
import cases  # noqa: E402

PRESENT = {"root", "setpriv"}


def runs_there(case):
    if case.get("SERVER") or case.get("LATER") or not set(case.get("REQUIRES", "").split()) <= PRESENT:
        return False
    name, _ = case.victim
    data = json.loads((ROOT / "victims" / name / "expect.json").read_text()) if name else {"servers": []}
    return "interpreter" not in data and set(data["servers"]) <= {"peers"}


def main():
    chosen = [case for case in cases.load(ROOT / "tests/e2e/cases") if runs_there(case)]
    names = {"cases": [case.name for case in chosen], "victims": sorted({case.victim[0] for case in chosen if case.victim[0]})}
    print("\n".join(names[sys.argv[1]]))


main()
