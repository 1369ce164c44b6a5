#!/usr/bin/python3
"""usage: wsgi_server.py cheroot|waitress|wsgiref HOST PORT

The application on a WSGI server that is a library. Prints "ready PORT"."""
import signal
import socketserver
import sys
import wsgiref.simple_server

from wsgi import application


def cheroot(host, port):
    import cheroot.wsgi
    server = cheroot.wsgi.Server((host, port), application)
    server.prepare()
    # It handles no signals itself; so an owner stops it, and running requests end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    print("ready", server.bind_addr[1], flush=True)
    try:
        server.serve()
    finally:
        server.stop()


def waitress(host, port):
    import waitress
    server = waitress.create_server(application, host=host, port=port)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    print("ready", server.effective_port, flush=True)
    server.run()


class ThreadedServer(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    daemon_threads = True


def wsgiref_(host, port):
    server = wsgiref.simple_server.make_server(host, port, application, ThreadedServer)
    print("ready", server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    {"cheroot": cheroot, "waitress": waitress, "wsgiref": wsgiref_}[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
