#!/usr/bin/python3
"""usage: cherrypy_server.py HOST PORT

The application in CherryPy, as its own handlers do it. Prints "ready PORT"."""
import sys

import cherrypy

import pages


class Site:
    @cherrypy.expose
    @cherrypy.config(**{"response.stream": True, "request.process_request_body": False})
    def default(self, *_, **__):
        answer = pages.answer(_request(cherrypy.request))
        response = cherrypy.response
        response.status = f"{answer.status} {answer.reason}"
        response.headers.pop("Content-Type", None)
        for name, value in answer.fields:
            if name == "Set-Cookie":
                response.cookie.load(value)
            else:
                response.headers[name] = value
        return pages.run(answer.steps)


def _request(request):
    fields = {name.lower(): value for name, value in request.headers.items()}
    scheme = request.base.partition(":")[0]  # tools.proxy has put there what X-Forwarded-Proto says
    content = b""
    if "content-length" in fields or "transfer-encoding" in fields:
        content = request.rfile.read()
    return pages.Request(request.method, request.path_info, request.query_string, fields, scheme, request.remote.ip, content)


def main():
    cherrypy.config.update({
        "environment": "production",
        "log.screen": True,
        "server.socket_host": sys.argv[1],
        "server.socket_port": int(sys.argv[2]),
        "tools.proxy.on": True,
    })
    cherrypy.tree.mount(Site())
    cherrypy.engine.signals.subscribe()
    cherrypy.engine.start()
    print("ready", cherrypy.server.bound_addr[1], flush=True)
    cherrypy.engine.block()


if __name__ == "__main__":
    main()
