"""Small line servers that stand for the services of other teams: `peers.py broker=4100 warehouse=4101`.

They keep a connection open until the client closes it, as servers do: what leaks is the client's doing.
"""
import asyncio
import signal
import sys


def broker(words):
    """A message broker: says no to a stale token, and then waits for a better one."""
    if words[0] == "HELLO":
        return "ERR token expired" if words[-1] == "stale" else "OK session"
    return {"PUB": "ACK", "QUIT": None}.get(words[0], "ERR command")


def warehouse(words):
    """Stock levels; a shard that is being moved answers with its new home."""
    if words[0] == "STOCK":
        return "MOVED east-2" if words[1].startswith("moving-") else f"QTY {len(words[1]) * 7}"
    return None if words[0] == "QUIT" else "ERR command"


def feed(words):
    """Prices: asked for once, or subscribed to. Nothing moves here after the snapshot: the market is shut."""
    return {"GET": "PRICE 101.25", "SUB": "SNAPSHOT 101.25", "QUIT": None}.get(words[0], "ERR command")


def collector(words):
    """Takes measurements; asks a source that sends too much to slow down."""
    if words[0] == "PUT":
        return "SLOW 30" if words[1].startswith("batch.") else "OK"
    return None if words[0] == "QUIT" else "ERR command"


def exchange(words):
    """Worth of a portfolio, after long thought."""
    return {"VALUE": "WORTH 4711", "QUIT": None}.get(words[0], "ERR command")


PATIENCE = {"exchange": 20}  # seconds until it answers


def server(kind):
    answer = globals()[kind]

    async def serve(reader, writer):
        try:
            while line := await reader.readline():
                await asyncio.sleep(PATIENCE.get(kind, 0))
                reply = answer(line.decode(errors="replace").split() or [""])
                if reply is None:
                    break
                writer.write(reply.encode() + b"\r\n")
        except ConnectionError:
            pass
        finally:
            writer.close()
    return serve


async def main():
    running = []
    for argument in sys.argv[1:]:
        kind, port = argument.split("=")
        running.append(await asyncio.start_server(server(kind), "127.0.0.1", int(port), backlog=256))
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    print("ready", flush=True)
    await ended.wait()
    for each in running:
        each.close()


asyncio.run(main())
