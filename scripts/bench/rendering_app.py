#!/usr/bin/python3
"""A Twisted Web server, as in the mail, one of whose pages takes --milliseconds (140) of the processor to render, in the
thread of the reactor. /uncached, /lasting and /expiring are the same page and say how long it may be kept. Appends a line
"NUMBER DATE" to --journal when a rendering is done, and prints "ready PORT"."""
import argparse
import time

from twisted.internet import reactor
from twisted.web import resource, server

import rendering

KEPT = {
    b"uncached": b"no-store",
    b"lasting": b"max-age=3600",
    b"expiring": b"max-age=1, stale-while-revalidate=600",
}


class Renderer:
    def __init__(self, seconds, journal):
        self._seconds = seconds
        self._journal = open(journal, "w", encoding="ascii", buffering=1)
        self._number = 0

    def render(self):
        # Of the processor: what others take of it meanwhile does not count as work.
        end = time.thread_time() + self._seconds
        self._number += 1
        number, date = self._number, round(time.time(), 6)
        while True:
            made = rendering.page(number, date)
            if time.thread_time() >= end:
                break
        self._journal.write(f"{number:09d} {date:.6f}\n")
        return made


class Page(resource.Resource):
    isLeaf = True

    def __init__(self, renderer, cache_control):
        super().__init__()
        self._renderer = renderer
        self._cache_control = cache_control

    def render_GET(self, request):
        request.setHeader(b"Cache-Control", self._cache_control)
        request.setHeader(b"Content-Type", b"text/plain; charset=us-ascii")
        return self._renderer.render()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--milliseconds", type=float, default=140)
    parser.add_argument("--journal", required=True)
    given = parser.parse_args()
    renderer = Renderer(given.milliseconds / 1000, given.journal)
    root = resource.Resource()
    for name, cache_control in KEPT.items():
        root.putChild(name, Page(renderer, cache_control))
    # Twisted's own backlog of 50 would have the system drop most of 4,000 connections that come at once.
    port = reactor.listenTCP(0, server.Site(root), backlog=4096, interface="127.0.0.1")
    print("ready", port.getHost().port, flush=True)
    reactor.run()


if __name__ == "__main__":
    main()
