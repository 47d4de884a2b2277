# Opens descriptors from Python through several of its C modules, in the same order at every run. Only the
# C side of the chains is compared; Python's own frames are not native ones.
import os
import select
import socket
import tempfile
import time

keep = []


def plain():
    keep.append(os.open("/dev/null", os.O_RDONLY))


def buffered():
    keep.append(open("/dev/null", "rb"))


def sock():
    keep.append(socket.socket(socket.AF_INET, socket.SOCK_STREAM))


def pair():
    keep.append(os.eventfd(0))


def poller():
    keep.append(select.epoll())


def nested(levels, then):
    if levels == 0:
        return then()
    return nested(levels - 1, then)


def in_map(then):
    list(map(lambda _: then(), [1]))


def in_sort(then):
    done = []

    def key(value):
        if not done:
            done.append(1)
            then()
        return value

    sorted([3, 1, 2], key=key)


for wrap in (lambda f: f(), lambda f: nested(5, f), in_map, in_sort):
    for basic in (plain, buffered, sock, pair, poller):
        wrap(basic)
print("ready", flush=True)
time.sleep(3600)
