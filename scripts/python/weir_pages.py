"""Pages of a Python application, put into memcached where weir looks before it asks the application.

In weir's configuration the same servers, spelt alike and in the same order, and the template of the keys:

    cache: {memcached: {servers: [127.0.0.1:11211]}}
    routes: [{upstream: app, memcached_pages: {key: "page:{host}{path}"}}]

A CherryPy application keeps what its handlers return:

    import cherrypy
    import weir_pages
    pages = weir_pages.Pages(["127.0.0.1:11211"])
    cherrypy.tools.weir_pages = pages.tool()
    class Site:
        @cherrypy.expose
        @cherrypy.tools.weir_pages(lifetime=60)
        def user(self, name):
            return "<h1>%s</h1>" % name
    cherrypy.quickstart(Site())

Any other WSGI application is wrapped, and takes out what is no longer right:

    import weir_pages
    pages = weir_pages.Pages(["127.0.0.1:11211"])
    def site(environ, start_response):
        if environ["REQUEST_METHOD"] == "POST":
            pages.delete(environ["HTTP_HOST"], "/news")
            pages.purge_tags("news")
        start_response("200 OK", [("Content-Type", "text/plain"), ("Cache-Control", "max-age=60"), ("Surrogate-Key", "news")])
        return [b"Nothing new."]
    application = pages.middleware(site)

Which responses are kept: 200 to a GET without session cookie, Authorization, Range and content, whole, without Set-Cookie,
private, no-store, no-cache, Content-Encoding and any Vary but Accept-Encoding (compress outside of the middleware; the tool
keeps what tools.gzip has not seen yet). Not what CherryPy streams, nor what an InternalRedirect led to. For how long: as
Weir-Cache-Control or CDN-Cache-Control says, else Cache-Control (s-maxage, max-age) or Expires, else the `lifetime` given;
without any of these it is not kept. The words of its Surrogate-Key are its tags.

Keys: {scheme}, {host} and {path} as the client asked weir, which says so in X-Forwarded-Proto and X-Forwarded-Host: so
nobody but weir may reach the application. The path as it came, percent-encoded, with the mount point; from a server that
gives only the decoded one (no REQUEST_URI or RAW_URI) it is encoded anew. Without {query} in the template nothing is kept
for a request that has one. A key of more than 250 bytes, or with anything but visible ASCII, is no key.

memcached never fails a request: an operation gives up after `timeout` seconds, a server that failed is not asked to keep
pages for a second, and the logger "weir_pages" says so at most once a minute. Pages too large for memcached, which takes
1 MiB, are not kept.

Needs pylibmc (Debian: python3-pylibmc). Threads may share a Pages; so may processes that fork after it was made.
"""
import email.utils
import functools
import logging
import math
import mimetypes
import os
import re
import secrets
import socket
import threading
import time
import urllib.parse

import pylibmc

__all__ = ["Pages", "normalised_host"]

MOST_KEY_BYTES = 250         # of memcached
MOST_VALUE_BYTES = 1_000_000  # memcached takes 1 MiB with the key and its own bookkeeping
MOST_RECORD_BYTES = 100_000  # what weir reads of a record of purges
LONGEST_URL = 65_536         # longer than any request that weir takes
RECORD_LIFETIME = 7 * 86_400
LONGEST_RELATIVE = 30 * 86_400  # to memcached, more seconds than these are a date
PAUSE = 1.0  # seconds in which a server that failed is not asked to keep pages

_PLACEHOLDERS = ("scheme", "host", "path", "query")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_REG_NAME = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+;=-]|%[0-9A-Fa-f]{2})+\Z")
_HEAD = re.compile(rb"([0-9a-f]{16}) (0|[1-9][0-9]{0,18})\Z")
_NOT_KEPT = frozenset(("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
                       "content-length", "weir-purge-position"))
_log = logging.getLogger("weir_pages")


def normalised_host(host, scheme="http"):
    """`host` as weir writes it in keys: lower case, without the scheme's own port and a final dot; None if it is none."""
    name, colon, port = host.partition(":")
    if host.startswith("["):
        literal, bracket, port = host.partition("]")
        name, colon, port = literal + bracket, port[:1], port[1:]
        if not bracket or not _is_ipv6(literal[1:]):
            return None
    elif not _REG_NAME.match(name) or name.startswith(".") or ".." in name:
        return None
    if colon not in ("", ":") or not re.match(r"[0-9]{0,5}\Z", port) or int(port or 0) > 65_535:
        return None
    if name.endswith("."):
        name = name[:-1]
    port = port.lstrip("0") or port[:1]
    name = name.lower()
    return name if port in ("", "443" if scheme == "https" else "80") else name + ":" + port


def _is_ipv6(text):
    try:
        return bool(socket.inet_pton(socket.AF_INET6, text))
    except (OSError, ValueError):
        return False


class _Template:
    """The template of keys, by the rules that weir has for it."""

    def __init__(self, text):
        parts = re.split(r"(\{[a-z]*\})", text)
        self._parts = [part for part in parts if part]
        names = [part[1:-1] for part in parts[1::2]]
        if [name for name in names if name not in _PLACEHOLDERS] or "path" not in names or len(set(names)) < len(names):
            raise ValueError("the template %r needs {path} and may have {scheme}, {host} and {query}, each once" % text)
        if not re.match(r"[!-z|~]*\Z", "".join(parts[::2])):
            raise ValueError("the template %r may have visible ASCII without braces between the placeholders" % text)
        # Where two values touch, two requests could share a key that differ in where one of them ends.
        if re.search(r"\}\{(?!path)|\{query\}\{", text):
            raise ValueError("in the template %r only {host}{path} and {scheme}{path} may touch" % text)
        # A host and a query may have every byte that a path has, but for the ? that neither path nor host has.
        if re.search(r"\{path\}[^?]*\{host\}", text):
            raise ValueError("the template %r needs {host} before {path}" % text)
        if "query" in names and not re.search(r"\{path\}.*\?.*\{query\}[^{]*\Z", text):
            raise ValueError("the template %r needs {query} as the last, and behind a ?: {path}?{query}" % text)
        if len(text) > MOST_KEY_BYTES:
            raise ValueError("the template has more than the %d bytes of a key" % MOST_KEY_BYTES)
        self.has_query = "query" in names

    def key(self, scheme, host, path, query):
        """The key; None where weir looks for none."""
        host = normalised_host(host, scheme)
        if host is None or not path.startswith("/") or "?" in path or (query and not self.has_query):
            return None
        values = {"{scheme}": scheme, "{host}": host, "{path}": path, "{query}": query}
        key = "".join(values.get(part, part) for part in self._parts)
        return key if 0 < len(key) <= MOST_KEY_BYTES and re.match(r"[!-~]+\Z", key) else None


class _Client(pylibmc.Client):
    """Keys and values are bytes. Values, because what pylibmc would unpickle is not what weir or this module stored; keys,
    because its gets lets go of the bytes that it makes of a str before it is done with them, and other threads write there."""

    def serialize(self, value):
        return value, 0

    def deserialize(self, value, flags):
        return value if flags == 0 else None


# Clients of a process that forked, in the other one. Kept, since a client that goes says so on its connection, which is still
# used by its owner.
_inherited = []


class _Unanswered(Exception):
    """memcached did not do what it was asked, or was not asked."""


class _Servers:
    """A client for each server and thread, as pylibmc's are not to be shared. One server alone in each: records lie where
    the head of their log does, not where their own keys would; and one that hangs is known for what it is."""

    def __init__(self, servers, timeout):
        if isinstance(servers, str):
            servers = [servers]
        self._servers = [server[5:] if server.startswith("unix:") else server for server in servers]
        if not self._servers:
            raise ValueError("there are no servers; give one, such as 127.0.0.1:11211")
        # What weir has no word for: another protocol, and a weight, which makes another ring.
        for server in self._servers:
            if not re.match(r"/|(?!udp:)(\[[^]]*\]|[^:]+)(:[0-9]+)?\Z", server):
                raise ValueError("%r is no server; write host:port or unix:/path" % server)
        milliseconds = max(1, round(timeout * 1000))
        self._behaviors = {"cas": True, "verify_keys": True, "tcp_nodelay": True, "connect_timeout": milliseconds,
                           "_poll_timeout": milliseconds}
        self._ring()  # a server that cannot be spelt is an error here, not at the first page
        self._local = threading.local()
        self._paused_until = [0.0] * len(self._servers)
        self._lock = threading.Lock()
        self._quiet_until = 0.0
        self._unsaid = 0

    def _ring(self):
        return _Client(self._servers, behaviors={"ketama": True})  # asked for servers, never for values

    def ask(self, routed_by, what, urgent=False):
        """What what(client) gives for the client of that key's server. _Unanswered: it failed; or it did so within the last
        second and this is not urgent."""
        local = self._local
        if getattr(local, "process", None) != os.getpid():
            if hasattr(local, "clients"):
                _inherited.append(local.clients)
            local.process, local.ring, local.clients = os.getpid(), self._ring(), [None] * len(self._servers)
        index = local.ring.hash(routed_by)
        if not urgent and time.monotonic() < self._paused_until[index]:
            raise _Unanswered
        try:
            if local.clients[index] is None:
                local.clients[index] = _Client([self._servers[index]], behaviors=self._behaviors)
            return what(local.clients[index])
        except pylibmc.Error as error:
            # What comes on this connection from now on may be the answer to something else.
            local.clients[index] = None
            self._paused_until[index] = time.monotonic() + PAUSE
            self._say(self._servers[index], error)
            raise _Unanswered from error

    def _say(self, server, error):
        now = time.monotonic()
        with self._lock:
            if now < self._quiet_until:
                self._unsaid += 1
                return
            self._quiet_until, unsaid, self._unsaid = now + 60.0, self._unsaid, 0
        _log.warning("memcached %s: %s (and %d times before this without a word)", server, error, unsaid)


class _PurgeLog:
    """The log of purges that the weirs of one memcached share; cache/purge_record.hpp says what it looks like."""

    def __init__(self, servers, prefix):
        self._servers = servers
        self._head = prefix.encode() + b":purges"
        self._node = "%016x" % secrets.randbits(64)

    def position(self):
        """Where the log is, as text; None: it could not be read."""
        try:
            epoch, number, _ = self._servers.ask(self._head, self._read_head)
        except _Unanswered:
            return None
        return "%s %d" % (epoch.decode(), number)

    def append(self, lines):
        """Whether the log has them all now."""
        record, size = [], 0
        first = "weir-purges 1 %s\n" % self._node
        for line in lines:
            if record and size + len(line) > MOST_RECORD_BYTES - len(first):
                if not self._append(first + "".join(record)):
                    return False
                record, size = [], 0
            record.append(line)
            size += len(line)
        return not record or self._append(first + "".join(record))

    def _append(self, record):
        record = record.encode("ascii")
        try:
            return self._servers.ask(self._head, functools.partial(self._add_record, record), urgent=True)
        except _Unanswered:
            return False

    def _read_head(self, client):
        """Its epoch, its number and its cas; of a log that begins here, where there was none."""
        for _ in range(10):
            value, cas = client.gets(self._head)
            head = _HEAD.match(value) if value is not None else None
            if head is not None:
                return head.group(1), int(head.group(2)), cas
            begun = b"%016x 0" % (secrets.randbits(64) or 1)
            if cas is None:
                client.add(self._head, begun)
            else:
                _set_if(client, self._head, begun, cas)
        raise _Unanswered

    def _add_record(self, record, client):
        # A turn that fails is one in which somebody else succeeded.
        for _ in range(1_000):
            epoch, number, cas = self._read_head(client)
            for number in range(number + 1, number + 1_000):
                if client.add(b"%s:%s:%d" % (self._head, epoch, number), record, RECORD_LIFETIME):
                    break
            else:
                return False
            if _set_if(client, self._head, b"%s %d" % (epoch, number), cas):
                return True
        return False


def _replace(key, value, expiry, client):
    """Whether the value lies there now. If it is too large, what it was to replace does not lie there any more either."""
    if len(value) > MOST_VALUE_BYTES:
        client.delete(key)
        return False
    try:
        return bool(client.set(key, value, expiry))
    except pylibmc.TooBig:  # for a memcached with a lower limit of its own, which has removed the old one
        return False


def _set_if(client, key, value, cas):
    try:
        return client.cas(key, value, cas)
    except pylibmc.NotFound:
        return False


class _Request:
    """What a request is about, from its WSGI environment."""

    def __init__(self, environ):
        self.scheme = environ.get("HTTP_X_FORWARDED_PROTO") or environ.get("wsgi.url_scheme", "http")
        self.host = environ.get("HTTP_X_FORWARDED_HOST") or environ.get("HTTP_HOST", "")
        # CherryPy, uWSGI and mod_wsgi; gunicorn.
        target = environ.get("REQUEST_URI") or environ.get("RAW_URI") or ""
        if target and not target.startswith("/"):
            target = re.sub(r"\A[A-Za-z][A-Za-z0-9+.-]*://[^/?]*", "", target)
        if target:
            self.path, _, self.query = target.partition("?")
        else:
            # The application saw the path decoded, so what it made is right for every path that decodes to this.
            decoded = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
            self.path = urllib.parse.quote(decoded.encode("latin-1"), safe="/!$&'()*+,;=:@")
            self.query = environ.get("QUERY_STRING", "")


def _asks_for_all(environ, session_cookies):
    """Whether the response may be one for everybody, as far as the request says."""
    if environ.get("REQUEST_METHOD") != "GET" or "HTTP_AUTHORIZATION" in environ or "HTTP_RANGE" in environ:
        return False
    # What it says is no part of the key.
    if environ.get("CONTENT_LENGTH") not in (None, "", "0") or "HTTP_TRANSFER_ENCODING" in environ:
        return False
    if "no-store" in _directives(environ.get("HTTP_CACHE_CONTROL", "")):
        return False
    cookies = {cookie.partition("=")[0].strip() for cookie in environ.get("HTTP_COOKIE", "").split(";")}
    return cookies.isdisjoint(session_cookies)


def _directives(value):
    """Cache-Control as a dict of lower-case names and values, None where there is none."""
    found = {}
    for match in re.finditer(r'([^\s,=;"]+)(?:\s*=\s*("(?:[^"\\]|\\.)*"|[^\s,"]*))?', value):
        found[match.group(1).lower()] = match.group(2).strip('"') if match.group(2) is not None else None
    return found


def _all_of(fields, name):
    return ", ".join(value for key, value in fields if key.lower() == name)


def _seconds(text):
    return int(text) if re.match(r"[0-9]+\Z", text or "") else 0


def _lifetime(fields, otherwise, now):
    """For how many seconds a response with these fields is kept; 0: it is not."""
    # RFC 9213: what is said to weir, or to shared caches, is said in place of Cache-Control and Expires.
    targeted = _directives(_all_of(fields, "weir-cache-control")) or _directives(_all_of(fields, "cdn-cache-control"))
    directives = targeted or _directives(_all_of(fields, "cache-control"))
    age = _seconds(_all_of(fields, "age"))
    if not directives.keys().isdisjoint(("private", "no-store", "no-cache")):
        return 0
    for name in ("s-maxage", "max-age"):
        if name in directives:
            return max(0, _seconds(directives[name]) - age)
    expires = _all_of(fields, "expires")
    if expires and not targeted:
        try:
            return max(0, int(email.utils.parsedate_to_datetime(expires).timestamp() - now) - age)
        except (TypeError, ValueError, OverflowError):
            return 0
    return otherwise or 0


def _is_for_all(status, fields):
    """Whether the response may be one for everybody, as far as it says itself."""
    names = {name.lower() for name, _ in fields}
    vary = {name.strip().lower() for name in _all_of(fields, "vary").split(",")} - {""}
    return status == 200 and names.isdisjoint(("set-cookie", "content-range")) and vary <= {"accept-encoding"}


def _form(status, fields, body):
    """The value of a page in weir's own form. ValueError: a field that is none."""
    lines = ["WEIR/1 %d\r\n" % status]
    for name, value in fields:
        if not _TOKEN.match(name) or _CONTROL.search(value):
            raise ValueError("%r: %r is no field" % (name, value))
        lines.append("%s: %s\r\n" % (name, value.strip(" \t")))
    return "".join(lines).encode("latin-1") + b"\r\n" + body


def _text_fields(fields):
    """Pairs of str, whatever the pairs are of."""
    return [tuple(part.decode("latin-1") if isinstance(part, bytes) else str(part) for part in pair) for pair in fields]


class Pages:
    """Pages in memcached, under the keys under which weir looks for them.

    servers: as in weir's cache.memcached.servers: "host:port" or "unix:/path", spelt alike and in the same order.
    prefix: that of cache.memcached. template: the key of the route's memcached_pages. timeout: seconds that one operation
    may take. purge_log: False where cache.memcached says so: then nothing can be purged, and a page that was being made
    while it was deleted may be kept as it was."""

    def __init__(self, servers, prefix="weir", template="page:{host}{path}", *, timeout=0.05, purge_log=True):
        if not re.match(r"[A-Za-z0-9._-]{1,32}\Z", prefix):
            raise ValueError("%r is no prefix; it may be 1 to 32 letters, digits, '.', '_' and '-'" % prefix)
        self._template = _Template(template)
        self._servers = _Servers(servers, timeout)
        self._log = _PurgeLog(self._servers, prefix) if purge_log else None

    def key(self, host, path, *, query="", scheme="http"):
        """The key of a page; None where weir looks for none."""
        return self._template.key(scheme, host, path, query)

    def position(self):
        """Where the purge log is now: to be asked before what a page is made of is read, and given to put, so that a purge
        in between is not missed. None: not known."""
        return self._log.position() if self._log else None

    def put(self, host, path, body, *, query="", scheme="http", content_type=None, status=200, fields=(), lifetime=0, tags=(),
            position=None):
        """Keeps a page; whether it is kept.

        path, query: as clients send them, percent-encoded. body: bytes, or str for UTF-8. content_type: by the name of the
        file if neither this nor `fields` says it. fields: pairs of name and value. lifetime: seconds; 0: for ever. tags: what
        purge_tags may name, in a Surrogate-Key. position: as position() gave it, else that of now."""
        if status < 200 or status > 599 or status in (204, 205, 206, 304):
            raise ValueError("%r is no status of a page" % status)
        if lifetime < 0:
            raise ValueError("a lifetime is 0 or more seconds, not %r" % lifetime)
        is_text = isinstance(body, str)
        body = body.encode() if is_text else bytes(memoryview(body))
        fields = [(name, value) for name, value in _text_fields(fields) if name.lower() not in _NOT_KEPT]
        names = {name.lower() for name, _ in fields}
        if content_type is not None:
            fields = [("Content-Type", content_type)] + [field for field in fields if field[0].lower() != "content-type"]
        elif "content-type" not in names:
            fields.insert(0, ("Content-Type", _content_type(path, is_text)))
        if "date" not in names:
            fields.append(("Date", email.utils.formatdate(usegmt=True)))
        if tags:
            fields.append(("Surrogate-Key", " ".join(_checked_tag(tag) for tag in tags)))
        key = self.key(host, path, query=query, scheme=scheme)
        if key is None:
            return False
        if self._log is not None:
            position = position or self.position()
            if position is None:
                return False  # no purge would reach it
            fields.append(("Weir-Purge-Position", position))
        value = _form(status, fields, body)
        key = key.encode()
        try:
            return self._servers.ask(key, functools.partial(_replace, key, value, _expiry(lifetime)))
        except _Unanswered:
            return False

    def delete(self, host, path, *, query="", scheme="http"):
        """Takes the page of a URL out, also one that is being made from what was there before, and, by way of the purge log,
        whatever weirs have stored themselves under the URL. path, query: as for put. Where the template has no {query}, a path
        has one page, that of no query: it goes whatever the query is, and so does what weirs have of the path without one.

        Whether that is done. False: memcached did not say so, and the page may stay for its lifetime; or this is no URL."""
        host = normalised_host(host, scheme)
        if host is None or not re.match(r"/[!->@-~]*\Z", path) or not re.match(r"[!-~]*\Z", query):
            return False
        key = self._template.key(scheme, host, path, query if self._template.has_query else "")
        is_gone = key is None or self._remove(key.encode())
        if self._log is None:
            return is_gone
        urls = [host + path + ("?" + query if query else "")]
        if query and not self._template.has_query:
            urls.append(host + path)
        # The purge alone would do, half a second later.
        return len(urls[0]) <= LONGEST_URL and self._log.append(["hard url %s\n" % url for url in urls])

    def _remove(self, key):
        try:
            self._servers.ask(key, lambda client: client.delete(key), urgent=True)
            return True
        except _Unanswered:
            return False

    def purge_tags(self, *tags, soft=False):
        """Purges what has one of these tags, in every weir and in memcached, within a second. soft: weir may still use it
        where a stale response may be used. Whether that is done; weirs that memcached cannot tell have to be told otherwise."""
        if self._log is None:
            raise ValueError("without the purge log nothing can be purged")
        mode = "soft" if soft else "hard"
        return self._log.append(["%s tag %s\n" % (mode, _checked_tag(tag)) for tag in tags])

    def tool(self, lifetime=None, session_cookies=("session_id",)):
        """A CherryPy tool that keeps what handlers return, tools.staticdir's files too. lifetime: in seconds, of responses
        that say nothing of it. session_cookies: a request that has one of these is for one user alone. Both can be set by
        path, as in tools.weir_pages.lifetime."""
        return _cherrypy_tool(self, lifetime, session_cookies)

    def middleware(self, application, lifetime=None, session_cookies=("session_id",)):
        """A WSGI application that is the one given and keeps what it returns; the arguments are those of tool."""
        return _Middleware(self, application, lifetime, session_cookies)

    def _wants(self, request, environ, session_cookies):
        return (_asks_for_all(environ, session_cookies)
                and self.key(request.host, request.path, query=request.query, scheme=request.scheme) is not None)

    def _keep(self, request, fields, body, lifetime, position):
        """As put, of a response that was found to be one for everybody."""
        length = _all_of(fields, "content-length")
        if length and length != str(len(body)):
            return False
        if self._log is not None and position is None:
            return False  # one read now would not count the purges since the page was begun
        try:
            return self.put(request.host, request.path, body, query=request.query, scheme=request.scheme, fields=fields,
                            lifetime=lifetime, position=position)
        except ValueError:
            return False  # fields that no server would send either


def _checked_tag(tag):
    if not re.match(r"[!-+\--~]+\Z", tag) or len(tag) > 1_000:
        raise ValueError("%r is no tag; it may be up to 1,000 visible ASCII characters without comma" % tag)
    return tag


def _content_type(path, is_text):
    name = path.rpartition("/")[2]
    kind, encoding = mimetypes.guess_type("file:" + name) if "." in name else ("text/html", None)
    if kind is None or encoding is not None:
        kind = "application/octet-stream"
    return kind + "; charset=utf-8" if is_text and kind.startswith("text/") else kind


def _expiry(lifetime):
    seconds = math.ceil(lifetime)  # up, since 0 is for ever
    return seconds if seconds <= LONGEST_RELATIVE else int(time.time()) + seconds


class _Kept:
    """A request whose response may be kept, from before the application runs."""

    def __init__(self, pages, request):
        self.pages = pages
        self.request = request
        self.position = pages.position()
        self.fields = None
        self.lifetime = 0
        self.body = None

    def take_head(self, status, fields, lifetime):
        """Whether the response's content is wanted."""
        self.fields = _text_fields(fields)
        self.lifetime = _lifetime(self.fields, lifetime, time.time())
        return (_is_for_all(status, self.fields) and self.lifetime > 0
                and not _all_of(self.fields, "content-encoding").strip())

    def is_too_long(self):
        return _seconds(_all_of(self.fields, "content-length")) > MOST_VALUE_BYTES

    def keep(self, body):
        return self.pages._keep(self.request, self.fields, body, self.lifetime, self.position)


def _cherrypy_tool(pages, lifetime, session_cookies):
    import cherrypy

    class Tool(cherrypy.Tool):
        def __init__(self):
            # Behind encode, etags and expires, before gzip.
            super().__init__("before_finalize", self._take, "weir_pages", priority=79)

        def _setup(self):
            hooks = cherrypy.serving.request.hooks
            settings = {"lifetime": lifetime, "session_cookies": session_cookies, **self._merged_args()}
            settings.pop("priority", None)
            hooks.attach("on_start_resource", self._start, priority=0, **settings)
            hooks.attach("before_finalize", self._take, priority=self._priority)
            hooks.attach("on_end_resource", self._store, priority=100)

        def _start(self, lifetime, session_cookies):
            """Before anything is read that the page is made of."""
            serving = cherrypy.serving.request
            serving.weir_pages = None
            environ = getattr(serving, "wsgi_environ", None)
            # An internal redirect is a GET of its own with the path of another request, which may have been any.
            if not environ or "cherrypy.previous_request" in environ:
                return
            if isinstance(session_cookies, str):
                session_cookies = (session_cookies,)
            request = _Request(environ)
            if pages._wants(request, environ, session_cookies):
                serving.weir_pages = _Kept(pages, request)
                serving.weir_pages_lifetime = lifetime

        def _take(self):
            kept, response = getattr(cherrypy.serving.request, "weir_pages", None), cherrypy.serving.response
            if kept is None or response.stream:
                return
            kept.body = None  # should this run again, for an error
            if kept.take_head(_status_of(response.status), response.headers.output(),
                              cherrypy.serving.request.weir_pages_lifetime) and not kept.is_too_long():
                kept.body = response.collapse_body()

        def _store(self):
            """Once the head is final: what was done to it after _take may have made it one for one user."""
            kept, response = getattr(cherrypy.serving.request, "weir_pages", None), cherrypy.serving.response
            if kept is None or kept.body is None or response.header_list is None:
                return
            last = _text_fields(response.header_list)
            if _is_for_all(_status_of(response.status), last) and _lifetime(last, kept.lifetime, time.time()) > 0:
                kept.keep(kept.body)

    return Tool()


def _status_of(status):
    return 200 if status is None else int(str(status).partition(" ")[0] or 0)


class _Middleware:
    def __init__(self, pages, application, lifetime, session_cookies):
        self._pages = pages
        self._application = application
        self._lifetime = lifetime
        self._session_cookies = session_cookies

    def __call__(self, environ, start_response):
        request = _Request(environ)
        if not self._pages._wants(request, environ, self._session_cookies):
            return self._application(environ, start_response)
        response = _Response(_Kept(self._pages, request), start_response, self._lifetime)
        return response.run(self._application(environ, response.start))


class _Response:
    """Passes a response on as it comes, with a copy of what will be kept if it turns out to be whole."""

    def __init__(self, kept, start_response, lifetime):
        self._kept = kept
        self._start_response = start_response
        self._lifetime = lifetime
        self._is_started = False
        self._parts = None  # None: nothing is to be kept
        self._size = 0

    def start(self, status, fields, exc_info=None):
        self._is_started, self._parts, self._size = True, None, 0
        try:
            if self._kept.take_head(_status_of(status), fields, self._lifetime) and not self._kept.is_too_long():
                self._parts = []
        except ValueError:
            pass  # a status that is none, of which the server will say more
        write = self._start_response(status, fields, *([exc_info] if exc_info else []))

        def write_and_copy(part):
            self._copy(part)
            return write(part)
        return write_and_copy

    def run(self, iterable):
        if isinstance(iterable, (list, tuple)):
            # All of it is here, so that the page can be found by whoever got it.
            for part in iterable:
                self._copy(part)
            self._finish()
            return iterable
        if self._is_started and self._parts is None:
            return iterable  # the server may know better ways to send it, as for a file
        return self._pass_on(iterable)

    def _pass_on(self, iterable):
        try:
            for part in iterable:
                self._copy(part)
                yield part
            self._finish()
        finally:
            close = getattr(iterable, "close", None)
            if close is not None:
                close()

    def _copy(self, part):
        if self._parts is None:
            return
        self._size += len(part)
        if self._size > MOST_VALUE_BYTES:
            self._parts = None
        else:
            self._parts.append(bytes(part))

    def _finish(self):
        if self._parts is not None:
            self._kept.keep(b"".join(self._parts))
