#!/usr/bin/env python3
"""Copies an ELF program and overwrites parts of it with noise: damage.py FROM TO SECTION…; `headers` is the section table.

The noise is the same each time, so that a failure can be repeated.
"""
import os
import random
import struct
import sys


def sections(data):
    """{name: (offset, size)} of a 64-bit little-endian ELF file."""
    offset, = struct.unpack_from("<Q", data, 40)
    size, count, names = struct.unpack_from("<HHH", data, 58)
    headers = [struct.unpack_from("<IIQQQQIIQQ", data, offset + index * size) for index in range(count)]
    strings = headers[names][4]
    found = {}
    for header in headers:
        start = strings + header[0]
        found[data[start:data.index(b"\0", start)].decode()] = (header[4], header[5])
    found["headers"] = (offset, size * count)
    return found


def main():
    source, target, *wanted = sys.argv[1:]
    with open(source, "rb") as file:
        data = bytearray(file.read())
    noise = random.Random(20)
    known = sections(data)
    for name in wanted:
        offset, size = known[name]
        for at in range(offset + size // 20, offset + size):
            if noise.random() < 0.2:
                data[at] = noise.randrange(256)
    with open(target, "wb") as file:
        file.write(data)
    os.chmod(target, 0o755)


if __name__ == "__main__":
    main()
