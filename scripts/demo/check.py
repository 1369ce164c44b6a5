#!/usr/bin/python3
"""usage: scripts/demo/check.py URL ADMIN_URL CONFIG PID

Tries the running demo through weir at URL: pages, a miss and a hit, what lies in memcached, an upload, both servers, an
edit of CONFIG's list of servers and a reload of the process PID. Says what it sees; exit status 1 at the first thing that
is not so.
"""
import os
import re
import signal
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

PNG = b"\x89PNG\r\n\x1a\n" + b"not a picture, but nobody looks further"
USER = "/user/ada-abbot"
PATIENCE_SECONDS = 10


class Failed(Exception):
    pass


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), NoRedirect)


def fetch(url, content=None, expect=200, **fields):
    """The fields and the content of a response, which must have the status `expect`."""
    request = urllib.request.Request(url, content, {name.replace("_", "-"): value for name, value in fields.items()})
    try:
        response = OPENER.open(request, timeout=30)
    except urllib.error.HTTPError as error:
        response = error
    with response:
        if response.status != expect:
            raise Failed(f"{url} answered {response.status}, not {expect}")
        return response.headers, response.read()


def require(condition, what):
    if not condition:
        raise Failed(what)
    print("   " + what, flush=True)


def servers_of(url):
    """The servers that answer a page which is never stored. Workers take turns each on their own, so it asks often."""
    return {fetch(url + "/session")[0]["X-Served-By"] for _ in range(20)}


def reload_until(pid, url, expected):
    """Sends SIGHUP once and waits until the answers come from the expected servers."""
    os.kill(pid, signal.SIGHUP)
    limit = time.monotonic() + PATIENCE_SECONDS
    while servers_of(url) != expected:
        if time.monotonic() > limit:
            raise Failed(f"{PATIENCE_SECONDS} s after the reload the answers do not come from {sorted(expected)}")
        time.sleep(0.1)


def check_pages(url):
    _, content = fetch(url + "/")
    require(b"Newest photos" in content, "the front page is there")
    first, content = fetch(url + "/photo/1000000")
    require("fwd" in first["Cache-Status"], f"a photo's page, first time: {first['Cache-Status']}")
    second, again = fetch(url + "/photo/1000000")
    require(again == content and is_hit(second) and not is_stored_page(second), f"again: {second['Cache-Status']}")
    fetch(url + "/photo/1000000", expect=304, If_None_Match=first["ETag"])
    require(True, "a conditional request: 304")
    require(fetch(url + "/image/1000000")[0]["Content-Type"].startswith("image/svg+xml"), "its image is image/svg+xml")
    fetch(url + "/user/nobody-at-all", expect=404)


def is_hit(fields):
    return re.search(r"; *hit\b", fields["Cache-Status"]) is not None


def is_stored_page(fields):
    """Whether it is what a server put into memcached, so that none was asked now."""
    return is_hit(fields) and "detail=memcached-page" in fields["Cache-Status"]


def check_memcached(url):
    for target, kind, part in (("/static/style.css", "text/css", b"{"), (USER, "text/html", b"<h1>ada-abbot</h1>")):
        first, content = fetch(url + target)
        require(first["Content-Type"].startswith(kind) and part in content and not is_hit(first),
                f"{target}, first time: {first['Cache-Status']}")
        for _ in range(4):  # if the servers were asked, both would show
            fields, again = fetch(url + target)
            if not is_stored_page(fields) or fields["X-Served-By"] != first["X-Served-By"] or again != content:
                raise Failed(f"{target} again, from {fields['X-Served-By']}: {fields['Cache-Status']}")
        require(True, f"again: {fields['Cache-Status']}")
        fetch(url + target, expect=304, If_None_Match=first["ETag"])
        require(first["ETag"] == fields["ETag"], "a conditional request: 304")


def stored_user_page(url):
    """A user's page as it lies in memcached, once it does: while weir has not seen yet what was purged just before, it asks
    a server and not memcached."""
    limit = time.monotonic() + PATIENCE_SECONDS
    while True:
        fields, content = fetch(url + USER)
        if is_stored_page(fields):
            return content
        if time.monotonic() > limit:
            raise Failed(f"{PATIENCE_SECONDS} s later {USER} does not come from memcached: {fields['Cache-Status']}")
        time.sleep(0.1)


def check_upload(url):
    stored_user_page(url)
    content = (b'--limit\r\nContent-Disposition: form-data; name="user"\r\n\r\nada-abbot\r\n'
               b'--limit\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n' + PNG + b"\r\n--limit--\r\n")
    fields, _ = fetch(url + "/upload", content, 303, Content_Type="multipart/form-data; boundary=limit")
    require(fields["Location"].startswith(url + "/user/ada-abbot?new="), f"an upload leads to {fields['Location']}")
    photo = urllib.parse.parse_qs(urllib.parse.urlsplit(fields["Location"]).query)["new"][0]
    link = f'href="/photo/{photo}"'.encode()
    page, content = fetch(url + USER)
    require(link in content, f"the user's page has it at once: {page['Cache-Status']}")
    require(link in fetch(fields["Location"])[1] and fetch(f"{url}/image/{photo}")[1] == PNG, "the uploaded image comes back")
    require(link in stored_user_page(url), "and so has the one that is in memcached now")


def check_reload(url, config, pid):
    require(servers_of(url) == {"one", "two"}, "both servers answer")
    with open(config, encoding="utf-8") as file:
        text = file.read()
    last_server = re.findall(r"^ +- 127\.0\.0\.1:\d+\n", text, re.MULTILINE)[-1]
    for changed, expected in ((text.replace(last_server, ""), {"one"}), (text, {"one", "two"})):
        with open(config, "w", encoding="utf-8") as file:
            file.write(changed)
        reload_until(pid, url, expected)
        require(True, f"after an edit and a reload: {', '.join(sorted(expected))}")


def main():
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    url, admin_url, config, pid = *sys.argv[1:4], int(sys.argv[4])
    try:
        check_pages(url)
        check_memcached(url)
        check_upload(url)
        check_reload(url, config, pid)
        require(b"# TYPE " in fetch(admin_url + "/metrics")[1], "the admin listener has metrics")
    except (Failed, OSError) as error:
        sys.exit(f"check.py: {error}")
    print("OK")


if __name__ == "__main__":
    main()
