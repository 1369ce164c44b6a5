"""What is known not to work directly, or not through weir either, and why. Whatever differs from this is a failure: a server
that is said not to do what it does, too."""
import typing

ALL = "all"


class Known(typing.NamedTuple):
    check: str
    servers: tuple  # names of servers or of an interface
    directly: bool
    through: bool
    why: str


_UWSGI = ("uwsgi-http", "uwsgi-http-kept", "uwsgi-http11")

KNOWN = (
    Known("restart", (ALL,), False, True,
          "A server that restarts refuses connections and breaks off responses. Behind weir another one answers: no GET failed; "
          "a POST that was under way when its server ended is not repeated, and gets a 502."),
    Known("keep-alive", ("gunicorn-sync", "uwsgi-http", "wsgiref"), False, True,
          "It closes after each response. weir keeps the client's connection."),
    Known("head", ("cheroot", "gunicorn-sync", "gunicorn-gthread", "gunicorn-gevent", *_UWSGI, "waitress", "wsgiref", "aiohttp",
                   "daphne"), False, True,
          "It sends the content that an application gives to HEAD, which the client takes for the next response. weir uses no "
          "connection again on which HEAD was answered."),
    Known("304", ("uwsgi-http-kept", "aiohttp"), False, True,
          "A last chunk follows 304 or 204, which have no content. weir does not use such a connection again."),
    Known("chunked", ("uwsgi-http", "uwsgi-http11"), False, True,
          "A response without a length ends with the connection. weir sends it in chunks."),
    Known("chunked", ("wsgiref",), False, True,
          "It does not read chunks, and a response without a length ends with the connection. weir sends the length of an upload, "
          "which it has read, and chunks to the client."),
    Known("chunked", ("twisted-wsgi",), False, True,
          "An application sees nothing of an upload in chunks, which has no CONTENT_LENGTH. weir sends the length."),
    Known("continue", _UWSGI, False, True,
          "It does not answer Expect (uWSGI does with http-manage-expect). weir does."),
    Known("continue", ("wsgiref",), False, True, "It does not answer Expect (uWSGI does with http-manage-expect). weir does."),
    Known("streamed", _UWSGI, False, False, "Expect is not answered: such a server needs weir to read uploads first, the default."),
    Known("streamed", ("wsgiref", "twisted-wsgi"), False, False,
          "Chunks, and Expect with wsgiref, are beyond it: it needs weir to read uploads first, the default."),
    Known("slow-upload", ("cherrypy", "cheroot", "gunicorn-sync", "gunicorn-gthread", "mod_wsgi"), False, True,
          "As many slow uploads as it has threads keep everybody else waiting. weir reads them first."),
    Known("slow-upload", _UWSGI, False, True,
          "Slow uploads hold its threads, and are dropped after 4 s of silence. weir reads them first."),
    Known("websocket", ("wsgi", "cherrypy"), False, False, "WSGI has no WebSocket, and CherryPy needs ws4py for it."),
    Known("websocket", ("twisted",), False, False, "Twisted Web needs autobahn for it."),
    Known("errors", ("uwsgi-http", "uwsgi-http11"), False, False,
          "Where an application raises an error before its response began, uWSGI closes without a word: 502 through weir."),
    Known("errors", ("uwsgi-http-kept",), False, False,
          "Where an application raises an error before its response began, the router leaves the client waiting: 504 through weir "
          "after timeouts.first_byte."),
    Known("cut", ("uwsgi-http-kept", "mod_wsgi", "tornado"), False, False,
          "When an application dies in the middle of a response without a length, the server itself writes the last chunk: nobody "
          "can tell. With a Content-Length it is cut through weir."),
    Known("cut", ("uwsgi-http", "wsgiref"), False, False,
          "A response without a length ends with the connection: nobody can tell whether its application died. With a "
          "Content-Length it is cut through weir."),
    Known("cut", ("uwsgi-http11",), False, True,
          "When an application dies in the middle, uWSGI leaves the client waiting for 4 s; then what has no length looks whole. "
          "Through weir it is cut if timeouts.read is shorter (here 2 s)."),
    Known("cut", ("daphne",), False, True,
          "When an application dies in the middle, daphne leaves the client waiting. weir cuts the response after timeouts.read."),
)


def known(server, interface, check):
    """What is known of this check with this server; None when nothing is, and it should work both ways."""
    for one in KNOWN:
        if one.check == check and {ALL, server, interface} & set(one.servers):
            return one
    return None
