"""The origin and the proxies that are compared, each with a configuration and a folder of its own."""
import os
import re
import shutil
import socket
import tempfile

from processes import Failed, Process, accepts, children, free_port, user_and_group

_HERE = os.path.dirname(os.path.abspath(__file__))
_START_ATTEMPTS = 5


def _fill_in(template, target, values):
    with open(os.path.join(_HERE, template), encoding="utf-8") as file:
        text = file.read()
    # The comment at the head of a template speaks of @ signs too, so only names that are known are replaced.
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    with open(target, "w", encoding="utf-8") as file:
        file.write(text)


class Origin:
    """The fast origin; it shares a core with the load."""

    def __init__(self, program, folder, core):
        self._process = Process([program], core, os.path.join(folder, "origin.log"))
        self.pid = self._process.pid
        self.port = self._process.await_value(self._logged_port)
        if self.port is None:
            raise Failed(f"the origin did not start: {self._process.logged().strip()}")

    def _logged_port(self):
        found = re.search(r"^ready (\d+)$", self._process.logged(), re.MULTILINE)
        return int(found[1]) if found else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stop()


class Memcached:
    """One memcached; it shares a core with the load."""

    def __init__(self, program, folder, core):
        for _ in range(_START_ATTEMPTS):
            self.port = free_port()
            self._process = Process([program, "-u", user_and_group()[0], "-l", "127.0.0.1", "-p", self.port, "-U", "0",
                                     "-t", "1", "-m", "256"], core, os.path.join(folder, "memcached.log"))
            if self._process.await_value(lambda: accepts(self.port)):
                return
            self._process.stop()
        raise Failed(f"memcached did not start: {self._process.logged().strip()[-2000:]}")

    def store(self, key, value):
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(f"set {key} 0 0 {len(value)}\r\n".encode() + value + b"\r\n")
            if connection.recv(100) != b"STORED\r\n":
                raise Failed("memcached does not store")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stop()


class Nginx:
    """nginx as a caching proxy. `pid` is its worker's: that is the one that works."""

    name = "nginx"

    def __init__(self, settings, origin_port, memcached_port):
        self._cache = tempfile.mkdtemp(prefix="weir-bench-", dir="/dev/shm")
        self._process = None
        self.pid = None
        try:
            self._start(settings, origin_port, memcached_port)
        except BaseException:
            self.__exit__()
            raise

    def _start(self, settings, origin_port, memcached_port):
        folder = os.path.join(settings.folder, "nginx")
        os.makedirs(folder, exist_ok=True)
        user, group = user_and_group()
        for _ in range(_START_ATTEMPTS):  # another process may take the port before nginx has it
            self.port = free_port()
            _fill_in("nginx.conf.in", os.path.join(folder, "nginx.conf"), {
                "DESCRIPTORS": settings.descriptors, "USER": user, "GROUP": group, "CACHE": self._cache,
                "ORIGIN": origin_port, "MEMCACHED": memcached_port, "PORT": self.port})
            self._process = Process([settings.nginx, "-p", folder, "-e", "error.log", "-c", "nginx.conf"], settings.core,
                                    os.path.join(folder, "output.log"))
            # The socket listens before there is a worker.
            if self._process.await_value(lambda: accepts(self.port)):
                self.pid = self._process.await_value(self._worker)
            if self.pid:
                return
            self._process.stop()
        raise Failed(f"nginx did not start: {self._process.logged().strip()[-2000:]}")

    def _worker(self):
        # The cache has a manager and a loader of its own, which say so in their names.
        for child in children(self._process.pid):
            with open(f"/proc/{child}/cmdline", "rb") as file:
                if b"worker process" in file.read():
                    return child
        return None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._process:
            self._process.stop()
        shutil.rmtree(self._cache, ignore_errors=True)

    @staticmethod
    def is_hit(fields):
        return fields.get("x-cache") == "HIT"


class Weir:
    name = "weir"

    def __init__(self, settings, origin_port, memcached_port):
        folder = os.path.join(settings.folder, "weir")
        os.makedirs(folder, exist_ok=True)
        config = os.path.join(folder, "weir.yaml")
        _fill_in("weir.yaml.in", config, {"ORIGIN": origin_port, "MEMCACHED": memcached_port})
        self._process = Process([settings.weir, "serve", config], settings.core, os.path.join(folder, "output.log"))
        try:
            self.port = self._process.await_value(self._logged_port)
        except BaseException:
            self._process.stop()
            raise
        if self.port is None:
            raise Failed(f"weir did not start: {self._process.logged().strip()[-2000:]}")
        self.pid = self._process.pid

    def _logged_port(self):
        found = re.search(r"listening on 127\.0\.0\.1:(\d+)$", self._process.logged(), re.MULTILINE)
        return int(found[1]) if found else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stop()

    @staticmethod
    def is_hit(fields):
        return re.search(r"weir[^,]*;\s*hit\b", fields.get("cache-status", "")) is not None


# The first is what the others are compared with.
PEERS = (Nginx, Weir)
