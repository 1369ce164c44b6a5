"""What stands behind the proxies that are compared: the origin and memcached. Both share the cores of the load."""
import contextlib
import os
import socket
import typing

from processes import Failed, Process, Served, accepts, free_port, user_and_group

_HERE = os.path.dirname(os.path.abspath(__file__))
START_ATTEMPTS = 5  # another process may take a free port before the one that it is for


def fill_in(template, target, values):
    """Makes a configuration of the template of that name."""
    with open(os.path.join(_HERE, template), encoding="utf-8") as file:
        text = file.read()
    # The comment at the head of a template speaks of @ signs too, so only names that are known are replaced.
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    # In one step: a server may be reading the file that was there.
    with open(f"{target}.new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(f"{target}.new", target)


class Origin(Served):
    """The fast origin."""

    def __init__(self, program, folder, cores):
        super().__init__("origin", [program], folder, cores)


class Memcached(contextlib.AbstractContextManager):
    """One memcached with one thread."""

    def __init__(self, program, folder, cores):
        for _ in range(START_ATTEMPTS):
            self.port = free_port()
            self._process = Process([program, "-u", user_and_group()[0], "-l", "127.0.0.1", "-p", self.port, "-U", "0",
                                     "-t", "1", "-m", "256"], cores, os.path.join(folder, "memcached.log"))
            self.pid = self._process.pid
            if self._process.await_value(lambda: accepts(self.port)):
                return
            self._process.stop()
        raise Failed(f"memcached did not start: {self._process.logged().strip()[-2000:]}")

    def store(self, key, value):
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(f"set {key} 0 0 {len(value)}\r\n".encode() + value + b"\r\n")
            if connection.recv(100) != b"STORED\r\n":
                raise Failed("memcached does not store")

    def __exit__(self, *_):
        self._process.stop()


class Servers(typing.NamedTuple):
    origin: Origin
    memcached: Memcached
