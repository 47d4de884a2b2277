"""The line protocol of the stores."""
import socket


def dial(port):
    return socket.create_connection(("127.0.0.1", port), timeout=5)


def ask(connection, line):
    connection.sendall(line.encode() + b"\n")
    answer = b""
    while not answer.endswith(b"\n"):
        more = connection.recv(256)
        if not more:
            raise ConnectionError("the store hung up")
        answer += more
    return answer.decode().strip()
