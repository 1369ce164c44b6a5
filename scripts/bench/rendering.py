"""The page of page_cache. Each line of it says which rendering it belongs to, so that a body made of two of them is seen."""
import re

SIZE = 10_606
_FIRST = re.compile(rb"rendering (\d{9}) of (\d+\.\d{6}), line 0000\n")


def page(number, date):
    """The body of rendering `number`, begun at `date`, in seconds since 1970."""
    head = b"rendering %09d of %.6f, line " % (number, date)
    lines = b"".join(head + b"%04d\n" % line for line in range(SIZE // len(head)))
    return lines[:SIZE - 4] + b"end\n"


def rendering_of(body):
    """(number, date) of the rendering that this body is, every byte of it, as text; None if it is none."""
    found = _FIRST.match(body)
    return found.groups() if found and page(int(found[1]), float(found[2])) == body else None
