"""Every server: how it is started with the application, and what weir's configuration says of it."""
import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import typing

from processes import Failed, Process, accepts, free_port

_HERE = os.path.dirname(os.path.abspath(__file__))
_CONTENT = os.path.join(_HERE, "..", "..", "scripts", "bench", "content.py")
_PYTHON = "/usr/bin/python3"  # Debian's own, since that is where the servers are
_START_ATTEMPTS = 5
_UWSGI = ("uwsgi-core", "uwsgi-plugin-python3")


class Kind(typing.NamedTuple):
    interface: str  # wsgi, asgi or native
    packages: tuple  # of Debian
    command: typing.Callable  # (host, port, folder) -> arguments
    in_flight: int = 8  # how many requests it works on at once: weir's max_in_flight
    keepalive: str = "{idle_timeout: auto}"  # as weir's configuration says it
    reloads_by: int = 0  # a signal, where it has one for that


def _script(name, *arguments):
    return lambda host, port, folder: [_PYTHON, "-u", f"{folder}/application/{name}", *arguments, host, port]


def _gunicorn(worker, *options, application="wsgi:application"):
    return lambda host, port, folder: [_PYTHON, "-m", "gunicorn", "--bind", f"{host}:{port}", "--worker-class", worker,
                                       *options, application]


def _uvicorn(http):
    return lambda host, port, folder: [_PYTHON, "-m", "uvicorn", "--host", host, "--port", port, "--http", http,
                                       "asgi:application"]


def _uwsgi(*options):
    return lambda host, port, folder: ["uwsgi", *(option.format(address=f"{host}:{port}") for option in options), "--master",
                                       "--need-app", "--die-on-term", "--module", "wsgi:application", "--threads", 8]


def _apache(host, port, folder):
    path = os.path.join(folder, f"apache-{port}")
    os.makedirs(path, exist_ok=True)
    with open(os.path.join(_HERE, "apache.conf.in"), encoding="utf-8") as file:
        text = file.read()
    # Apache does not work as root, and mod_wsgi neither; another user's processes stay those of that user.
    user = "User www-data\nGroup www-data" if os.getuid() == 0 else ""
    for name, value in {"USER": user, "FOLDER": path, "LISTEN": f"{host}:{port}",
                        "APPLICATION": os.path.join(folder, "application")}.items():
        text = text.replace(f"@{name}@", value)
    with open(os.path.join(path, "apache.conf"), "w", encoding="utf-8") as file:
        file.write(text)
    return ["/usr/sbin/apache2", "-f", os.path.join(path, "apache.conf"), "-DFOREGROUND"]


KINDS = {
    "cherrypy": Kind("native", ("python3-cherrypy3",), _script("cherrypy_server.py"), in_flight=10),
    "cheroot": Kind("wsgi", ("python3-cheroot",), _script("wsgi_server.py", "cheroot"), in_flight=10),
    "gunicorn-sync": Kind("wsgi", ("gunicorn",), _gunicorn("sync", "--workers", 2), 2, reloads_by=signal.SIGHUP),
    "gunicorn-gthread": Kind("wsgi", ("gunicorn",), _gunicorn("gthread", "--threads", 8), reloads_by=signal.SIGHUP),
    "gunicorn-gevent": Kind("wsgi", ("gunicorn", "python3-gevent"), _gunicorn("gevent"), reloads_by=signal.SIGHUP),
    "gunicorn-uvicorn": Kind("asgi", ("gunicorn", "python3-uvicorn", "python3-websockets"),
                             _gunicorn("uvicorn.workers.UvicornWorker", application="asgi:application"),
                             reloads_by=signal.SIGHUP),
    # It closes after each response, and does not say so: a POST that follows at once would be lost.
    "uwsgi-http": Kind("wsgi", _UWSGI, _uwsgi("--plugins", "http,python3", "--http", "{address}", "--http-chunked-input"),
                       keepalive="off", reloads_by=signal.SIGHUP),
    "uwsgi-http-kept": Kind("wsgi", _UWSGI, _uwsgi("--plugins", "http,python3", "--http", "{address}", "--http-chunked-input",
                                                   "--http-keepalive", "--http-auto-chunked"), reloads_by=signal.SIGHUP),
    # Each connection that is kept holds one of its threads.
    "uwsgi-http11": Kind("wsgi", _UWSGI, _uwsgi("--plugins", "python3", "--http11-socket", "{address}"), keepalive="off",
                         reloads_by=signal.SIGHUP),
    "waitress": Kind("wsgi", ("python3-waitress",), _script("wsgi_server.py", "waitress"), 4),
    "mod_wsgi": Kind("wsgi", ("apache2-bin", "libapache2-mod-wsgi-py3"), _apache, reloads_by=signal.SIGUSR1),
    "wsgiref": Kind("wsgi", ("python3",), _script("wsgi_server.py", "wsgiref")),
    "twisted": Kind("native", ("python3-twisted",), _script("twisted_server.py", "native")),
    "twisted-wsgi": Kind("wsgi", ("python3-twisted",), _script("twisted_server.py", "wsgi")),
    "tornado": Kind("native", ("python3-tornado",), _script("tornado_server.py")),
    "aiohttp": Kind("native", ("python3-aiohttp",), _script("aiohttp_server.py")),
    "uvicorn": Kind("asgi", ("python3-uvicorn", "python3-httptools", "python3-websockets"), _uvicorn("httptools")),
    "uvicorn-h11": Kind("asgi", ("python3-uvicorn", "python3-h11", "python3-websockets"), _uvicorn("h11")),
    "hypercorn": Kind("asgi", ("python3-hypercorn",),
                      lambda host, port, folder: [_PYTHON, "-m", "hypercorn", "--bind", f"{host}:{port}", "asgi:application"]),
    "daphne": Kind("asgi", ("daphne",),
                   lambda host, port, folder: ["/usr/bin/daphne", "--proxy-headers", "-b", host, "-p", port, "asgi:application"]),
}


def missing(names):
    """The packages that these servers need and that are not installed."""
    wanted = sorted({package for name in names for package in KINDS[name].packages})
    state = ["dpkg-query", "-W", "-f", "${db:Status-Status}"]
    return [package for package in wanted
            if subprocess.run([*state, package], capture_output=True, text=True, check=False).stdout != "installed"]


def lay_out(folder):
    """Puts the application where every user may read it; Apache's processes are another's."""
    os.chmod(folder, 0o755)
    target = shutil.copytree(os.path.join(_HERE, "application"), os.path.join(folder, "application"),
                             ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(_CONTENT, target)
    journal = os.path.join(folder, "journal")
    with open(journal, "w", encoding="ascii"):
        os.chmod(journal, 0o666)


def own_address():
    """An address of loopback that nobody else has, so that nobody takes a port there while its server restarts."""
    return "127." + ".".join(str(64 + secrets.randbelow(128)) for _ in range(3))


class Server(contextlib.AbstractContextManager):
    """One server at (host, port), which stay the same when it restarts."""

    def __init__(self, name, number, folder):
        self.kind = KINDS[name]
        self.name = name
        self.host = own_address()
        self._folder = folder
        self._log = os.path.join(folder, f"{name}-{number}.log")
        for _ in range(_START_ATTEMPTS):
            self.port = free_port(self.host)
            if self._start():
                return
            self.stop()
        raise Failed(f"{name} did not start: {self._process.logged().strip()[-2000:]}")

    @property
    def address(self):
        return self.host, self.port

    def _start(self):
        command = ["env", "-C", f"{self._folder}/application", f"PYTHONPATH={self._folder}/application",
                   "PYTHONDONTWRITEBYTECODE=1", f"WEIR_COMPATIBILITY_FOLDER={self._folder}"]
        self._process = Process([*command, *self.kind.command(self.host, self.port, self._folder)], None, self._log)
        return self._process.await_value(lambda: accepts(self.port, self.host), 30)

    def restart(self):
        self.stop()
        if not self._start():
            raise Failed(f"{self.name} did not start again: {self._process.logged().strip()[-2000:]}")

    def reload(self):
        self._process.signal(self.kind.reloads_by)

    def logged(self):
        return self._process.logged()

    def stop(self):
        self._process.stop()

    def __exit__(self, *_):
        self.stop()
