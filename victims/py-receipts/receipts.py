#!/usr/bin/env python3
"""py-receipts: prints receipts from PostgreSQL, through psycopg2's pool.

It shows: a `getconn` without `putconn`: a transfer that is a refund has no receipt, and its session is not given back.
"""
import argparse
import signal
import threading
import time

import psycopg2.pool

import ledger


class Receipts:
    def __init__(self, dsn, fixed):
        self.pool = psycopg2.pool.ThreadedConnectionPool(1, 400, dsn)
        self.fixed = fixed

    def receipt(self, number):
        """The text of a receipt; None for a refund."""
        connection = self.pool.getconn()
        amount = ledger.amount(connection, number)
        if amount < 0:
            if self.fixed:
                self.pool.putconn(connection)
            return None
        self.pool.putconn(connection)
        return f"{number}: {amount}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--postgres", default="127.0.0.1:5432")
    parser.add_argument("--rate", type=float, default=40)
    parser.add_argument("--every", type=int, default=20)
    parser.add_argument("--for", type=lambda text: float(text.rstrip("s")), default=0, dest="seconds")
    parser.add_argument("--fixed", action="store_true")
    options = parser.parse_args()

    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    host, _, port = options.postgres.rpartition(":")
    receipts = Receipts(f"host={host} port={port} user=shop dbname=shop sslmode=disable", options.fixed)
    end = time.monotonic() + (options.seconds or 1e9)
    print("ready", flush=True)
    count = 0
    while time.monotonic() < end and not stopping.wait(1 / options.rate):
        count += 1
        # 700 * n + 100 is a refund, 700 * n + 300 a payment
        receipts.receipt(700 * (count % 5) + (100 if count % options.every == 0 else 300))


if __name__ == "__main__":
    main()
