#!/usr/bin/python3
"""usage: scripts/demo/check.py URL ADMIN_URL CONFIG PID

Tries the running demo through weir at URL: pages, a miss and a hit, both servers, an upload, an edit of CONFIG's list of
servers and a reload of the process PID. Says what it sees; exit status 1 at the first thing that is not so.
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
    first, content = fetch(url + "/user/ada-abbot")
    require(b"<h1>ada-abbot</h1>" in content and "fwd" in first["Cache-Status"],
            f"a user's page, first time: {first['Cache-Status']}")
    second, again = fetch(url + "/user/ada-abbot")
    require(again == content and re.search(r"; *hit\b", second["Cache-Status"]), f"again: {second['Cache-Status']}")
    fetch(url + "/user/ada-abbot", expect=304, If_None_Match=first["ETag"])
    require(True, "a conditional request: 304")
    for target, kind in (("/static/style.css", "text/css"), ("/image/1000000", "image/svg+xml")):
        require(fetch(url + target)[0]["Content-Type"].startswith(kind), f"{target} is {kind}")
    fetch(url + "/user/nobody-at-all", expect=404)


def check_upload(url):
    content = (b'--limit\r\nContent-Disposition: form-data; name="user"\r\n\r\nada-abbot\r\n'
               b'--limit\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n' + PNG + b"\r\n--limit--\r\n")
    fields, _ = fetch(url + "/upload", content, 303, Content_Type="multipart/form-data; boundary=limit")
    require(fields["Location"].startswith(url + "/user/ada-abbot?new="), f"an upload leads to {fields['Location']}")
    photo = urllib.parse.parse_qs(urllib.parse.urlsplit(fields["Location"]).query)["new"][0]
    require(f"/image/{photo}".encode() in fetch(fields["Location"])[1] and fetch(f"{url}/image/{photo}")[1] == PNG,
            "the uploaded image comes back")


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
        check_upload(url)
        check_reload(url, config, pid)
        require(b"# TYPE " in fetch(admin_url + "/metrics")[1], "the admin listener has metrics")
    except (Failed, OSError) as error:
        sys.exit(f"check.py: {error}")
    print("OK")


if __name__ == "__main__":
    main()
