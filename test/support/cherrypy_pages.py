#!/usr/bin/python3
"""usage: test/support/cherrypy_pages.py --memcached SERVER [--template TEMPLATE]

A real CherryPy server for tests that keeps its pages in memcached by scripts/python/weir_pages.py, on 127.0.0.1 and a port of
the system's choice. Prints "ready PORT" when it listens. Each page says which run of a page it is:

  /news         tagged "news"
  /list?page=N  tagged "list"
  /forget?path=PATH  by POST: deletes the page of that path and host
  /purge?tag=TAG     by POST: purges what has the tag
"""
import argparse
import os
import sys
import threading

import cherrypy

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts", "python"))
import weir_pages  # noqa: E402


class Site:
    _cp_config = {"tools.weir_pages.on": True}

    def __init__(self, pages):
        self.pages = pages
        self.lock = threading.Lock()
        self.runs = 0

    def answer(self, what, tag):
        cherrypy.response.headers["Cache-Control"] = "max-age=600"
        cherrypy.response.headers["Surrogate-Key"] = tag
        with self.lock:
            self.runs += 1
            return "%s, run %d" % (what, self.runs)

    @cherrypy.expose
    def news(self):
        return self.answer("news", "news")

    @cherrypy.expose
    def list(self, page="1"):
        return self.answer("page " + page, "list")

    @cherrypy.expose
    @cherrypy.tools.allow(methods=["POST"])
    def forget(self, path):
        return str(self.pages.delete(cherrypy.request.headers["X-Forwarded-Host"], path))

    @cherrypy.expose
    @cherrypy.tools.allow(methods=["POST"])
    def purge(self, tag):
        return str(self.pages.purge_tags(tag))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--memcached", required=True)
    parser.add_argument("--template", default="page:{host}{path}")
    arguments = parser.parse_args()
    pages = weir_pages.Pages([arguments.memcached], template=arguments.template, timeout=10)
    cherrypy.tools.weir_pages = pages.tool()
    cherrypy.config.update({
        "environment": "production",
        "log.screen": False,
        "server.socket_host": "127.0.0.1",
        "server.socket_port": 0,
    })
    cherrypy.tree.mount(Site(pages))
    cherrypy.engine.signals.subscribe()
    cherrypy.engine.start()
    print("ready", cherrypy.server.bound_addr[1], flush=True)
    cherrypy.engine.block()


if __name__ == "__main__":
    main()
