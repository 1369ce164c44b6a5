"""The rungs of Flickr Killr's ladder: what serves on each, and what it reached before."""
import dataclasses

# nginx asks memcached for files, and CherryPy for those that are not there.
_FILES_IN_MEMCACHED = """location /static/ {
            set $memcached_key "page:$http_host$uri";
            memcached_pass memcached;
            error_page 404 502 504 = @app;
        }
        location / {
            proxy_pass http://app;
        }"""
# Not for pages: one that may not be kept would be made for one visitor at a time, by the lock.
_CACHED_FILES = """location /static/ {
            proxy_pass http://app;
            proxy_cache ladder;
            proxy_cache_lock on;
        }
        location / {
            proxy_pass http://app;
        }"""
_CACHED = """location / {
            proxy_pass http://app;
            proxy_cache ladder;
            proxy_cache_lock on;
            proxy_cache_use_stale updating;
            proxy_cache_background_update on;
        }"""
_PASS = """location / {
            proxy_pass http://app;
        }"""


@dataclasses.dataclass(frozen=True)
class Rung:
    name: str
    text: str
    before: float | None        # requests a second, as times those of 0.1, measured with nginx as the proxy
    peers: tuple = ("weir", "nginx")
    servers: int = 2            # CherryPys
    memcached: bool = False     # they keep files there
    cache: bool = False         # the proxy keeps what may be kept
    fresh: int | None = None    # pages are for everybody, for so many seconds; else each is for one visitor, whose session it reads
    index: bool = True
    slow: bool = False          # a page takes so long that more seconds are needed to count them
    reach: int = 5              # of a page and its four files, how many requests the application has to answer

    def weir(self, ports, memcached):
        """weir's configuration, without its listeners."""
        servers = ", ".join(f"127.0.0.1:{port}" for port in ports)
        lines = [f"upstreams: {{app: {{servers: [{servers}], max_in_flight: 10, keepalive: {{idle_timeout: 8s}}}}}}"]
        if self.memcached:
            lines += [f'cache: {{memcached: {{servers: ["127.0.0.1:{memcached}"]}}}}']
        lines += ["routes:"]
        if self.memcached:
            lines += ['  - {match: {path: /static}, upstream: app, cache: off, memcached_pages: {key: "page:{host}{path}"}}']
        lines += ["  - {match: {path: /}, upstream: app" + ("}" if self.cache else ", cache: off}")]
        return "\n".join(lines) + "\n"

    def nginx(self):
        """nginx's locations."""
        if self.memcached:
            return _FILES_IN_MEMCACHED
        if self.cache:
            return _CACHED if self.fresh else _CACHED_FILES
        return _PASS


_ALL = (
    Rung("0.1", "CGI under Apache, which serves the files", None, ("apache",), servers=0, slow=True, reach=1),
    Rung("0.2", "one CherryPy, without a proxy", 5.5, ("cherrypy",), servers=1),
    Rung("0.3", "two CherryPys behind a proxy", 7.3),
    Rung("0.4", "and files in memcached", 20, memcached=True, reach=1),
    Rung("0.4-cache", "files in the proxy's own cache instead", 39, cache=True, reach=1),
    Rung("0.5", "and pages kept for a second", 184, cache=True, fresh=1, reach=0),
    Rung("0.4-no-index", "0.4 without the index on photos.user_id", 1.0, memcached=True, index=False, slow=True,
         reach=1),
)
RUNGS = {rung.name: rung for rung in _ALL}
