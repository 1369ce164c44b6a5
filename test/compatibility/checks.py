"""What is asked of each server, directly and through weir. A check raises No with the reason, or gives what is worth telling."""
import hashlib
import json
import os
import time
import typing

from client import PATIENCE, Connection, Cut, Ended, Garbled, Silent, WebSocket, chunk, head
from content import content
from no import No, wanted
from restart import restart

_REQUESTS = 20
_SIZE = 100_000
_HOST = "www.example.org:8080"
_TRUSTED = "127.0.0.9"  # whom weir's configuration believes
_TIMES = 10  # for what goes wrong by chance, where something that comes late meets what weir asks next
_MOMENT = 0.2  # seconds in which it comes
_BRIEFLY = 10  # seconds, for what may well not come


class Site(typing.NamedTuple):
    """The application as it is reached one way."""
    address: tuple
    server: object  # the one that answers; another restarts beside it
    folder: str
    front: object = None  # weir, on that way
    notes: dict = {}  # what the direct way found, for the other

    def connection(self, **options):
        return Connection(self.address, **options)

    def ask(self, method, target, body=None, source="127.0.0.1", **fields):
        with self.connection(source=source) as connection:
            return connection.ask(method, target, body, **fields)


def page_is_right(response, target, size):
    wanted(response.status == 200, f"status {response.status}")
    wanted(response.content == content(target, size), f"{len(response.content)} bytes that are not the page")


def still_in_step(site, connection, response):
    """Nothing follows a response that does not belong to it, which weir would take for the answer to a POST. A server may end
    the connection without having said so; weir may not."""
    if response.closes or not site.front:
        stray = connection.stray(_BRIEFLY if response.closes else _MOMENT)
        wanted(not stray, f"{len(stray)} stray bytes follow the response")
    if response.closes:
        return
    try:
        response = connection.ask("POST", "/upload", b"in step")
    except (Ended, BrokenPipeError):
        wanted(not site.front, "the connection ended though it was to be kept")
        return
    upload_is_right(response, b"in step")


def upload_is_right(response, body):
    wanted(response.status == 200, f"status {response.status}")
    said = response.content.decode(errors="replace").split()
    wanted(said == [str(len(body)), hashlib.sha256(body).hexdigest()], f"the application got {' '.join(said)[:40]}")


def keep_alive(site):
    opened = "weir_upstream_connections_opened_total"
    before = site.front.metrics().get(opened, 0) if site.front else 0
    count = _connections_for_requests(site)
    if not site.front:
        site.notes["kept"] = count == 1
        wanted(count == 1, f"{count} connections for {_REQUESTS} requests")
        return None
    wanted(count == 1, f"{count} connections of the client for {_REQUESTS} requests")
    behind = site.front.metrics()[opened] - before
    if site.notes.get("kept") and site.server.kind.keepalive != "off":
        wanted(behind <= 2, f"{behind:.0f} connections to a server that keeps them")
    return f"to the server {behind:.0f} for {_REQUESTS} requests"


def _connections_for_requests(site):
    count, number, connection = 0, 0, None
    while number < _REQUESTS:
        if not connection:
            connection, count = site.connection(), count + 1
            fresh = True
        target = f"/page?size=1000&n={number}"
        try:
            response = connection.ask("GET", target)
        except Ended:
            if fresh:
                raise
            ended = True
        else:
            page_is_right(response, target, 1000)
            ended, number = response.closes, number + 1
        fresh = False
        if ended:
            connection.socket.close()
            connection = None
    if connection:
        connection.socket.close()
    return count


def answers_to_head(site):
    for target, length in (("/page?size=50000", "50000"), ("/pieces?size=50000", None)):
        for _ in range(_TIMES if site.front else 1):
            with site.connection() as connection:
                response = connection.ask("HEAD", target)
                wanted(response.status == 200, f"status {response.status}")
                if length:
                    wanted(response.get("Content-Length") == length, f"Content-Length: {response.get('Content-Length')}")
                still_in_step(site, connection, response)


def not_modified(site):
    response = site.ask("GET", "/validated")
    page_is_right(response, "/validated", 1024)
    tag = response.get("ETag")
    for _ in range(_TIMES if site.front else 1):
        for status, target, fields in ((304, "/validated", {"If_None_Match": tag}), (204, "/empty", {})):
            with site.connection() as connection:
                response = connection.ask("GET", target, **fields)
                wanted(response.status == status, f"status {response.status} instead of {status}")
                wanted(status != 304 or response.get("ETag") == tag, f"ETag: {response.get('ETag')}")
                still_in_step(site, connection, response)
    if site.front:  # and what weir has stored: by itself
        page_is_right(site.ask("GET", "/kept?size=1000"), "/kept?size=1000", 1000)
        response = site.ask("GET", "/kept?size=1000", If_None_Match=tag)
        wanted(response.status == 304, f"status {response.status} from the cache")


def chunked(site):
    failures = []
    try:
        _upload_in_chunks(site, "/upload")
    except (No, Cut, Silent, Garbled, OSError) as failed:
        failures.append(f"requests: {failed}")
    target = f"/pieces?size={_SIZE}"
    response = site.ask("GET", target)
    page_is_right(response, target, _SIZE)
    if response.framing == "close":
        failures.append("responses: they end with the connection")
    wanted(not failures, "; ".join(failures))


def _upload_in_chunks(site, target):
    body = content("chunks", _SIZE)
    with site.connection(patience=PATIENCE if site.front else _BRIEFLY) as connection:
        connection.send(head("POST", target, Transfer_Encoding="chunked"))
        for at, size in ((0, 1), (1, 10_000), (10_001, _SIZE)):
            connection.send(chunk(body[at:at + size]))
        connection.send(b"0\r\n\r\n")
        upload_is_right(connection.response(), body)


def continues(site, target="/upload"):
    body = content("continue", 1000)
    with site.connection(patience=PATIENCE if site.front else _BRIEFLY) as connection:
        connection.send(head("POST", target, len(body), Expect="100-continue"))
        try:
            response = connection.head()
        except Silent:
            raise No("no 100 came") from None
        wanted(response.status == 100, f"status {response.status} instead of 100")
        connection.send(body)
        upload_is_right(connection.response(), body)


def upload(site, target="/upload"):
    body = content("upload", 1024 * 1024)
    with site.connection() as connection:
        response = connection.ask("POST", target, body)
        upload_is_right(response, body)
        still_in_step(site, connection, response)


def streamed(site):
    """Uploads of each kind on a route where weir does not read them first: the server itself has to take them as they come."""
    target = "/streamed/upload" if site.front else "/upload"
    failures = []
    for name, ask in (("100", continues), ("chunks", _upload_in_chunks), ("length", upload)):
        try:
            ask(site, target)
        except (No, Cut, Silent, Garbled, OSError) as failed:
            failures.append(f"{name}: {failed}")
    wanted(not failures, "; ".join(failures))


def slow_uploads(site):
    """More of them than the server does at once, and a page meanwhile."""
    body, part = content("slow", 10_000), 500
    connections = [site.connection() for _ in range(site.server.kind.in_flight + 1)]
    try:
        for connection in connections:
            connection.send(head("POST", "/upload", len(body)) + body[:part])
        time.sleep(0.3)
        with site.connection(patience=PATIENCE if site.front else _BRIEFLY) as visitor:
            try:
                page_is_right(visitor.ask("GET", "/page?size=100"), "/page?size=100", 100)
                held_up = False
            except Silent:
                held_up = True
        for at in range(part, len(body), part):
            for connection in connections:
                connection.send(body[at:at + part])
            time.sleep(0.01)
        for connection in connections:
            upload_is_right(connection.response(), body)
    finally:
        for connection in connections:
            connection.socket.close()
    wanted(not held_up, f"{len(connections)} slow uploads keep everybody else waiting")


def events(site):
    gate = f"gate-{os.urandom(4).hex()}"
    late = []
    with site.connection() as connection:
        connection.request("GET", f"/events?gate={gate}")
        connection.wait_at_most(PATIENCE if site.front else _BRIEFLY)
        got = b""
        parts = None
        for number in range(3):
            expected = got + b"data: %d\n\n" % number
            try:
                if parts is None:
                    response = connection.head()
                    wanted(response.status == 200, f"status {response.status}")
                    parts = connection.parts(response)
                while got != expected:
                    wanted(expected.startswith(got), f"it sent {got!r}")
                    got += next(parts)
            except Silent:
                late.append(number)
                break
            _open(site, f"{gate}-{number + 1}")
        if not late:
            wanted(not b"".join(parts), "something follows the last event")
    for number in range(1, 3):  # nobody is left waiting
        _open(site, f"{gate}-{number}")
    wanted(not late, f"event {late} does not come before the next was made")


def _open(site, gate):
    with open(os.path.join(site.folder, gate), "w", encoding="ascii"):
        pass


def websocket(site):
    with site.connection() as connection:
        socket = WebSocket(connection, "/socket")
        wanted(socket.response.status == 101, f"status {socket.response.status}")
        for kind, data in ((WebSocket.TEXT, b"Hello"), (WebSocket.BINARY, content("binary", 60_000)),
                           (WebSocket.TEXT, "Grüße".encode())):
            socket.send(kind, data)
            wanted(socket.receive() == (kind, data), "what comes back is not what was sent")
        socket.send(WebSocket.PING, b"there?")
        wanted(socket.receive() == (WebSocket.PONG, b"there?"), "no pong")
        socket.send(WebSocket.TEXT, b"close")
        kind, data = socket.receive()
        wanted((kind, data[:2]) == (WebSocket.CLOSE, b"\x03\xe8"), f"frame {kind} instead of the close")


def urls(site):
    target = "/told?a=%2F%20b&c=1"
    told = json.loads(site.ask("GET", target, Host=_HOST).content)
    wanted(told["url"] == f"http://{_HOST}{target}", f"the application sees itself at {told['url']}")
    location = site.ask("GET", "/redirect", Host=_HOST).get("Location")
    wanted(location == f"http://{_HOST}/page?size=10", f"Location: {location}")
    if not site.front:
        return None
    # Who is not believed.
    told = json.loads(site.ask("GET", target, Host=_HOST, X_Forwarded_For="192.0.2.1", X_Forwarded_Host="evil.example",
                               X_Forwarded_Proto="https").content)
    said = {name: told["fields"].get(f"x-forwarded-{name}") for name in ("for", "host", "proto")}
    wanted(said == {"for": "127.0.0.1", "host": _HOST, "proto": "http"}, f"a client's own X-Forwarded-*: {said}")
    wanted(told["url"] == f"http://{_HOST}{target}", f"a client made the application see itself at {told['url']}")
    # Who is: what is before weir speaks TLS.
    fields = {"Host": _HOST, "X_Forwarded_For": "203.0.113.7", "X_Forwarded_Proto": "https"}
    told = json.loads(site.ask("GET", target, source=_TRUSTED, **fields).content)
    said = {name: told["fields"].get(f"x-forwarded-{name}") for name in ("for", "host", "proto")}
    wanted(said == {"for": "203.0.113.7", "host": _HOST, "proto": "https"}, f"X-Forwarded-* of a trusted proxy: {said}")
    location = site.ask("GET", "/redirect", source=_TRUSTED, **fields).get("Location")
    wanted(location == f"https://{_HOST}/page?size=10", f"Location: {location}, where the client speaks https")
    return f"the client's address is {'the server' if told['client'] == '203.0.113.7' else 'the application'}'s to take"


def cookies(site):
    for _ in range(2):
        response = site.ask("GET", "/cookies", Cookie="a=1; b=2")
        came = response.values("Set-Cookie")
        wanted([line.partition(";")[0] for line in came] == ["one=1", "two=2"], f"Set-Cookie: {came}")
        wanted(response.content == b"a=1; b=2", f"Cookie: {response.content!r} at the application")


def ranges(site):
    # What is kept is for weir alone: it cuts the parts itself.
    for page in ("/ranged", "/kept") if site.front else ("/ranged",):
        target = f"{page}?size={_SIZE}"
        whole = content(target, _SIZE)
        for asked, first, last in (("100-199", 100, 199), ("90000-", 90_000, _SIZE - 1)):
            response = site.ask("GET", target, Range=f"bytes={asked}")
            wanted(response.status == 206, f"status {response.status} for a part")
            wanted(response.get("Content-Range") == f"bytes {first}-{last}/{_SIZE}", response.get("Content-Range"))
            wanted(response.content == whole[first:last + 1], "the part is another one")
        response = site.ask("GET", target, Range="bytes=200000-")
        wanted(response.status == 416, f"status {response.status} for what is not there")
    # weir asks for all of a page in order to store it. Where that turns out to be forbidden and the page is short, it gives
    # the client all of it, once (RFC 9110 section 14.2); for longer ones, above, it asks again for the part.
    target = "/ranged?size=1000"
    response = site.ask("GET", target, Range="bytes=0-99")
    if site.front and response.status == 200:
        page_is_right(response, target, 1000)
        response = site.ask("GET", target, Range="bytes=0-99")
    wanted((response.status, response.content) == (206, content(target, 1000)[:100]), f"status {response.status} for a part")


def errors(site):
    with site.connection() as connection:
        response = connection.ask("GET", "/missing")
        wanted((response.status, response.content) == (404, b"There is no such page.\n"), f"status {response.status}")
        still_in_step(site, connection, response)
    with site.connection(patience=PATIENCE if site.front else _BRIEFLY) as connection:
        response = connection.ask("GET", "/fail")
        wanted(response.status == 500, f"status {response.status} where the application fails")
        still_in_step(site, connection, response)
    response = site.ask("GET", "/busy")
    wanted((response.status, response.content, response.get("Retry-After")) == (503, b"Not now.\n", "1"),
           f"status {response.status}: {response.content[:40]!r}")
    page_is_right(site.ask("GET", "/page?size=100"), "/page?size=100", 100)


def cut(site):
    """An application that dies in the middle: short and long, with its length and in pieces."""
    stored = "weir_cache_responses"
    before = site.front.metrics()[stored] if site.front else 0
    failures, seen = [], []
    for name, target in (("short", "/dies?sent=8192&size=20000"), ("short in pieces", "/dies?sent=8192"),
                         ("long", "/dies?sent=1048576&size=2000000"), ("long in pieces", "/dies?sent=1048576")):
        for _ in range(2):  # the second would be a hit
            with site.connection(patience=PATIENCE if site.front else _BRIEFLY) as connection:
                try:
                    response = connection.ask("GET", target)
                except Cut:
                    seen.append("cut")
                    continue
                except Silent:
                    failures.append(f"{name}: left open")
                    break
                if response.status < 500:
                    failures.append(f"{name}: it looks whole")
                    break
                seen.append(str(response.status))
    if site.front and not failures:
        wanted(site.front.metrics()[stored] == before, "it was stored")
    wanted(not failures, "; ".join(failures))
    return "the client sees " + " and ".join(sorted(set(seen)))


CHECKS = {
    "keep-alive": keep_alive, "head": answers_to_head, "304": not_modified, "chunked": chunked, "continue": continues,
    "upload": upload, "streamed": streamed, "slow-upload": slow_uploads, "events": events, "websocket": websocket, "urls": urls,
    "cookies": cookies, "ranges": ranges, "errors": errors, "cut": cut, "restart": restart,
}
