#!/usr/bin/python3
"""usage: test/support/cherrypy_app.py [--name NAME] [--threads N] [--socket PATH] [--max-body BYTES]

A real CherryPy server for tests, on 127.0.0.1 and a port of the system's choice. Prints "ready PORT" (or the path of its socket)
when it listens. Pages:

  /                 the server's name
  /big?n=N          N bytes of a pattern, with a Content-Length; /big?n=N&stream=1 the same in chunks, made as they are sent
  /echo             JSON: SHA-256 and length of the request's content, method, path, query, and the WSGI environment's HTTP_* names
  /slow             says "entered" on standard output, and answers once /release was asked for
  /cached           Cache-Control: max-age=60; the content counts how often the page ran
  /nocache          no-store, counts too
  /vary             max-age=60 and Vary: Accept-Language, counts too
  /cookie           max-age=60 with a Set-Cookie, counts too
  /die?n=N          announces 1,000,000 bytes, sends N of them, then fails
"""
import argparse
import hashlib
import json
import threading

import cherrypy

PATTERN = b"".join(b"%07d\n" % number for number in range(8192))  # 64 KiB


def pattern(size):
    """`size` bytes, in parts of at most 64 KiB."""
    while size > 0:
        part = PATTERN[:size]
        size -= len(part)
        yield part


class Pages:
    def __init__(self, name):
        self.name = name
        self.lock = threading.Lock()
        self.counts = {}
        self.released = threading.Event()

    def count(self, page):
        with self.lock:
            self.counts[page] = self.counts.get(page, 0) + 1
            return "%s %d" % (page, self.counts[page])

    @cherrypy.expose
    def index(self):
        return self.name

    @cherrypy.expose
    def big(self, n, stream=""):
        cherrypy.response.headers["Content-Type"] = "application/octet-stream"
        if not stream:
            cherrypy.response.headers["Content-Length"] = n
        return pattern(int(n))
    big._cp_config = {"response.stream": True}

    @cherrypy.expose
    @cherrypy.config(**{"request.process_request_body": False})
    def echo(self, **ignored):
        request = cherrypy.request
        digest = hashlib.sha256()
        length = 0
        if request.method in ("POST", "PUT"):
            while part := request.rfile.read(65536):
                digest.update(part)
                length += len(part)
        environment = request.wsgi_environ
        cherrypy.response.headers["Content-Type"] = "application/json"
        return json.dumps({
            "server": self.name,
            "sha256": digest.hexdigest(),
            "length": length,
            "method": request.method,
            "path": environment["PATH_INFO"],
            "target": environment.get("REQUEST_URI", ""),
            "query": environment["QUERY_STRING"],
            "environ": {key: value for key, value in environment.items()
                        if key.startswith("HTTP_") and isinstance(value, str)},
        }).encode()

    @cherrypy.expose
    def slow(self):
        print("entered", flush=True)
        self.released.wait(60)
        return "slow"

    @cherrypy.expose
    def release(self):
        self.released.set()
        return "released"

    @cherrypy.expose
    def cached(self, **ignored):
        cherrypy.response.headers["Cache-Control"] = "max-age=60"
        return self.count("cached")

    @cherrypy.expose
    def nocache(self):
        cherrypy.response.headers["Cache-Control"] = "no-store"
        return self.count("nocache")

    @cherrypy.expose
    def vary(self):
        cherrypy.response.headers["Cache-Control"] = "max-age=60"
        cherrypy.response.headers["Vary"] = "Accept-Language"
        return self.count("vary " + cherrypy.request.headers.get("Accept-Language", ""))

    @cherrypy.expose
    def cookie(self):
        cherrypy.response.headers["Cache-Control"] = "max-age=60"
        cherrypy.response.cookie["session"] = "1"
        return self.count("cookie")

    @cherrypy.expose
    def die(self, n="1000"):
        cherrypy.response.headers["Content-Length"] = "1000000"
        def content():
            yield from pattern(int(n))
            raise RuntimeError("this page fails in the middle")
        return content()
    die._cp_config = {"response.stream": True}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", default="one")
    parser.add_argument("--threads", type=int, default=10)
    parser.add_argument("--socket")
    parser.add_argument("--max-body", type=int, default=200 * 1024 * 1024)
    arguments = parser.parse_args()
    cherrypy.config.update({
        "environment": "production",
        "log.screen": False,
        "server.socket_host": "127.0.0.1",
        "server.socket_port": 0,
        "server.socket_file": arguments.socket,
        "server.thread_pool": arguments.threads,
        "server.max_request_body_size": arguments.max_body,
    })
    cherrypy.tree.mount(Pages(arguments.name))
    cherrypy.engine.signals.subscribe()
    cherrypy.engine.start()
    print("ready", arguments.socket or cherrypy.server.bound_addr[1], flush=True)
    cherrypy.engine.block()


if __name__ == "__main__":
    main()
