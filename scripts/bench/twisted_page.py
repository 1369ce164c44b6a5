"""The page of weighttp, from Twisted Web as it comes, but for three things that the gist did too or that nobody beside it does:
a long queue of new connections, no access log, no line for each connection. Prints "ready PORT" and serves until it is
killed. /hit may be cached for a day, everything else not at all."""
import sys

from twisted.internet import reactor
from twisted.web.resource import Resource
from twisted.web.server import Site


class Page(Resource):
    isLeaf = True

    def __init__(self, page):
        super().__init__()
        self._page = page

    def render_GET(self, request):
        cache_control = b"public, max-age=86400" if request.path == b"/hit" else b"no-store"
        request.setHeader(b"cache-control", cache_control)
        request.setHeader(b"content-type", b"text/html")
        return self._page


class QuietSite(Site):
    noisy = False

    def log(self, request):
        pass


def main():
    port = reactor.listenTCP(0, QuietSite(Page(sys.argv[1].encode())), backlog=8192, interface="127.0.0.1")
    print(f"ready {port.getHost().port}", flush=True)
    reactor.run()


if __name__ == "__main__":
    main()
