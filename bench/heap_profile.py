"""A large heap profile as Go writes it: heap_profile.py FILE MEGABYTES. Frames are those of the real profile in the parsers'
test data, again and again under new names, as a service with many packages has them; FILE is not compressed."""
import gzip
import os
import random
import sys

DATA = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "src/collect/pprof/testdata")
FUNCTIONS, LOCATIONS, DEPTH = 40_000, 150_000, 28


def varint(value):
    out = bytearray()
    while value > 0x7f:
        out.append(value & 0x7f | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field, value):
    return varint(field << 3) + varint(value)


def chunk(field, data):
    return varint(field << 3 | 2) + varint(len(data)) + data


def real_texts():
    """The table of texts of the real profile: names of functions and files."""
    with gzip.open(os.path.join(DATA, "heap-go1.26.pb.gz")) as file:
        data = file.read()
    at, texts = 0, []

    def read():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return value
    while at < len(data):
        tag = read()
        if tag & 7 == 0:
            read()
            continue
        size = read()
        if tag >> 3 == 6:
            texts.append(data[at:at + size].decode())
        at += size
    return texts


def main():
    path, wanted = sys.argv[1], int(sys.argv[2]) * 1_000_000
    noise = random.Random(11)
    real = [text for text in real_texts() if "." in text]
    names = [text for text in real if "/" not in text or "(" in text]
    files = [text for text in real if text.endswith(".go")]
    texts = ["", "space", "bytes", "alloc_objects", "count", "alloc_space", "inuse_objects", "inuse_space"]
    index = {text: place for place, text in enumerate(texts)}
    with open(path, "wb") as out:
        out.write(chunk(11, number(1, index["space"]) + number(2, index["bytes"])) + number(12, 524288))
        for kind, unit in (("alloc_objects", "count"), ("alloc_space", "bytes"), ("inuse_objects", "count"),
                           ("inuse_space", "bytes")):
            out.write(chunk(1, number(1, index[kind]) + number(2, index[unit])))
        tail = bytearray()
        for place in range(1, FUNCTIONS + 1):
            name = len(texts)
            texts.append(f"example.org/shop/part{place % 900}.{noise.choice(names).rsplit('/', 1)[-1]}{place}")
            texts.append(f"/srv/shop/part{place % 900}/{os.path.basename(noise.choice(files))}")
            tail += chunk(5, number(1, place) + number(2, name) + number(3, name) + number(4, name + 1))
        for place in range(1, LOCATIONS + 1):
            line = number(1, noise.randrange(1, FUNCTIONS + 1)) + number(2, noise.randrange(1, 2000))
            tail += chunk(4, number(1, place) + number(2, 1) + number(3, 0x400000 + place * 48) + chunk(4, line))
        for text in texts:
            tail += chunk(6, text.encode())
        tail += number(9, 1_790_000_000_000_000_000)
        # Many samples share their outer frames.
        outer = [b"".join(varint(noise.randrange(1, LOCATIONS + 1)) for _ in range(DEPTH - 6)) for _ in range(4000)]
        inner = [b"".join(varint(noise.randrange(1, LOCATIONS + 1)) for _ in range(3)) for _ in range(60_000)]
        size = len(tail)
        while size < wanted:
            batch = bytearray()
            for _ in range(2000):
                count, each = noise.randrange(1, 900), noise.choice((16, 48, 512, 4096))
                values = b"".join(map(varint, (count * 3, count * 3 * each, count, count * each)))
                stack = noise.choice(inner) + noise.choice(inner) + noise.choice(outer)
                label = chunk(3, number(1, index["bytes"]) + number(3, each))
                batch += chunk(2, chunk(2, values) + chunk(1, stack) + label)
            out.write(batch)
            size += len(batch)
        out.write(tail)


if __name__ == "__main__":
    main()
