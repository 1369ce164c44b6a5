"""The servers of weighttp. Each is a context with `port`, `path`, `pids` and the `page` that it has to give, which is as long
for all; `bound` are those that can be no faster than Twisted Web.

Twisted Web has the core that serves to itself, whether it is asked directly or by a proxy: a proxy before it shares the other
core with the load."""
import contextlib
import os
import types

import peers
from processes import Served
from stage import HERE

_IN_FLIGHT = 64  # as many connections as nginx keeps to its servers


def page(name):
    """The gist's, which says by whom it was made."""
    return f"<html>Hello, world! [{name:<11}]</html>\n".encode()


_NGINX, _TWISTED = page("Nginx"), page("Twisted Web")


class Twisted(Served):
    name, path, page, bound, cached = "twisted", "/pass", _TWISTED, True, None

    def __init__(self, settings):
        super().__init__("twisted", ["/usr/bin/python3", os.path.join(HERE, "twisted_page.py"), _TWISTED.decode()],
                         settings.folder, settings.serving)
        self.pids = [self.pid]


class Nginx(peers.Nginx):
    """Gives a file, as in the gist."""

    path, page, bound, cached = "/index.html", _NGINX, False, None

    def _start(self):
        os.makedirs(self._path("files"), exist_ok=True)
        with open(self._path("files/index.html"), "wb") as file:
            file.write(self.page)
        super()._start()


class Weir(peers.Weir):
    """Fetches the page from Twisted Web once."""

    path, page, bound, cached = "/hit", _TWISTED, False, True


class PassingWeir(peers.Weir):
    name, path, page, bound, cached = "weir-twisted", "/pass", _TWISTED, True, False


class PassingNginx(peers.Nginx):
    name, path, page, bound, cached = "nginx-twisted", "/pass", _TWISTED, True, None


# In the order in which they are shown.
SERVERS = {server.name: server for server in (Nginx, Weir, Twisted, PassingWeir, PassingNginx)}
USUAL = ("nginx", "weir", "twisted", "weir-twisted")


def started(server, settings, work, twisted):
    """A context; that of Twisted Web, which is there already, ends nothing."""
    if server is Twisted:
        return contextlib.nullcontext(twisted)
    if server.bound:
        settings = types.SimpleNamespace(**{**vars(settings), "serving": settings.loading})
    return server(settings, work, twisted.port, twisted.port)  # there is no memcached, and nobody asks for it


def work(closing):
    return peers.Work(closing=closing, in_flight=_IN_FLIGHT)
