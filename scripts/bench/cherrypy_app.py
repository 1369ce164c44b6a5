#!/usr/bin/python3
"""usage: scripts/bench/cherrypy_app.py [--held FILE]

A CherryPy server with everything as it comes (10 threads, an accept queue of 5) on 127.0.0.1 and a port of the system's
choice. Prints "ready PORT". What ?size=N asks for is told by its target (content.py), so that whoever asked can check it:

  /quick    after 5 ms of waiting, as for a database
  /page     the same without the wait; neither is to be stored
  /kept     to be stored for an hour
  /upload   POST; says how much it read, and its SHA-256
  /X/get, /X/post   the same as /page and /upload

--held: a line for every request, once its thread has handed the last byte to the system: PATH BY START MICROSECONDS, BY being
what the target says in by=, START that of time.monotonic(). It counts from when the thread took the connection: what a
client that reads or sends slowly costs, were it let near, is in it.
"""
import argparse
import functools
import time
import urllib.parse

import cherrypy
import cheroot.server
from cherrypy._cpwsgi_server import CPWSGIHTTPRequest

from content import answer_to_post, content

_WAIT = 0.005
_PART = 65536  # cheroot copies all that is left of a part each time that the system takes some of it


class Request(CPWSGIHTTPRequest):
    def respond(self):
        self.conn.asked = self.uri
        return super().respond()


class Connection(cheroot.server.HTTPConnection):
    held = None
    asked = None

    def communicate(self):
        start = time.monotonic()
        self.asked = None
        try:
            return super().communicate()
        finally:
            if self.held and self.asked:
                split = urllib.parse.urlsplit(self.asked.decode("latin-1"))
                by = urllib.parse.parse_qs(split.query).get("by", ["-"])[0]
                self.held.write(f"{split.path} {by} {start:.6f} {(time.monotonic() - start) * 1e6:.0f}\n")


def target():
    return cherrypy.request.wsgi_environ["REQUEST_URI"]


def says(cache_control):
    def decorate(page):
        @functools.wraps(page)
        def decorated(self, *arguments, **query):
            cherrypy.response.headers["Cache-Control"] = cache_control
            cherrypy.response.headers["Content-Type"] = "application/octet-stream"
            return page(self, *arguments, **query)
        return decorated
    return decorate


class Pages:
    @cherrypy.expose
    @says("no-store")
    def quick(self, size="1024", **ignored):
        time.sleep(_WAIT)
        return content(target(), int(size))

    @cherrypy.expose
    @cherrypy.config(**{"response.stream": True})
    @says("no-store")
    def page(self, size="1048576", **ignored):
        cherrypy.response.headers["Content-Length"] = size
        whole = memoryview(content(target(), int(size)))
        return (bytes(whole[at:at + _PART]) for at in range(0, len(whole), _PART))

    @cherrypy.expose
    @says("public, max-age=3600")
    def kept(self, size="1024", **ignored):
        return content(target(), int(size))

    @cherrypy.expose
    @cherrypy.config(**{"request.process_request_body": False})
    @says("no-store")
    def upload(self, **ignored):
        received = bytearray()
        while part := cherrypy.request.rfile.read(65536):
            received += part
        return answer_to_post(received)

    # /cherrypy7/get and /cherrypy7/post: the same for every lane of the keepalive workload.
    @cherrypy.expose
    @cherrypy.config(**{"request.process_request_body": False})
    def default(self, *path, **query):
        return self.upload(**query) if path[-1] == "post" else self.page(**query)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--held", metavar="FILE")
    given = parser.parse_args()
    if given.held:
        Connection.held = open(given.held, "w", encoding="utf-8", buffering=1)
    cheroot.server.HTTPServer.ConnectionClass = Connection
    cherrypy.config.update({
        "environment": "production",
        "log.screen": False,
        "server.socket_host": "127.0.0.1",
        "server.socket_port": 0,
    })
    cherrypy.tree.mount(Pages())
    cherrypy.engine.signals.subscribe()
    cherrypy.engine.start()
    Connection.RequestHandlerClass = Request  # where CherryPy has put its own
    print("ready", cherrypy.server.bound_addr[1], flush=True)
    cherrypy.engine.block()


if __name__ == "__main__":
    main()
