#!/usr/bin/python3
"""usage: scripts/demo/server.py --database FILE|URL [--port N | --socket PATH] [--name NAME] [--threads N] [--quiet]
                              [--memcached SERVER]... [--fresh SECONDS | --sessions] [--count FILE]

One CherryPy server of Flickr Killr, on 127.0.0.1, over SQLite or PostgreSQL (postgresql://HOST/NAME, which needs
python3-psycopg2); scripts/demo/fill.py makes the database. Prints "ready PORT" (or the socket's path) when it listens;
port 0, the default, lets the system choose. Any number of them may share a database. SIGTERM lets running requests end,
then stops.
--memcached, as weir's configuration has it: static files and users' pages are kept there; this needs python3-pylibmc.
--sessions: every page fetches its visitor's session from the database, and may not be kept.
"""
import argparse
import os
import socket
import sys

import cherrypy

import application
from database import Database, is_postgresql


def configure(arguments):
    cherrypy.config.update({
        "environment": "production",
        "log.screen": not arguments.quiet,
        "server.socket_host": "127.0.0.1",
        "server.socket_port": arguments.port,
        "server.socket_file": arguments.socket,
        "server.thread_pool": arguments.threads,
        "server.socket_queue_size": 128,  # with the default of 5, who comes as the sixth may have to knock again a second later
        # Refused on the head of the request; what remains of it beside the image is a few fields.
        "server.max_request_body_size": application.MAX_IMAGE_BYTES + 64 * 1024,
    })


def refuse_a_port_in_use(port):
    """CherryPy would end the process itself, with a page of traceback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen()
        except OSError as error:
            sys.exit(f"server.py: cannot listen on {port}: {error.strerror}")


def stored_pages(servers, timeout):
    """None without servers: then weir_pages and pylibmc are not needed either."""
    if not servers:
        return None
    sys.path.append(os.path.join(application.FOLDER, "..", "python"))
    import weir_pages
    try:
        return weir_pages.Pages(servers, timeout=timeout)
    except ValueError as error:
        sys.exit(f"server.py: --memcached: {error}")


def count_requests(path):
    """Adds a byte to a file for each request: all servers may share it, and its size is what they were asked."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    cherrypy.tools.count = cherrypy.Tool("on_start_resource", lambda: os.write(file, b"."))
    cherrypy.config["tools.count.on"] = True


def refuse_a_database_that_is_not_there(place):
    if is_postgresql(place):
        import postgresql
        try:
            postgresql.Connection(place).close()
        except postgresql.Error as error:
            sys.exit(f"server.py: {place}: {str(error).strip()}")
    elif not os.path.exists(place):
        sys.exit(f"server.py: {place} is not there; make it with scripts/demo/fill.py")


def main():
    parser = argparse.ArgumentParser(description="One CherryPy server of Flickr Killr.")
    parser.add_argument("--database", required=True, help="an SQLite file, or postgresql://HOST/NAME")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--socket", help="a unix socket instead of a port")
    parser.add_argument("--name", default="one", help="what X-Served-By says")
    parser.add_argument("--threads", type=int, default=10)
    parser.add_argument("--memcached", action="append", metavar="SERVER", help="keeps pages there, for weir; may be repeated")
    parser.add_argument("--memcached-timeout", type=float, default=0.05, metavar="SECONDS",
                        help="of one operation there; default: 0.05")
    pages = parser.add_mutually_exclusive_group()
    pages.add_argument("--fresh", type=int, metavar="SECONDS",
                       help="pages are, for so long, and used a minute more while a newer one is made; default: 10, and no longer")
    pages.add_argument("--sessions", action="store_true",
                       help="every page fetches its visitor's session from the database, and may not be kept")
    parser.add_argument("--count", metavar="FILE", help="adds a byte to it for each request")
    parser.add_argument("--quiet", action="store_true", help="no access log")
    arguments = parser.parse_args()
    refuse_a_database_that_is_not_there(arguments.database)
    if not arguments.socket:
        refuse_a_port_in_use(arguments.port)
    database = Database(arguments.database)
    configure(arguments)
    if arguments.count:
        count_requests(arguments.count)
    page = application.PAGE
    if arguments.fresh is not None:
        page = f"public, max-age={arguments.fresh}, stale-while-revalidate=60"
    stored = stored_pages(arguments.memcached, arguments.memcached_timeout)
    application.mount(database, arguments.name, stored, page, arguments.sessions)
    cherrypy.engine.subscribe("stop_thread", lambda thread_index: database.close())
    cherrypy.engine.signals.subscribe()
    cherrypy.engine.start()
    print("ready", arguments.socket or cherrypy.server.bound_addr[1], flush=True)
    cherrypy.engine.block()


if __name__ == "__main__":
    main()
