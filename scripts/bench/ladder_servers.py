"""What serves on the rungs of the ladder: Apache with the CGI script, CherryPy, weir, nginx. Each listens on `port` of 127.0.0.1
once it is made, and `pids()` are the processes that do its work."""
import contextlib
import os
import shutil
import tempfile

import stage
from peers import is_nginx_worker
from postgres import unprivileged_user
from processes import Failed, Process, accepts, children, free_port, temporary_folder, user_and_group
from servers import START_ATTEMPTS, fill_in

_PYTHON = "/usr/bin/python3"  # Debian's, for which there is CherryPy
DEMO = os.path.join(stage.ROOT, "scripts", "demo")


class _OnFreePort(contextlib.AbstractContextManager):
    """A server with a configuration that names its port."""

    def _start(self, name, arguments, configure, user=None):
        for _ in range(START_ATTEMPTS):
            self.port = free_port()
            configure()
            self._process = Process(arguments, None, stage.log_path(f"ladder-{name}.log"), user=user)
            if self._process.await_value(lambda: accepts(self.port)):
                return
            self._process.stop()
        raise Failed(f"{name} did not start: {self._process.logged().strip()[-2000:]}")

    def __exit__(self, *_):
        if self._process:
            self._process.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


class Apache(_OnFreePort):
    """With a copy of the demo, since its user may not be allowed to look where this is."""

    def __init__(self, program, database):
        self._process, user = None, unprivileged_user()
        self._folder = temporary_folder("weir-apache")
        try:
            shutil.copytree(DEMO, os.path.join(self._folder, "site"), ignore=shutil.ignore_patterns("__pycache__"))
            self.count = os.path.join(self._folder, "count")
            with open(self.count, "wb"):
                pass
            if user:
                for folder, _, files in os.walk(self._folder):
                    for path in (folder, *(os.path.join(folder, name) for name in files)):
                        shutil.chown(path, user)
            config = os.path.join(self._folder, "apache.conf")
            self._start("apache", [program, "-f", config, "-DFOREGROUND"], lambda: fill_in("apache.conf.in", config, {
                "FOLDER": self._folder, "PORT": self.port, "DATABASE": database, "COUNT": self.count}), user)
        except BaseException:
            self.__exit__()
            raise

    def pids(self):
        return [self._process.pid, *children(self._process.pid)]


class Nginx(_OnFreePort):
    def __init__(self, program, memory_folder, descriptors, locations, ports, memcached):
        self._process = None
        self._folder = tempfile.mkdtemp(prefix="nginx-", dir=memory_folder)
        user, group = user_and_group()
        values = {"DESCRIPTORS": descriptors, "USER": user, "GROUP": group, "CACHE": os.path.join(self._folder, "cache"),
                  "SERVERS": " ".join(f"server 127.0.0.1:{port};" for port in ports), "LOCATIONS": locations,
                  "MEMCACHED": memcached or 1}  # unused, but it has to be a port
        try:
            self._start("nginx", [program, "-p", self._folder, "-e", "error.log", "-c", "nginx.conf"], lambda: fill_in(
                "ladder.nginx.conf.in", os.path.join(self._folder, "nginx.conf"), {**values, "PORT": self.port}))
        except BaseException:
            self.__exit__()
            raise

    def pids(self):
        return [child for child in children(self._process.pid) if is_nginx_worker(child)]


class Weir(stage.Weir):
    def pids(self):
        return [self.process.pid]


class CherryPy(stage.Served):
    def __init__(self, name, database, count, rung, memcached=None, plain=False):
        """plain: what lies in memcached is for nginx."""
        script = os.path.join(stage.HERE, "plain_server.py") if plain else os.path.join(DEMO, "server.py")
        options = ["--sessions"] if rung.fresh is None else ["--fresh", rung.fresh]
        if memcached:
            options += ["--memcached", f"127.0.0.1:{memcached}"]
        super().__init__(f"ladder-{name}", [_PYTHON, "-u", script, "--database", database, "--name", name, "--quiet",
                                            "--count", count, *options])

    def pids(self):
        return [self.process.pid]
