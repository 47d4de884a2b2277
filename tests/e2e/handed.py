#!/usr/bin/env python3
"""A parent that dials, forks, and closes: each child has the connection alone. With --used it works on it, else it forgets it."""
import os
import socket
import sys
import threading
import time

CHILDREN = 15


def serve(listener):
    """The peer, a process of its own: answers every byte."""
    def answer(connection):
        while data := connection.recv(64):
            connection.sendall(data)

    while True:
        connection, _ = listener.accept()
        threading.Thread(target=answer, args=(connection,), daemon=True).start()


def ask(connection):
    connection.sendall(b"x")
    connection.recv(1)


def child(connection, parent):
    while os.getppid() == parent:
        time.sleep(0.2)
        if "--used" in sys.argv:
            ask(connection)
    os._exit(0)


def main():
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    here = os.getpid()
    if os.fork() == 0:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        while os.getppid() == here:
            time.sleep(0.2)
        os._exit(0)
    address = listener.getsockname()
    listener.close()
    time.sleep(5)   # by then somebody looks
    for _ in range(CHILDREN):
        connection = socket.create_connection(address)
        ask(connection)
        if os.fork() == 0:
            child(connection, here)
        connection.close()
        time.sleep(0.3)
    while True:
        time.sleep(60)


main()
