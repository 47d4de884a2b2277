"""A dump of many goroutines, made of the real ones in the parsers' test data: goroutine_dump.py FILE COUNT.

Blocks are repeated under new numbers, wait times and pointers, so that a group is found by its functions and lines and by
nothing else. The mix is that of a service with a leak: few stacks have most of the goroutines.
"""
import os
import random
import re
import sys

DATA = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "src/collect/pprof/testdata")
DUMPS = ("go1.11.txt", "go1.18.txt", "go1.20.txt", "go1.22.txt", "go1.24.txt", "go1.26.txt", "trimpath.txt", "quit.txt")
VARIANTS = 40


def blocks():
    """The text of each goroutine behind its number and state, with its state."""
    found = []
    for name in DUMPS:
        with open(os.path.join(DATA, name), encoding="utf-8") as file:
            for block in file.read().strip().split("\n\n"):
                header, _, body = block.partition("\n")
                match = re.match(r"goroutine \d+(?: gp=\S+ m=\S+(?: mp=\S+)?)? \[([^],]+)", header)
                if match and body:
                    found.append((match[1], body))
    return found


def main():
    path, count = sys.argv[1], int(sys.argv[2])
    noise = random.Random(7)
    real = blocks()
    variants = []
    for state, body in real:
        for _ in range(VARIANTS):
            changed = re.sub(r"0x[0-9a-f]{10,12}\b", lambda _: f"0x{noise.randrange(0xc000000000, 0xc0ffffffff):x}", body)
            minutes = noise.choice(("", "", f", {noise.randrange(1, 900)} minutes"))
            variants.append(f" [{state}{minutes}]:\n{changed}\n\n".encode())
    weights = [1 / (1 + index // VARIANTS) for index in range(len(variants))]
    with open(path, "wb") as out:
        number = 0
        for _ in range(0, count, 10_000):
            chosen = noise.choices(variants, weights, k=min(10_000, count - number))
            out.write(b"".join(b"goroutine %d%b" % (number + index + 1, body) for index, body in enumerate(chosen)))
            number += len(chosen)


if __name__ == "__main__":
    main()
