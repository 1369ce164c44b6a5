"""One rung of the ladder by one peer: what serves there, the load, and the figures."""
import contextlib
import http.client
import json
import os
import re
import statistics
import subprocess
import time

import stage
from ladder_servers import DEMO, Apache, CherryPy, Nginx, Weir
from processes import Failed, children, cpu_seconds, ended_children_seconds
from servers import Memcached

FILES = ("camera.svg", "gallery.js", "paper.png", "style.css")
_PHOTOS = 10   # of the user whose page it is; on average a user has as many
_WARM = 1      # seconds of load before those that count
_PATIENCE = 10


class Page:
    """The page that is loaded, and what has to be on it and in its files."""

    def __init__(self, postgres):
        found = postgres.ask(f"SELECT user_id FROM photos GROUP BY user_id HAVING count(*) = {_PHOTOS} ORDER BY user_id LIMIT 1")
        self.user = postgres.ask(f"SELECT name FROM users WHERE id = {found[0]}")[0]
        self.path = f"/user/{self.user}"
        self.targets = [self.path, *(f"/static/{name}" for name in FILES)]
        self._titles = postgres.ask(f"SELECT title FROM photos WHERE user_id = {found[0]} ORDER BY id DESC")
        self._files = {}
        for name in FILES:
            with open(os.path.join(DEMO, "static", name), "rb") as file:
                self._files[f"/static/{name}"] = file.read()

    def load(self, port):
        """As a browser without cookies, one request after the other; what is not right is a failure."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        with contextlib.closing(connection):
            for target in self.targets:
                connection.request("GET", target)
                response = connection.getresponse()
                content = response.read()
                if response.status != 200 or not self._right(target, content):
                    raise Failed(f"{target}: status {response.status}, and not what it should be: {content[:1000]!r}")

    def _right(self, target, content):
        if target in self._files:
            return content == self._files[target]
        text = content.decode()
        titles = re.findall(r'<span class="title">(.*?)</span>', text)
        return f"<h1>{self.user}</h1>" in text and f"{len(self._titles)} photos" in text and titles == self._titles


class Run(contextlib.AbstractContextManager):
    """Everything serves, and the page is right, once it is made; then measure() as often as is liked."""

    def __init__(self, rung, peer, settings, postgres, page):
        self._rung, self._peer, self._settings, self._page = rung, peer, settings, page
        self._kinds = {"PostgreSQL": lambda: [postgres.pid, *children(postgres.pid)]}  # processes, for the figures
        self._turns = []
        with contextlib.ExitStack() as started:
            self._start(postgres.url, started)
            self._await_right()
            # What would be left of pages that take long is still made in the seconds that count.
            self._warmed = {} if rung.slow else self._browse(_WARM)["errors"]
            self._started = started.pop_all()

    def _start(self, database, started):
        if self._peer == "apache":
            apache = started.enter_context(Apache(self._settings.apache2, database))
            self._port, self._count, self._kinds["apache"] = apache.port, apache.count, apache.pids
            return
        rung, settings = self._rung, self._settings
        self._count = stage.log_path(f"ladder-{self._peer}.count")
        with open(self._count, "wb"):
            pass
        memcached = None
        if rung.memcached:
            server = started.enter_context(Memcached(settings.memcached, stage.FOLDER, None))
            memcached, self._kinds["memcached"] = server.port, lambda: [server.pid]
        servers = [started.enter_context(CherryPy(f"{self._peer}-{name}", database, self._count, rung, memcached,
                                                  plain=self._peer == "nginx")) for name in ("one", "two")[:rung.servers]]
        self._kinds["CherryPy"] = lambda: [pid for server in servers for pid in server.pids()]
        ports = [server.port for server in servers]
        if self._peer == "cherrypy":
            self._port = ports[0]
            return
        if self._peer == "weir":
            proxy = started.enter_context(Weir(settings.weir, rung.weir(ports, memcached)))
        else:
            proxy = started.enter_context(Nginx(settings.nginx, settings.memory_folder, settings.descriptors, rung.nginx(), ports,
                                                memcached))
        self._port, self._kinds[self._peer] = proxy.port, proxy.pids

    def _reached(self):
        """How many requests the application has been asked, by its own count."""
        return os.path.getsize(self._count)

    def _await_right(self):
        """Looks at the page and its files until they come as they should here: from the application, or not from there."""
        limit = time.monotonic() + _PATIENCE
        while True:
            before = self._reached()
            self._page.load(self._port)
            reached = self._reached() - before
            # One that is fetched behind a stale page is none too many.
            if reached == self._rung.reach or (self._rung.fresh and reached == 1):
                return
            if time.monotonic() > limit:
                raise Failed(f"{self._rung.name} by {self._peer}: of a page and its files {reached} requests reach the "
                             f"application, not {self._rung.reach}")

    def _browse(self, seconds):
        """The load; what browse found, which says of every response whether it was right."""
        found = stage.log_path("ladder-browse.json")
        with contextlib.suppress(FileNotFoundError):
            os.remove(found)
        done = subprocess.run([os.path.join(stage.HERE, "browse"), "--browsers", str(self._settings.browsers), "--seconds",
                               str(seconds), "--warm", "0", "--json", found,
                               *(f"http://127.0.0.1:{self._port}{target}" for target in self._page.targets)],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if not os.path.exists(found):
            raise Failed(f"browse ended with status {done.returncode}: {done.stdout.strip()[-2000:]}")
        with open(found, encoding="utf-8") as file:
            return json.load(file)

    def _used(self):
        """Processor time of each kind of process so far; processes that are gone are not in it, as those of CGI."""
        used = {"load": ended_children_seconds()}
        for kind, pids in self._kinds.items():
            used[kind] = 0
            for pid in pids():
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    used[kind] += cpu_seconds(pid)
        return used

    def measure(self, seconds):
        reached, used = self._reached(), self._used()
        found = self._browse(seconds)
        now = self._used()
        found["reached"] = self._reached() - reached
        found["used"] = {kind: now[kind] - used[kind] for kind in now}
        self._page.load(self._port)
        if not found["pages"]:
            raise Failed(f"{self._rung.name} by {self._peer}: no page came rightly in {found['seconds']} s: {found['errors']}")
        self._turns.append(found)

    def result(self):
        """Of all turns; the p99 is the median of theirs."""
        def total(measure):
            return sum(turn[measure] for turn in self._turns)

        seconds, pages = total("seconds"), total("pages")
        return {"value": total("requests") / seconds, "requests": total("requests"), "reached": total("reached"),
                "pages_per_second": pages / seconds,
                "mean_ms": sum(turn["page"]["mean_ms"] * turn["pages"] for turn in self._turns) / pages,
                "p99_ms": statistics.median(turn["page"]["p99_ms"] for turn in self._turns),
                "errors": sum(self._warmed.values()) + sum(sum(turn["errors"].values()) for turn in self._turns),
                "cores": {kind: sum(turn["used"][kind] for turn in self._turns) / seconds for kind in self._turns[0]["used"]},
                "turns": self._turns}

    def __exit__(self, *_):
        self._started.close()
