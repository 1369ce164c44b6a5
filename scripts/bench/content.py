"""Content that tells where it belongs; native/content.hpp says how. A key is a request target as it came."""
import functools
import hashlib

_LINE = 512
_NUMBER = 16


@functools.lru_cache(maxsize=16)
def _numbers(lines):
    return [b"", *(b"%015d\n" % number for number in range(lines))]


def content(key, size):
    digest = hashlib.sha256(key.encode("latin-1")).hexdigest().encode()
    prefix = (digest * (_LINE // len(digest)))[:_LINE - _NUMBER]
    return prefix.join(_numbers(-(-size // _LINE)))[:size]


def answer_to_post(received):
    return f"{len(received)} {hashlib.sha256(received).hexdigest()}\n".encode()
