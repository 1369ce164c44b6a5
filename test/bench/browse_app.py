"""For browse_test.py: a CherryPy server with a page that sets a session cookie, and files that want it back. Prints "ready
PORT"; /seen says how often each path was asked for, by which sessions and over how many connections."""
import collections
import threading

import cherrypy

PAGE = """<!doctype html><html><head><title>x</title>
<link rel="stylesheet" href="/files/style.css?a=1&amp;b=2"><link rel=canonical href="/other">
<!-- <script src="/files/commented.js"></script> -->
<script defer src = 'files/script.js'></script></head>
<body><IMG alt="a > b" SRC=./files/x/../photo.png#top><img src="http://127.0.0.1:1/elsewhere.png"><img src="data:,x">
<img src="/files/photo.png"></body></html>"""


class Application:
    def __init__(self):
        self._lock = threading.Lock()
        self._sessions = 0
        self._seen = collections.defaultdict(lambda: {"requests": 0, "sessions": set(), "connections": set()})

    def _see(self):
        request = cherrypy.request
        cookie = request.cookie.get("session")
        with self._lock:
            seen = self._seen[request.path_info + (f"?{request.query_string}" if request.query_string else "")]
            seen["requests"] += 1
            seen["sessions"].add(cookie.value if cookie else None)
            seen["connections"].add(request.remote.port)
        return cookie

    @cherrypy.expose
    def index(self, **_):
        if not self._see():
            with self._lock:
                self._sessions += 1
            cherrypy.response.headers["Set-Cookie"] = f"session=s{self._sessions}; Path=/; HttpOnly"
        return PAGE

    @cherrypy.expose
    def files(self, *_, **__):
        if not self._see():
            raise cherrypy.HTTPError(403)
        return b"x" * 1000

    @cherrypy.expose
    @cherrypy.config(**{"response.stream": True})
    def cut(self):
        self._see()
        cherrypy.response.headers["Content-Length"] = "1000"

        def parts():
            yield b"only this"
            raise RuntimeError("an application that dies in mid-body")

        return parts()

    @cherrypy.expose
    @cherrypy.tools.json_out()
    def seen(self):
        with self._lock:
            return {path: {"requests": of["requests"], "sessions": sorted(map(str, of["sessions"])),
                           "connections": len(of["connections"])} for path, of in self._seen.items()}


if __name__ == "__main__":
    cherrypy.config.update({"environment": "production", "log.screen": False, "server.socket_host": "127.0.0.1",
                            "server.socket_port": 0, "server.thread_pool": 20})
    cherrypy.tree.mount(Application())
    cherrypy.engine.signals.subscribe()
    cherrypy.engine.start()
    print("ready", cherrypy.server.bound_addr[1], flush=True)
    cherrypy.engine.block()
