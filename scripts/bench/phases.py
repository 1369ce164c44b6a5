"""Which part of weir's work a function belongs to: the first of these whose pattern is in its name."""
import collections
import os
import re

_HEAD = "head parsed, its fields looked at"
_PHASES = (
    ("allocating and freeing", r"\[libjemalloc|^operator (new|delete)"),
    ("C library: memory and strings", r"^_*(mem|str)\w+ \[libc|std::__cxx11::basic_string::"),
    ("C library: system calls, clock, locks", r"\[(libc\.so|libstdc|linux-vdso)"),
    (_HEAD, r"boost::beast::|weir::http::(\w+_parser::|parse_|read_|find_|valid_field|field_list::|re\w+_head::)"),
    ("host, path and target checked and normalised",
     r"weir::http::(append_normalised|normalise|valid|port_colon|path_builder|classify|append_forwarded)"),
    ("client's address, route", r"weir::http::resolve_client|weir::proxy::snapshot::|in_any_of"),
    ("cache: key, lookup, freshness, conditions", r"weir::cache::|XXH"),
    ("response to the client put together", r"weir::proxy::(hit_response|append_response|append_cache_status|append_age)"),
    ("request to the server put together",
     r"weir::proxy::(compose|append_)|weir::http::(append_|combined_value)|write_request_id"),
    ("content on its way", r"weir::http::(growing_content|content_|block|intrusive|memory_budget|spool|chunked)"),
    ("server chosen, its connection", r"weir::(balancer|proxy::(admission|upstream|connection_pool|health|outlier|retry))"),
    ("waiting: streams, deadlines, coroutines, Asio",
     r"weir::proxy::(stream|readiness|wait|deadline)|boost::asio::|std::__n4861|awaitable"),
    ("exchange, its phases", r"weir::proxy::exchange"),
    ("connection's loop, counters", r"weir::proxy::"),
    (_HEAD, r"weir::http::"),
)
_REST = "the rest"


def of(profile):
    """{phase: instructions}, in the order of the phases."""
    sums = collections.Counter()
    for (library, function), cost in profile.by_function.items():
        sums[_phase(f"{_plain(function)} [{os.path.basename(library)}]")] += cost
    return {name: sums[name] for name in dict.fromkeys((*(name for name, _ in _PHASES), _REST))}


def _plain(function):
    """Without its arguments and those of templates, in which other names are."""
    name = function.replace("(anonymous namespace)::", "")
    while (shorter := re.sub(r"<[^<>]*>", "", name)) != name:
        name = shorter
    return name.partition("(")[0]


def _phase(name):
    return next((phase for phase, pattern in _PHASES if re.search(pattern, name)), _REST)
