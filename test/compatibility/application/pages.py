"""The application that every server runs: the same URLs, whatever the server's interface. A form of it (wsgi.py, asgi.py and
so on) makes a Request of what the server gives and carries the Answer out.

  /page?size=N        a page with its length, not to be stored
  /pieces?size=N      the same in pieces, without a length
  /kept?size=N        to be stored for a minute
  /validated          not to be stored; answers If-None-Match
  /ranged?size=N      not to be stored; answers Range
  /empty              204
  /upload             POST: how much came, and its SHA-256
  /counted?id=N       POST: the same, and a line in the journal
  /told               what the application is told about the request, as JSON
  /redirect           to /page on the host and with the scheme that the client used, as far as the application is told
  /cookies            sets two, and says which came
  /fail               the application raises an error; /busy: 503 of its own
  /events?gate=NAME   three server-sent events; each after the first waits for its gate
  /dies?size=N&sent=N promises `size` bytes (or, without it, does not say how many) and dies after `sent` of them
  /socket             WebSocket, where the form has it: sends back what it gets

A gate is a file that whoever asked makes when the next event may come: no clock is needed to see that it did not wait.
"""
import json
import os
import time
import typing
import urllib.parse


from content import answer_to_post, content

FOLDER = os.environ["WEIR_COMPATIBILITY_FOLDER"]  # of the gates and the journal
EVENTS = 3
REASONS = {200: "OK", 204: "No Content", 206: "Partial Content", 302: "Found", 304: "Not Modified", 404: "Not Found",
           405: "Method Not Allowed", 416: "Range Not Satisfiable", 503: "Service Unavailable"}
_GATE_PATIENCE = 60
_PIECE = 4096
_TAG = '"one"'


class Request(typing.NamedTuple):
    method: str
    path: str
    query: str
    fields: dict  # by names in small letters
    scheme: str
    client: str
    content: bytes

    @property
    def target(self):
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def arguments(self):
        return dict(urllib.parse.parse_qsl(self.query))


class Gate(typing.NamedTuple):
    """To be waited for, as far as the form can: until is_open()."""
    name: str

    def is_open(self):
        return os.path.exists(os.path.join(FOLDER, self.name))


class Death:
    """The application breaks off here."""


class Answer(typing.NamedTuple):
    status: int
    fields: list
    steps: list  # bytes, Gate, Death

    @property
    def reason(self):
        return REASONS[self.status]


class Died(Exception):
    """What a form raises at a Death."""


def waits():
    """How long to sleep before looking at a gate again; it ends when nobody seems to come."""
    limit = time.monotonic() + _GATE_PATIENCE
    while time.monotonic() < limit:
        yield 0.005
    raise Died("nobody opened the gate")


def run(steps):
    """For forms with a thread for each request: the content, waiting where it has to."""
    for step in steps:
        if isinstance(step, bytes):
            yield step
        elif isinstance(step, Gate):
            for pause in waits():
                if step.is_open():
                    break
                time.sleep(pause)
        else:
            raise Died("in the middle of a response")


async def run_async(steps, sleep):
    """The same for forms with a loop."""
    for step in steps:
        if isinstance(step, bytes):
            yield step
        elif isinstance(step, Gate):
            for pause in waits():
                if step.is_open():
                    break
                await sleep(pause)
        else:
            raise Died("in the middle of a response")


def answer(request):
    page = _PAGES.get(request.path)
    if page is None:
        return _whole(404, b"There is no such page.\n")
    return page(request)


def _whole(status, body, *fields, kind="text/plain", control="no-store"):
    return Answer(status, [("Content-Type", kind), ("Content-Length", str(len(body))), ("Cache-Control", control), *fields],
                  [body])


def _size(request):
    return int(request.arguments.get("size", 1024))


def _page(request):
    return _whole(200, content(request.target, _size(request)))


def _pieces(request):
    whole = content(request.target, _size(request))
    return Answer(200, [("Content-Type", "text/plain"), ("Cache-Control", "no-store")],
                  [whole[at:at + _PIECE] for at in range(0, len(whole), _PIECE)])


def _kept(request):
    return _whole(200, content(request.target, _size(request)), ("ETag", _TAG), control="max-age=60")


def _validated(request):
    if request.fields.get("if-none-match") == _TAG:
        return Answer(304, [("ETag", _TAG), ("Cache-Control", "no-store")], [])
    return _whole(200, content(request.target, 1024), ("ETag", _TAG))


def _ranged(request):
    whole = content(request.target, _size(request))
    asked = request.fields.get("range", "").removeprefix("bytes=")
    if not asked:
        return _whole(200, whole, ("Accept-Ranges", "bytes"))
    first, _, last = asked.partition("-")
    first, last = int(first), min(int(last or len(whole)), len(whole) - 1)
    if first > last:
        return _whole(416, b"", ("Content-Range", f"bytes */{len(whole)}"))
    return _whole(206, whole[first:last + 1], ("Content-Range", f"bytes {first}-{last}/{len(whole)}"))


def _empty(request):
    return Answer(204, [("Cache-Control", "no-store")], [])


def _upload(request):
    if request.method != "POST":
        return _whole(405, b"POST, please.\n", ("Allow", "POST"))
    return _whole(200, answer_to_post(request.content))


def _counted(request):
    with open(os.path.join(FOLDER, "journal"), "a", encoding="ascii") as journal:
        journal.write(request.arguments["id"] + "\n")
    return _upload(request)


def url(request, target):
    """As a framework makes it: of what the server says, or the proxy."""
    scheme = request.fields.get("x-forwarded-proto", request.scheme)
    return f"{scheme}://{request.fields['host']}{target}"


def _told(request):
    told = {"method": request.method, "target": request.target, "client": request.client, "fields": request.fields,
            "url": url(request, request.target)}
    return _whole(200, json.dumps(told).encode(), kind="application/json")


def _redirect(request):
    return _whole(302, b"", ("Location", url(request, "/page?size=10")))


def _cookies(request):
    # A comma in a date is why two of these may never become one line.
    return _whole(200, request.fields.get("cookie", "").encode(),
                  ("Set-Cookie", "one=1; Expires=Wed, 01 Jan 2098 00:00:00 GMT; Path=/"), ("Set-Cookie", "two=2; Path=/"))


def _fail(request):
    raise RuntimeError("the application fails, as it was asked to")


def _busy(request):
    return _whole(503, b"Not now.\n", ("Retry-After", "1"))


def _events(request):
    gate = request.arguments["gate"]
    steps = [b"data: 0\n\n"]
    for number in range(1, EVENTS):
        steps += [Gate(f"{gate}-{number}"), b"data: %d\n\n" % number]
    return Answer(200, [("Content-Type", "text/event-stream"), ("Cache-Control", "no-store")], steps)


def _dies(request):
    sent = int(request.arguments["sent"])
    fields = [("Content-Type", "text/plain"), ("Cache-Control", "max-age=60")]
    if "size" in request.arguments:
        fields.append(("Content-Length", str(_size(request))))
    whole = content(request.target, sent)
    return Answer(200, fields, [*(whole[at:at + _PIECE] for at in range(0, sent, _PIECE)), Death()])


_PAGES = {"/page": _page, "/pieces": _pieces, "/kept": _kept, "/validated": _validated, "/ranged": _ranged, "/empty": _empty,
          "/upload": _upload, "/counted": _counted, "/told": _told, "/redirect": _redirect, "/cookies": _cookies,
          "/fail": _fail, "/busy": _busy, "/events": _events, "/dies": _dies}
