"""Compares a report with what a victim's expect.json says. Pure: data in, complaints out.

The lines of a victim are found by markers in its sources, so that an edit does not break them:
`// LEAK[used,opened]: name` says that a finding of marker `name` may blame this line in these roles.
"""
import os
import pathlib
import re

MARKER = re.compile(r"(?://|#)\s*LEAK\[([a-z, ]+)\]:\s*([\w-]+)")
SOURCES = {".go", ".cc", ".h", ".rs", ".py"}


def markers(folder):
    """{marker: {(file name, line): {role, …}}} of all sources of a victim."""
    found = {}
    for path in sorted(pathlib.Path(folder).rglob("*")):
        if path.suffix not in SOURCES:
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = MARKER.search(line)
            if match:
                roles = {role.strip() for role in match.group(1).split(",")}
                found.setdefault(match.group(2), {})[(path.name, number)] = roles
    return found


def plain_function(name):
    """A function's name without what symbolizers differ in: hash, closures of async, arguments, ABI tags."""
    name = re.sub(r"::h[0-9a-f]{16}$", "", name)
    name = re.sub(r"::\{(\{closure\}|closure(_env)?#\d+|async_fn(_env)?#\d+|async_block(_env)?#\d+)\}", "", name)
    name = name.replace("(anonymous namespace)::", "").replace("{anonymous}::", "")
    name = re.sub(r"\[abi:\w+\]", "", name)
    if "::" in name or re.match(r"^[\w ]+\(", name):  # C++: cut the arguments
        name = re.sub(r"(?<!operator)\(.*$", "", name)
        name = name.split(" ")[-1] if "operator" not in name and "<" not in name else name
    return name


def blames(finding, expected, lines):
    """Whether the finding blames one of the marked lines."""
    blame = finding.get("blame")
    if expected.get("blame", "line") is None:
        return blame is None and bool(finding.get("blame_reason"))
    if not blame and expected.get("blame") == "line or null":
        return bool(finding.get("blame_reason"))
    if not blame:
        return False
    choices = [expected] + expected.get("also", [])
    for choice in choices:
        roles = lines.get(choice["marker"], {}).get((os.path.basename(blame.get("file") or ""), blame.get("line")))
        if roles and blame.get("role") in roles and plain_function(blame["function"]) == plain_function(choice["function"]):
            return True
    return False


def fits(finding, expected, lines, values):
    if finding.get("verdict") not in expected.get("verdict", ["leaking"]):
        return False
    return names(finding, expected, lines, values)


def names(finding, expected, lines, values):
    """Whether the finding is about what is expected and blames a right line, whatever its verdict."""
    if finding.get("kind") not in expected["kind"].split("|"):
        return False
    if "peer" in expected and finding.get("peer") != fill(expected["peer"], values):
        return False
    return blames(finding, expected, lines)


def fill(text, values):
    """Replaces {name} by its value; everything else stays."""
    return re.sub(r"\{([\w.-]+)\}", lambda match: str(values.get(match.group(1), match.group(0))), text)


def describe(finding):
    blame = finding.get("blame")
    where = "no line"
    if blame:
        where = f"{blame.get('role')} {blame.get('function')} {os.path.basename(blame.get('file') or '?')}:{blame.get('line')}" \
                f" ({blame.get('rule')})"
    return f"{finding.get('verdict')} {finding.get('count')} {finding.get('kind')} {finding.get('peer')}: {where}"


def on_rung(expected, rung):
    """What is expected on a rung that sees less: `"seccomp": {"blame": null}`, `{"blame": "line or null"}` where
    that depends on when it is looked, or `{"missed": why}` for no finding at all."""
    return {**expected, **expected.get(rung, {})}


def complaints_about_leak(report, expectation, folder, values):
    """What is wrong with the findings on a victim; empty when they are right."""
    lines = markers(folder)
    findings = report.get("findings", [])
    complaints = []
    wanted_here = [on_rung(expected, report.get("rung")) for expected in expectation["findings"]]
    for expected in wanted_here:
        if "missed" in expected:
            continue
        if not any(fits(finding, expected, lines, values) for finding in findings):
            wanted = "blame null" if expected.get("blame", "line") is None else \
                f"{expected['function']} at " + " or ".join(
                    f"{file}:{line}[{','.join(sorted(roles))}]"
                    for (file, line), roles in sorted(lines.get(expected["marker"], {}).items()))
            complaints.append(f"not found: {expected['kind']} {fill(expected.get('peer', ''), values)} {wanted}")
    for finding in findings:
        if any(names(finding, expected, lines, values) for expected in wanted_here):
            continue
        unnamed = finding.get("blame") is None and any(
            finding.get("kind") in expected["kind"].split("|") for expected in wanted_here)
        if unnamed:  # older than the attach, and honest about it
            continue
        complaints.append(f"wrong: {describe(finding)}")
    return complaints


def complaints_about_silence(report):
    return [f"a finding on a healthy service: {describe(finding)}" for finding in report.get("findings", [])]


def complaints_about_diagnosis(report, diagnosis):
    """Whether some group or limit that is no finding is said to suffer from it."""
    seen = [entry.get("diagnosis") for entry in report.get("groups", []) + report.get("limits", [])]
    return [] if diagnosis in seen else [f"no group or limit is diagnosed {diagnosis}: {seen}"]


def complaints_about_verdict(report, verdict):
    seen = [finding.get("verdict") for finding in report.get("findings", [])]
    return [] if verdict in seen else [f"no finding is {verdict}: {seen}"]


def complaints_about_evidence(report, kind):
    seen = sorted({one.get("kind") for finding in report.get("findings", []) for one in finding.get("evidence", [])})
    return [] if kind in seen else [f"no finding has the evidence {kind}: {seen}"]


def complaints_about_report(report):
    complaints = []
    if report.get("schema") != "unclosed.report/1":
        complaints.append(f"schema is {report.get('schema')!r}")
    for key in ("processes", "window", "rung", "coverage", "limits", "findings", "groups", "stacks"):
        if key not in report:
            complaints.append(f"the report has no '{key}'")
    return complaints
