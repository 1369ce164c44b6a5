"""Each recipe of conf/recipes with real servers: two of its kind with the server's own file as it is, and weir with the recipe,
in which only the addresses and the log are others."""
import concurrent.futures
import contextlib
import http.client
import http.cookies
import os
import re
import shutil
import subprocess
import sys
import time
import unittest

import running

PATIENCE_SECONDS = 60


def cache_status(response):
    return response.getheader("Cache-Status")


def cookies(response):
    """What a browser would send back."""
    got = http.cookies.SimpleCookie()
    for value in response.headers.get_all("Set-Cookie", []):
        got.load(value)
    return {name: each.value for name, each in got.items()}


def as_field(values):
    return "; ".join(f"{name}={value}" for name, value in values.items())


class Recipe(unittest.TestCase):
    """What they have in common. `yaml` and `start` say which it is."""

    @classmethod
    def setUpClass(cls):
        if cls is Recipe:
            raise unittest.SkipTest("what the others have in common")
        folder = running.folder()
        cls.addClassCleanup(folder.cleanup)
        cls.prepare(folder.name)
        cls.site = running.Site(cls.yaml, cls.start, folder.name)
        cls.addClassCleanup(cls.site.close)

    @classmethod
    def prepare(cls, folder):
        os.environ["RECIPES"], os.environ["SITE"] = running.RECIPES, folder

    def hit(self, target, **fields):
        response, content = self.site.ask(target, **fields)
        self.assertRegex(cache_status(response), "^weir; hit;", response.headers)
        return content

    def miss(self, target, **fields):
        response, content = self.site.ask(target, **fields)
        self.assertEqual(response.status, 200, response.headers)
        self.assertRegex(cache_status(response), "^weir; fwd=(uri-miss|stale); stored;", response.headers)
        return content

    def passed(self, target, detail, **fields):
        """Neither from the cache nor stored, for this reason."""
        response, content = self.site.ask(target, **fields)
        self.assertEqual(response.status, 200)
        self.assertRegex(cache_status(response), f"^weir; fwd=.*detail={detail}$")
        return content

    def wait(self, until, shown):
        """Until it is so, or else the test fails with what there is."""
        limit = time.monotonic() + PATIENCE_SECONDS
        while not until():
            self.assertLess(time.monotonic(), limit, shown())
            time.sleep(0.05)

    def purge(self, target, **fields):
        self.assertEqual(self.site.ask(target, "PURGE", **fields)[0].status, 200)


class CherryPy(Recipe):
    yaml, start = "cherrypy.yaml", staticmethod(running.cherrypy_server)

    def test_a_page_is_made_once_and_knows_where_the_client_came_in(self):
        content = self.miss("/", client="127.0.0.2", X_Forwarded_Host="evil.example", X_Forwarded_For="192.0.2.1")
        self.assertRegex(content, r"^run 1 http://www\.example\.org/there 127\.0\.0\.2$")
        self.assertEqual(self.hit("/"), content)

    def test_what_has_a_session_is_not_stored(self):
        for _ in range(2):
            self.passed("/session", "set-cookie")

    def test_the_server_keeps_as_many_connections_as_weir_sends_requests_at_once(self):
        server = self.site.status()["upstreams"][0]["endpoints"][0]["address"]
        with contextlib.ExitStack() as open_until_the_end:
            for number in range(running.max_in_flight(self.yaml)):
                connection = http.client.HTTPConnection(server, timeout=PATIENCE_SECONDS)
                open_until_the_end.enter_context(contextlib.closing(connection))
                connection.request("GET", "/session")
                response = connection.getresponse()
                response.read()
                self.assertIsNone(response.getheader("Connection"), f"after {number} others")


class Tuning(Recipe):
    yaml, start = "tuning.yaml", staticmethod(running.cherrypy_server)

    def test_reports_that_take_long_leave_threads_for_pages(self):
        def reports():
            return self.site.status()["upstreams"][1]

        def under_way():
            return [server["in_flight"] for server in reports()["endpoints"]]

        with concurrent.futures.ThreadPoolExecutor(7) as pool:
            asked = [pool.submit(self.site.ask, f"/reports/{number}") for number in range(7)]
            try:
                self.wait(lambda: under_way() == [2, 2] and reports()["queued"] == 3, reports)
                for number in range(36):
                    self.assertEqual(self.site.ask(f"/?page={number}")[0].status, 200)
                self.assertEqual((under_way(), reports()["queued"]), ([2, 2], 3))
            finally:
                with open(os.path.join(os.environ["SITE"], "reports"), "w", encoding="ascii"):
                    pass
            for each in asked:
                response, content = each.result()
                self.assertEqual((response.status, content), (200, "reported"))

    def test_a_page_for_all_and_a_session(self):
        content = self.miss("/")
        self.assertEqual(self.hit("/", Cookie="_ga=1; session_id=abc"), content, "it says public")
        self.passed("/session", "set-cookie", Cookie="session_id=abc")


class Django(Recipe):
    yaml, start = "django.yaml", staticmethod(running.gunicorn)

    @classmethod
    def prepare(cls, folder):
        super().prepare(folder)
        for name in ("assets", "static"):
            os.mkdir(os.path.join(folder, name))
        with open(os.path.join(folder, "assets", "site.css"), "w", encoding="utf-8") as file:
            file.write("body { margin: 0 }\n")
        subprocess.run(["/usr/bin/python3", "-B", os.path.join(running.HERE, "django_site.py")], check=True)

    def test_the_checks_find_both_servers_up(self):
        def servers():
            return self.site.status()["upstreams"][0]["endpoints"]

        # The first check decides alone, and may have come while gunicorn was loading the site.
        self.wait(lambda: all(server["checks"]["done"] and server["state"] == "up" for server in servers()), servers)

    def test_a_url_is_the_client_s_and_no_client_can_change_it(self):
        response, _ = self.site.ask("/away", X_Forwarded_Host="evil.example", X_Forwarded_Proto="https")
        self.assertEqual(response.getheader("Location"), "http://www.example.org/there")
        content = self.site.ask("/client", client="127.0.0.2", X_Forwarded_For="192.0.2.1", X_Forwarded_Proto="https")[1]
        self.assertRegex(content, r" 127\.0\.0\.2 http$")
        self.assertEqual(self.site.ask("/", Host="evil.example")[0].status, 400)

    def test_the_project_s_protection_stays(self):
        self.assertEqual(self.site.ask("/account")[0].getheader("X-Frame-Options"), "DENY")

    def test_a_page_for_all_is_made_once_whatever_other_cookies_there_are(self):
        self.purge("/")
        content = self.miss("/")
        self.assertIn("for everybody http://www.example.org/there", content)
        self.assertEqual(self.hit("/", Cookie="_ga=1; other=2"), content)
        self.purge("/")
        self.assertNotEqual(self.miss("/"), content)

    def test_static_files_come_from_the_cache_for_years(self):
        name = re.search(r"/static/site\.\w+\.css", self.site.ask("/")[1])[0]
        content = self.miss(name)
        self.assertEqual(content, "body { margin: 0 }\n")
        self.assertEqual(self.hit(name, Cookie="sessionid=anything"), content)
        self.assertIn("immutable", self.site.ask(name)[0].getheader("Cache-Control"))

    def log_in(self):
        """The cookies of somebody who came in by the form."""
        self.passed("/accounts/login/", "(set-cookie|no-cache|private|no-store)")
        form, content = self.site.ask("/accounts/login/")
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', content)[1]
        fields = {"Cookie": as_field(cookies(form)), "Content_Type": "application/x-www-form-urlencoded"}
        sent = f"csrfmiddlewaretoken={token}&username=ada&password=of+a+test"
        refused = self.site.ask("/accounts/login/", "POST", sent, Content_Type=fields["Content_Type"])[0]
        self.assertEqual(refused.status, 403, "without the cookie of the form")
        response, content = self.site.ask("/accounts/login/", "POST", sent, **fields)
        self.assertEqual((response.status, response.getheader("Location")), (302, "/account"), content)
        return {**cookies(form), **cookies(response)}

    def test_who_is_logged_in_gets_pages_of_their_own_which_nobody_else_gets(self):
        browser = as_field(self.log_in())
        self.assertIn("sessionid=", browser)
        first = self.passed("/account", "session-cookie", Cookie=browser)
        self.assertRegex(first, "for ada$")
        self.assertNotEqual(self.passed("/account", "session-cookie", Cookie=browser), first)
        self.assertEqual(self.site.ask("/account")[0].status, 302)
        self.assertIn("for ada ", self.passed("/", "session-cookie", Cookie=browser))
        self.assertIn("for everybody ", self.site.ask("/")[1])

    def test_a_form_s_cookie_alone_keeps_pages_out_of_the_cache(self):
        self.passed("/", "session-cookie", Cookie="csrftoken=" + "a" * 64)


class Uwsgi(Recipe):
    yaml, start = "uwsgi.yaml", staticmethod(running.uwsgi)

    @classmethod
    def prepare(cls, folder):
        super().prepare(folder)
        shutil.copy(os.path.join(running.RECIPES, "uwsgi.ini"), folder)
        os.mkdir(os.path.join(folder, "static"))
        with open(os.path.join(folder, "static", "site.css"), "w", encoding="utf-8") as file:
            file.write("body { margin: 0 }\n")

    def test_no_idle_connection_holds_a_process(self):
        for number in range(20):
            self.assertEqual(self.site.ask(f"/{number}", Cookie="session=1")[0].status, 200)
        servers = self.site.status()["upstreams"][0]["endpoints"]
        self.assertEqual([server["idle_connections"] for server in servers], [0, 0])
        self.assertEqual(sum(server["failures"] for server in servers), 0)

    def test_a_head_that_is_longer_than_uwsgi_s_default(self):
        self.assertRegex(self.site.ask("/long", X_Long="a" * 20_000)[1], r" /long 20000$")

    def test_a_page_for_all_is_made_once(self):
        content = self.miss("/page")
        self.assertEqual(self.hit("/page", Cookie="_ga=1"), content)
        self.assertNotEqual(self.passed("/page", "session-cookie", Cookie="session=1"), content)
        self.purge("/page")
        self.assertNotEqual(self.miss("/page"), content)

    def test_static_files_come_from_the_cache_for_an_hour(self):
        content = self.miss("/static/site.css")
        self.assertEqual(content, "body { margin: 0 }\n")
        self.assertEqual(self.hit("/static/site.css"), content)
        left = int(re.search(r"ttl=(\d+)", cache_status(self.site.ask("/static/site.css")[0]))[1])
        self.assertTrue(60 < left <= 3600, left)


class Plone(Recipe):
    """Not Zope, which is not in Debian 12, but a small application on the server that it runs on; see wsgi_site.py."""
    yaml, start = "plone.yaml", staticmethod(running.waitress)

    def test_the_virtual_host_monster_knows_where_the_client_came_in(self):
        for host, url in (("www.example.org", "http://www.example.org"), ("example.org:8080", "http://example.org:8080")):
            with self.subTest(host):
                content = self.miss("/news/today", Host=host)
                self.assertRegex(content, f" for everybody Plone /news/today {re.escape(url)}/news/today$")
                self.assertEqual(self.hit("/news/today", Host=host), content)
        self.assertRegex(self.site.ask("/?a=b")[1], r" Plone / http://www\.example\.org/$")

    def test_what_plone_sends_purges_it_if_it_sends_virtual_hosting_paths(self):
        self.purge("/folder/page")
        content = self.miss("/folder/page")
        # With the host of the caching proxy that its control panel names; the port is there if its domains have it.
        for domain in ("www.example.org", "www.example.org:80"):
            purged = f"/VirtualHostBase/http/{domain}/Plone/VirtualHostRoot/folder/page"
            with self.subTest(purged):
                self.assertEqual(self.site.ask(purged, "PURGE", client="127.0.0.2", Host="127.0.0.1")[0].status, 403)
                self.purge("/folder/page", Host="127.0.0.1")
                self.assertEqual(self.hit("/folder/page"), content)
                self.purge(purged, Host="127.0.0.1")
                was, content = content, self.miss("/folder/page")
                self.assertNotEqual(content, was)

    def test_members_have_pages_of_their_own(self):
        self.miss("/members")
        for _ in range(2):
            self.assertIn("for member ", self.passed("/members", "session-cookie", Cookie="__ac=abc; _ga=1"))
        self.assertIn("for everybody ", self.hit("/members", Cookie="_ga=1"))
        for name in ("_ZopeId", "__cp", "statusmessages"):
            self.passed("/members", "session-cookie", Cookie=f"{name}=1")


if __name__ == "__main__":
    sys.exit(unittest.main())
