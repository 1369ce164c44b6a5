"""The servers that are compared, each with a configuration and a folder of its own, never the system's service.

A peer is a context: it listens on `port` of 127.0.0.1 once it is made, and is stopped at the end. `pids` are the processes
that do its work; is_hit() says from the fields of a response (small letters) whether it came from the cache."""
import contextlib
import dataclasses
import os
import re
import shutil
import signal
import tempfile

from processes import Failed, Process, accepts, children, free_port, user_and_group
from servers import START_ATTEMPTS, fill_in


@dataclasses.dataclass(frozen=True)
class Work:
    """What a workload wants of a peer beyond what all want."""

    content_bytes: int = 1024  # of each response, for the peer that has only one
    closing: bool = False      # each request comes with "Connection: close", for the same one
    workers: int = 1           # more than one share the cores with the load
    logs: bool = False         # a line of JSON for each request, into a file in memory
    memory_mib: int = 256      # of the cache
    pages: bool = False        # that the application put into memcached
    counted: bool = False      # under callgrind
    in_flight: int = 0         # requests that weir lets the origin have at once, the others wait; 0: all of them


class _Peer(contextlib.AbstractContextManager):
    def __init__(self, settings, work, origin_port, memcached_port):
        self._settings, self._work = settings, work
        self._origin_port, self._memcached_port = origin_port, memcached_port
        self._folder = os.path.join(settings.folder, "peers", self.name)
        os.makedirs(self._folder, exist_ok=True)
        self.memory_folder = tempfile.mkdtemp(prefix=f"{self.name}-", dir=settings.memory_folder)
        self.access_log = os.path.join(self.memory_folder, "access.log") if work.logs else None
        self._process = None
        self.pids = []
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise

    def _path(self, name):
        return os.path.join(self._folder, name)

    def _run(self, arguments):
        cores = self._settings.serving if self._work.workers == 1 else self._settings.serving | self._settings.loading
        self._process = Process(arguments, cores, self._path("output.log"))
        return self._process

    def _run_on_free_port(self, arguments, template, values):
        """`arguments` is called for each attempt. It may listen before all the processes that work are there."""
        for _ in range(START_ATTEMPTS):
            self.port = free_port()
            fill_in(template, self._path(template.removesuffix(".in")), {
                **values, "PORT": self.port, "ORIGIN": self._origin_port, "MEMCACHED": self._memcached_port,
                "MEMORY": self._work.memory_mib})
            self._run(arguments())
            if self._process.await_value(lambda: accepts(self.port)):
                self.pids = self._process.await_value(self._working) or []
            if self.pids:
                return
            self._process.stop()
        raise Failed(f"{self.name} did not start: {self._process.logged().strip()[-2000:]}")

    def _working(self):
        return [self._process.pid] if self._process.alive() else None

    def __exit__(self, *_):
        if self._process:
            self._process.stop()
        shutil.rmtree(self.memory_folder, ignore_errors=True)

    @staticmethod
    def is_hit(fields):
        return fields.get("x-cache") == "HIT"


def is_nginx_worker(pid):
    """The cache has a manager and a loader of its own, which say so in their names. The loader ends a minute after the start."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return b"worker process" in file.read()
    except (FileNotFoundError, ProcessLookupError):
        return False


class Nginx(_Peer):
    """A caching proxy whose cache is files in memory."""

    name = "nginx"

    def _start(self):
        user, group = user_and_group()
        log = f"access_log {self.access_log} json buffer=64k flush=1s" if self.access_log else "access_log off"
        self._run_on_free_port(
            lambda: [self._settings.nginx, "-p", self._folder, "-e", "error.log", "-c", "nginx.conf"], "nginx.conf.in", {
                "DESCRIPTORS": self._settings.descriptors, "USER": user, "GROUP": group, "LOG": log,
                "CACHE": os.path.join(self.memory_folder, "cache"), "WORKERS": self._work.workers,
                "LISTEN": "reuseport" if self._work.workers > 1 else ""})

    def _working(self):
        workers = [child for child in children(self._process.pid) if is_nginx_worker(child)]
        return workers if len(workers) == self._work.workers else None


class Haproxy(_Peer):
    name = "haproxy"

    def _start(self):
        self._run_on_free_port(lambda: [self._settings.haproxy, "-db", "-f", self._path("haproxy.cfg")], "haproxy.cfg.in", {})


class Varnish(_Peer):
    """Its working folder, with the shared log, is in memory; threads are many, since each request takes one."""

    name = "varnish"

    def _start(self):
        self._run_on_free_port(self._arguments, "default.vcl.in", {})

    def _arguments(self):
        parameters = ("thread_pools=1", "thread_pool_min=500", "thread_pool_max=5000", "timeout_idle=600",
                      "backend_idle_timeout=600", "listen_depth=4096", "default_grace=0", "default_keep=0")
        return [self._settings.varnishd, "-F", "-j", "none", "-n", os.path.join(self.memory_folder, "varnish"), "-T", "none",
                "-a", f"127.0.0.1:{self.port}", "-f", self._path("default.vcl"), "-s", f"malloc,{self._work.memory_mib}m",
                *(part for parameter in parameters for part in ("-p", parameter))]

    def _working(self):
        return children(self._process.pid) or None  # the first process only minds the other


class Weir(_Peer):
    name = "weir"

    def _start(self):
        self._config = self._path("weir.yaml")
        self.configure("")
        command = [self._settings.weir, "serve", self._config]
        if self._work.counted:
            self.counts = self._path("callgrind.out")
            command = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={self.counts}", *command]
        self._run(command)
        self.port = self._process.await_value(self._logged_port, 60)
        if self.port is None:
            raise Failed(f"weir did not start: {self._process.logged().strip()[-2000:]}")
        self.pids = [self._process.pid]

    def configure(self, more_servers):
        """Writes its configuration, with more servers than the origin if need be; reload() makes weir read it."""
        log = f"{{access: {self.access_log}, format: json}}" if self.access_log else "{access: off}"
        # Without pages no memcached: it would be a second level of the cache, which no other peer has.
        memcached = f"{{servers: [127.0.0.1:{self._memcached_port}]}}" if self._work.pages else "off"
        # Who is over it waits, longer than anybody has patience for.
        limit = f"max_in_flight: {self._work.in_flight}\n    queue: {{length: 10000, timeout: 60s}}"
        pages = '{key: "page:{path}", content_type: text/html}' if self._work.pages else "off"
        fill_in("weir.yaml.in", self._config, {
            "WORKERS": self._work.workers, "LOG": log, "ORIGIN": self._origin_port, "MORE_SERVERS": more_servers,
            "MEMORY": self._work.memory_mib, "MEMCACHED": memcached, "PAGES": pages, "LIMIT": limit if self._work.in_flight else ""})

    def reload(self):
        self._process.signal(signal.SIGHUP)

    def reloads(self):
        """How often it has taken a changed configuration."""
        return len(re.findall(r"reloaded: generation \d+: (?!nothing changed)", self._process.logged()))

    def _logged_port(self):
        found = re.search(r"listening on 127\.0\.0\.1:(\d+)$", self._process.logged(), re.MULTILINE)
        return int(found[1]) if found else None

    @staticmethod
    def is_hit(fields):
        return re.search(r"weir[^,]*;\s*hit\b", fields.get("cache-status", "")) is not None


class Bare(_Peer):
    """The limit: it has one response and gives it to whatever is asked."""

    name = "bare"

    def _start(self):
        closing = ["close"] if self._work.closing else []
        self._run([self._settings.bare, self._work.content_bytes, *closing])
        self.port = int(self._process.ready())
        self.pids = [self._process.pid]

    @staticmethod
    def is_hit(fields):
        del fields
        return True


# In the order in which they are shown.
PEERS = {peer.name: peer for peer in (Nginx, Haproxy, Varnish, Weir, Bare)}
