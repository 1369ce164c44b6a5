"""Single requests, by which a workload checks that a peer answers rightly: status, content, and from where."""
import http.client

from processes import Failed


def ask(port, path, closing=False, connection=None):
    """(status, fields in small letters, content, whether the connection stays open)."""
    own = connection or http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        own.request("GET", path, headers={"Connection": "close"} if closing else {})
        response = own.getresponse()
        content = response.read()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, content, not response.will_close
    finally:
        if own is not connection:
            own.close()


def check(peer, status, fields, content, content_bytes, hit):
    """That a response is the origin's, and from the cache exactly if it should be; `hit` is None where that may be either."""
    if status != 200 or content != b"x" * content_bytes:
        raise Failed(f"{peer.name} answers with status {status} and {len(content)} bytes instead of what the origin says")
    if hit is not None and peer.is_hit(fields) != hit:
        wrong = "a miss instead of a hit" if hit else "a hit instead of a miss"
        raise Failed(f"{peer.name} answers with {wrong}: {fields}")


def head_bytes(port, path):
    """How long the head of a response is, with the empty line."""
    _, fields, _, _ = ask(port, path)
    return len("HTTP/1.1 200 OK\r\n\r\n") + sum(len(f"{name}: {value}\r\n") for name, value in fields.items())
