#!/usr/bin/env python3
"""py-thumbs: tells an image store which thumbnails are wanted.

It shows: a socket that a list keeps, in Python. A store that is being moved gets a second question later, which never
comes. The verdict can be right from native frames; the line cannot: the interpreter's frames are not Python's.
"""
import argparse
import signal
import threading
import time

import wire


class Store:
    def __init__(self, port, fixed):
        self.port = port
        self.fixed = fixed
        self.ask_again = []

    def wanted(self, name):
        """How often the thumbnail was asked for; None while its store is being moved."""
        connection = wire.dial(self.port)
        answer = wire.ask(connection, f"STOCK {name}")
        if answer.startswith("MOVED"):
            if self.fixed:
                connection.close()
            else:
                self.ask_again.append(connection)
            return None
        connection.close()
        return int(answer.split()[1])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--warehouse", default="127.0.0.1:4101")
    parser.add_argument("--rate", type=float, default=40)
    parser.add_argument("--every", type=int, default=20)
    parser.add_argument("--for", type=lambda text: float(text.rstrip("s")), default=0, dest="seconds")
    parser.add_argument("--fixed", action="store_true")
    options = parser.parse_args()

    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    store = Store(int(options.warehouse.rpartition(":")[2]), options.fixed)
    end = time.monotonic() + (options.seconds or 1e9)
    print("ready", flush=True)
    count = 0
    while time.monotonic() < end and not stopping.wait(1 / options.rate):
        count += 1
        store.wanted(f"moving-{count}" if count % options.every == 0 else f"thumb-{count}")


if __name__ == "__main__":
    main()
