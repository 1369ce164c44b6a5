"""The workloads of compare, and what weir shall reach in each."""
from goals import at_least, at_most
from idle import Idle
from instructions import BROWSER, Instructions
from peers import Work
from reloading import Reloading
from stored import Stored
from throughput import Throughput

_ALL = ("nginx", "haproxy", "varnish", "weir", "bare")
_PROXIES = ("nginx", "haproxy", "varnish", "weir")
_USUAL = ("nginx", "weir", "bare")
_BOTH = ("nginx", "weir")

WORKLOADS = {
    "hit": Throughput("/hit", 64, "1 KiB from the cache, 64 connections",
                      [at_least(1.8, "nginx"), at_least(0.75, "bare")], _ALL, _USUAL),
    "hit10k": Throughput("/hit10k", 64, "10,606 bytes from the cache, 64 connections", [at_least(1.6, "nginx")], _ALL, _USUAL,
                         work=Work(content_bytes=10_606)),
    "hit4000": Throughput("/hit", 4000, "1 KiB from the cache, 4,000 connections", [at_least(1.5, "nginx")], _ALL, _USUAL),
    "close": Throughput("/hit", 500, "1 KiB from the cache, a connection for each request, 500 at once",
                        [at_most(1.0, "nginx", "cpu_us")], _ALL, _USUAL, work=Work(closing=True)),
    "pass": Throughput("/pass", 64, "1 KiB that may not be cached, from a fast origin, 64 connections",
                       [at_least(1.1, "nginx"), at_least(1.1, "haproxy")], _PROXIES, ("nginx", "haproxy", "weir")),
    "hit1m": Throughput("/hit1m", 16, "1 MiB from the cache, 16 connections", [at_least(1.0, "nginx")], _ALL, _USUAL,
                        in_bytes=True, work=Work(content_bytes=1 << 20)),
    "log": Throughput("/hit", 64, "1 KiB from the cache, 64 connections, each request logged as JSON",
                      [at_least(1.6, "nginx")], _BOTH, _BOTH, work=Work(logs=True)),
    "two": Throughput("/hit", 64, "1 KiB from the cache, 64 connections, two workers on the two cores of the load",
                      [at_least(1.3, "nginx")], _BOTH, _BOTH, work=Work(workers=2)),
    "page": Throughput("/page", 64, "1 KiB that the application put into memcached, 64 connections",
                       [at_least(1.4, "nginx")], _BOTH, _BOTH, work=Work(pages=True)),
    "idle": Idle(10_000, "10,000 idle kept-alive connections after one request each", [at_most(700)], _PROXIES, _BOTH),
    "stored": Stored(1_000_000, "1,000,000 stored responses of 1 KiB: memory beyond head, key and content", [at_most(300)],
                     ("nginx", "varnish", "weir"), _BOTH, work=Work(memory_mib=4095)),
    "instructions": Instructions("", "user-space instructions of a 1 KiB hit, a request with one field", [at_most(5_000)],
                                 ("weir",), ("weir",), work=Work(counted=True)),
    "browser": Instructions(BROWSER, "user-space instructions of a 1 KiB hit, a request with a browser's eleven fields",
                            [at_most(12_000)], ("weir",), ("weir",), work=Work(counted=True)),
    "reload": Reloading("10,000 hits a second while the configuration is reloaded ten times a second", [at_most(1.5)],
                        ("weir",), ("weir",)),
}
