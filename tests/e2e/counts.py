#!/usr/bin/env python3
"""Prints PASSED FAILED, as the closing lines of a test run's log say: ours, ctest's or unittest's."""
import re
import sys


def counts(text):
    passed = failed = 0
    for line in text.splitlines():
        if match := re.fullmatch(r"(\d+) passed, (\d+) failed(?:, \d+ skipped)?", line):
            passed, failed = int(match[1]), int(match[2])
        elif match := re.fullmatch(r"(\d+) of (\d+) exact, drift \d+", line):
            passed, failed = int(match[1]), int(match[2]) - int(match[1])
        elif match := re.match(r"\d+% tests passed, (\d+) tests? failed out of (\d+)", line):
            passed, failed = int(match[2]) - int(match[1]), int(match[1])
        elif match := re.match(r"Ran (\d+) tests? in ", line):
            passed = int(match[1])
        elif match := re.fullmatch(r"FAILED \((.*)\)", line):
            failed = sum(int(number) for number in re.findall(r"(?:failures|errors)=(\d+)", match[1]))
            passed -= failed
    return passed, failed


if __name__ == "__main__":
    with open(sys.argv[1], errors="replace") as log:
        print(*counts(log.read()))
