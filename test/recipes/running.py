"""The servers of the recipes, and weir in front of them, on ports of the system's choice."""
import contextlib
import http.client
import json
import os
import re
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
RECIPES = os.path.join(ROOT, "conf", "recipes")
sys.path.insert(0, os.path.join(ROOT, "scripts", "bench"))

from processes import Failed, Process  # noqa: E402

WEIR = os.environ.get("WEIR") or os.path.join(ROOT, "build", "release", "weir")
_PYTHON = "/usr/bin/python3"  # Debian's, since that is where Django, CherryPy and waitress are
_START_SECONDS = 60
_STOP_SECONDS = 60  # weir drains for 30 at most, and then a sanitizer looks for leaks
# What a recipe says of this machine, once each, and what it is here. Nothing else of it is changed.
_PLACES = {'listen: ":80"': "listen: 127.0.0.1:0",
           "admin: {listen: 127.0.0.1:8881}": "admin: {listen: 127.0.0.1:0}",
           "log: {access: /var/log/weir/access.log}": "log: {access: off}"}
SERVERS = ("127.0.0.1:9001", "127.0.0.1:9002")


def recipe(name):
    with open(os.path.join(RECIPES, name), encoding="utf-8") as file:
        return file.read()


def max_in_flight(name):
    """What a recipe sends a server at once, by all its upstreams."""
    return sum(int(count) for count in re.findall(r"^    max_in_flight: (\d+)", recipe(name), re.MULTILINE))


def in_its_place(text, ports):
    """A recipe's YAML with the addresses of a test."""
    places = {**_PLACES, **{was: f"127.0.0.1:{port}" for was, port in zip(SERVERS, ports, strict=True)}}
    for was, now in places.items():
        if text.count(was) != 1:
            raise Failed(f"the recipe has {was} {text.count(was)} times instead of once")
        text = text.replace(was, now)
    return text


class Logged(contextlib.AbstractContextManager):
    """A process whose log says, by this expression, on which port it listens."""

    def __init__(self, folder, name, arguments, expression):
        self.process = Process(arguments, None, os.path.join(folder, f"{name}.log"))
        try:
            self.port = self.process.await_value(lambda: self.logged_port(expression), _START_SECONDS)
            if self.port is None:
                raise Failed(f"{name} did not start: {self.process.logged().strip()[-2000:]}")
        except BaseException:
            self.process.stop()
            raise

    def logged_port(self, expression):
        found = re.search(expression, self.process.logged(), re.MULTILINE)
        return int(found[1]) if found else None

    def __exit__(self, *_):
        self.process.stop()


class Weir(Logged):
    def __init__(self, folder, config):
        super().__init__(folder, "weir", [WEIR, "serve", config], r" listening on 127\.0\.0\.1:(\d+)$")

    def __exit__(self, *_):
        self.process.stop(_STOP_SECONDS)
        if self.process.status() != 0:  # a sanitizer has spoken, too
            raise Failed(f"weir ended with status {self.process.status()}: {self.process.logged().strip()[-2000:]}")


def cherrypy_server(folder, name):
    return Logged(folder, name, [_PYTHON, "-B", os.path.join(HERE, "cherrypy_site.py")], r"^ready (\d+)$")


def gunicorn(folder, name):
    return Logged(folder, name, ["gunicorn", "--config", os.path.join(RECIPES, "gunicorn.conf.py"), "--bind", "127.0.0.1:0",
                                 "--pythonpath", HERE, "django_site"], r"Listening at: http://127\.0\.0\.1:(\d+) ")


def uwsgi(folder, name):
    return Logged(folder, name, ["uwsgi", "--ini", os.path.join(folder, "uwsgi.ini"), "--http11-socket", "127.0.0.1:0",
                                 "--wsgi-file", os.path.join(HERE, "wsgi_site.py")], r"bound to TCP address 127\.0\.0\.1:(\d+) ")


def waitress(folder, name):
    return Logged(folder, name, [_PYTHON, "-B", os.path.join(HERE, "wsgi_site.py")], r"^ready (\d+)$")


class Site(contextlib.ExitStack):
    """Two servers of a kind and weir with the recipe in front of them."""

    def __init__(self, recipe_name, start, folder):
        super().__init__()
        with contextlib.ExitStack() as started:
            ports = [started.enter_context(start(folder, name)).port for name in ("one", "two")]
            config = os.path.join(folder, "weir.yaml")
            with open(config, "w", encoding="utf-8") as file:
                file.write(in_its_place(recipe(recipe_name), ports))
            weir = started.enter_context(Weir(folder, config))
            self.port = weir.port
            self.admin_port = weir.logged_port(r" admin on 127\.0\.0\.1:(\d+)$")
            self.push(started.pop_all())

    def status(self):
        return json.loads(self.ask("/status", port=self.admin_port, Host="localhost")[1])

    def ask(self, target, method="GET", content=None, port=None, client="127.0.0.1", **fields):
        """(response, content as text), on a connection of its own from the address `client`. Field names have _ for -."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=60, source_address=(client, 0))
        try:
            given = {name.replace("_", "-"): value for name, value in fields.items()}
            connection.request(method, target, content, {"Host": "www.example.org", **given})
            response = connection.getresponse()
            return response, response.read().decode()
        finally:
            connection.close()


def folder():
    return tempfile.TemporaryDirectory(prefix="weir-recipes-")
