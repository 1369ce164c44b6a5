"""Flickr Killr by itself: a small database, real servers on ports of the system's choice."""
import contextlib
import http.client
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import pylibmc

FOLDER = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", "scripts", "demo"))
sys.path[:0] = [FOLDER, os.path.join(FOLDER, "..", "bench")]

import database as queries  # noqa: E402
import fill  # noqa: E402
import pictures  # noqa: E402
from postgres import Postgres  # noqa: E402
from processes import Failed, Process, Served  # noqa: E402

USERS, PHOTOS = 100, 1000
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4


class Server(Served):
    def __init__(self, database, name, *options):
        with tempfile.TemporaryDirectory() as folder:  # of the log, which is of use until it has started
            super().__init__(name, ["/usr/bin/python3", os.path.join(FOLDER, "server.py"), "--database", database, "--name", name,
                                    "--quiet", *options], folder, seconds=60)

    def request(self, method, target, content=None, **fields):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, target, content, {name.replace("_", "-"): value for name, value in fields.items()})
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()

    def get(self, target, **fields):
        return self.request("GET", target, **fields)

    def stop(self):
        """Asks the server to stop and gives its exit status."""
        self.process.stop(30)
        return self.process.status()


def form(**parts):
    """A multipart/form-data body and its content type; a part that is bytes is a file."""
    lines = []
    for name, value in parts.items():
        file = '; filename="picture"' if isinstance(value, bytes) else ""
        kind = b"Content-Type: application/octet-stream\r\n" if file else b""
        head = f'--limit\r\nContent-Disposition: form-data; name="{name}"{file}\r\n'.encode()
        lines.append(head + kind + b"\r\n" + (value if file else value.encode()) + b"\r\n")
    return b"".join(lines) + b"--limit--\r\n", "multipart/form-data; boundary=limit"


class WithDatabase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.make_database()

    @classmethod
    def make_database(cls):
        cls.database = os.path.join(cls.folder.name, "flickr.db")
        fill.fill(cls.database, USERS, PHOTOS)

    def change(self, query, *values):
        with contextlib.closing(queries.connect(self.database)) as connection:
            connection.execute(query, values)

    def rows_of(self, query, *values):
        with contextlib.closing(queries.connect(self.database)) as connection:
            return [tuple(row) for row in connection.execute(query, values).fetchall()]


class Filling(WithDatabase):
    def rows(self, path):
        with sqlite3.connect(path) as connection:
            rows = [connection.execute(f"SELECT * FROM {table} ORDER BY id").fetchall() for table in ("users", "photos")]
        connection.close()
        return rows

    def test_the_counts_are_right_and_every_photo_has_an_owner(self):
        users, photos = self.rows(self.database)
        self.assertEqual((len(users), len(photos)), (USERS, PHOTOS))
        self.assertLessEqual({photo[1] for photo in photos}, {user[0] for user in users})

    def test_a_second_database_has_the_same_rows(self):
        other = os.path.join(self.folder.name, "other.db")
        fill.fill(other, USERS, PHOTOS)
        self.assertEqual(self.rows(other), self.rows(self.database))

    def test_a_second_run_leaves_a_complete_database_alone(self):
        before = os.stat(self.database)
        fill.fill(self.database, USERS, PHOTOS)
        after = os.stat(self.database)
        self.assertEqual((before.st_ino, before.st_mtime_ns), (after.st_ino, after.st_mtime_ns))

    def test_what_is_no_complete_database_is_made_anew(self):
        for content in (b"", b"not a database" * 100):
            path = os.path.join(self.folder.name, "broken.db")
            with open(path, "wb") as file:
                file.write(content)
            with open(path + ".partial", "wb") as file:
                file.write(b"what an interrupted run left")
            fill.fill(path, USERS, PHOTOS)
            self.assertTrue(fill.is_complete(path, USERS, PHOTOS))
            self.assertFalse(os.path.exists(path + ".partial"))

    def test_all_names_differ_for_the_full_number_of_users(self):
        self.assertEqual(len({fill.user_name(number) for number in range(100_000)}), 100_000)

    def test_the_pages_of_a_user_are_answered_from_the_index(self):
        with sqlite3.connect(self.database) as connection:
            for query, values in ((queries.NEWEST_OF_USER, (1, 10, 24)), (queries.COUNTS_OF_USER, (1,))):
                plan = " ".join(row[3] for row in connection.execute("EXPLAIN QUERY PLAN " + query, values))
                self.assertIn("INDEX photos_user_id", plan)
                self.assertNotIn("SCAN", plan)
                self.assertNotIn("TEMP B-TREE", plan)
        connection.close()


class Pages(WithDatabase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.one, cls.two = Server(cls.database, "one"), Server(cls.database, "two", "--threads", "3")
        cls.addClassCleanup(cls.two.stop)
        cls.addClassCleanup(cls.one.stop)

    def page(self, target, **fields):
        response, content = self.one.get(target, **fields)
        self.assertEqual(response.status, 200, target)
        return response, content.decode()

    def test_the_front_page_shows_the_newest_photos(self):
        response, content = self.page("/")
        self.assertEqual(response.getheader("Cache-Control"), "public, max-age=10")
        self.assertEqual(response.getheader("X-Served-By"), "one")
        self.assertIn("100 people", content)
        self.assertIn('href="/photo/1000"', content)
        self.assertEqual(content.count("<img src=\"/image/"), 24)

    def test_a_user_is_found_by_name_and_by_number(self):
        by_name, by_number = self.page("/user/ada-abbot"), self.page("/user/1")
        self.assertIn("<h1>ada-abbot</h1>", by_name[1])
        self.assertEqual(by_name[1].replace("/user/ada-abbot", "/user/1"), by_number[1].replace("/user/ada-abbot", "/user/1"))
        self.assertEqual(by_name[0].getheader("Cache-Control"), "public, max-age=10")

    def test_older_photos_follow_until_there_are_none(self):
        target, seen = "/user/1", []
        while target:
            content = self.page(target)[1]
            seen += [int(number) for number in re.findall(r'src="/image/(\d+)"', content)]
            more = re.search(r'href="(/user/[^"]*before=\d+)"', content)
            target = more and more.group(1)
        expected = [row[0] for row in self.rows_of("SELECT id FROM photos WHERE user_id = 1 ORDER BY id DESC")]
        self.assertGreater(len(seen), 24)
        self.assertEqual(seen, expected)

    def test_what_is_not_there_is_404(self):
        for target in ("/user/nobody", "/user/101", "/user/1?before=x", "/photo/999999", "/photo/x", "/image/0", "/static/no.css",
                       "/user/" + "9" * 40):
            with self.subTest(target):
                self.assertEqual(self.one.get(target)[0].status, 404)

    def test_both_servers_give_the_same_bytes_and_validators(self):
        for target in ("/user/ada-abbot", "/image/17", "/static/style.css", "/static/camera.svg"):
            with self.subTest(target):
                host = {"X_Forwarded_Host": "demo.example"}
                one, two = self.one.get(target, **host), self.two.get(target, **host)
                self.assertEqual(one[1], two[1])
                self.assertEqual(one[0].getheader("ETag"), two[0].getheader("ETag"))

    def test_static_files_last_long_and_have_validators(self):
        for name, kind in (("style.css", "text/css"), ("gallery.js", "javascript"), ("camera.svg", "image/svg+xml"),
                           ("paper.png", "image/png")):
            with self.subTest(name):
                response, content = self.one.get("/static/" + name)
                with open(os.path.join(FOLDER, "static", name), "rb") as file:
                    self.assertEqual(content, file.read())
                self.assertIn(kind, response.getheader("Content-Type"))
                self.assertEqual(response.getheader("Cache-Control"), "public, max-age=86400")
                tag, modified = response.getheader("ETag"), response.getheader("Last-Modified")
                self.assertEqual(self.one.get("/static/" + name, If_None_Match=tag)[0].status, 304)
                self.assertEqual(self.one.get("/static/" + name, If_Modified_Since=modified)[0].status, 304)

    def test_nothing_beside_the_static_files_is_served(self):
        for target in ("/static/../server.py", "/static/%2e%2e/server.py"):
            self.assertIn(self.one.get(target)[0].status, (403, 404))

    def test_images_are_drawn_from_the_row(self):
        response, content = self.one.get("/image/17")
        self.assertEqual(response.getheader("Content-Type"), "image/svg+xml")
        self.assertEqual(response.getheader("Cache-Control"), "public, max-age=86400")
        self.assertTrue(content.startswith(b"<svg "))
        self.assertEqual(self.one.get("/image/17", If_None_Match=response.getheader("ETag"))[0].status, 304)
        self.assertNotEqual(content, self.one.get("/image/18")[1])

    def test_an_answer_to_head_has_no_content(self):
        response, content = self.one.request("HEAD", "/user/1")
        self.assertEqual((response.status, content), (200, b""))
        self.assertEqual(int(response.getheader("Content-Length")), len(self.one.get("/user/1")[1]))

    def test_an_upload_is_seen_on_both_servers(self):
        content, kind = form(user="ada-abbot", title="  A <b>cat</b> ", image=PNG)
        response, _ = self.one.request("POST", "/upload", content, Content_Type=kind, X_Forwarded_Proto="https",
                                       X_Forwarded_Host="demo.example")
        self.assertEqual(response.status, 303)
        self.assertEqual(response.getheader("Cache-Control"), "private, no-store")
        found = re.fullmatch(r"https://demo\.example(/user/ada-abbot\?new=(\d+))", response.getheader("Location"))
        page = self.two.get(found.group(1))[1].decode()
        self.assertIn("A &lt;b&gt;cat&lt;/b&gt;", page)
        self.assertIn('<li class="new">', page)
        image, content = self.two.get("/image/" + found.group(2))
        self.assertEqual((image.getheader("Content-Type"), content), ("image/png", PNG))
        self.assertEqual(image.getheader("X-Content-Type-Options"), "nosniff")

    def test_uploads_that_are_refused(self):
        script = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
        for status, parts in ((400, {"user": "nobody", "image": PNG}), (400, {"user": "ada-abbot"}),
                              (400, {"user": "ada-abbot", "image": "text"}), (415, {"user": "ada-abbot", "image": script}),
                              (413, {"user": "ada-abbot", "image": PNG + bytes(5 * 1024 * 1024)})):
            content, kind = form(**parts)
            with self.subTest(status=status, parts=list(parts)):
                self.assertEqual(self.one.request("POST", "/upload", content, Content_Type=kind)[0].status, status)

    def test_methods_that_a_page_does_not_take(self):
        self.assertEqual(self.one.request("POST", "/user/1", b"")[0].status, 405)
        self.assertEqual(self.one.get("/session/login")[0].status, 405)

    def cookie(self, response):
        return re.match(r"session_id=\w+", response.getheader("Set-Cookie")).group()

    def test_a_session_goes_on_at_the_other_server(self):
        response, _ = self.one.get("/session")
        self.assertEqual(response.status, 200)
        self.assertEqual(response.getheader("Cache-Control"), "private, no-store")
        anonymous = self.cookie(response)
        response, _ = self.two.request("POST", "/session/login", "name=Ann", Cookie=anonymous,
                                       Content_Type="application/x-www-form-urlencoded")
        self.assertEqual(response.status, 303)
        known = self.cookie(response)
        self.assertNotEqual(anonymous, known)
        response, content = self.two.get("/session", Cookie=known)
        self.assertIn(b"Hello, Ann", content)
        self.assertIn(b"seen this page 2 times", content)
        self.two.request("POST", "/session/logout", b"", Cookie=known)
        for gone in (anonymous, known):
            self.assertNotIn(b"Ann", self.one.get("/session", Cookie=gone)[1])

    def test_parallel_requests_of_one_session_lose_no_count(self):
        cookie = self.cookie(self.one.get("/session")[0])
        statuses = []

        def visit(server):
            for _ in range(10):
                statuses.append(server.get("/session", Cookie=cookie)[0].status)
        threads = [threading.Thread(target=visit, args=(server,)) for server in (self.one, self.two) * 2]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(set(statuses), {200})
        self.assertIn(b"seen this page 42 times", self.two.get("/session", Cookie=cookie)[1])

    def test_the_lock_of_a_server_that_was_killed_ends_by_itself(self):
        cookie = self.cookie(self.one.get("/session")[0])
        self.change("INSERT INTO session_locks VALUES (?, 'a server that is gone', 1)", cookie.split("=")[1])
        self.assertEqual(self.one.get("/session", Cookie=cookie)[0].status, 200)

    def test_no_lock_is_left_behind(self):
        cookie = self.cookie(self.one.get("/session")[0])
        self.one.request("POST", "/session/login", "name=Ann", Cookie=cookie, Content_Type="application/x-www-form-urlencoded")
        self.assertEqual(self.rows_of("SELECT id FROM session_locks WHERE until > 1"), [])


class PagesOverPostgresql(Pages):
    """The same tests, with other SQL beneath."""

    @classmethod
    def make_database(cls):
        cls.postgres = cls.enterClassContext(Postgres())
        cls.database = cls.postgres.url
        fill.fill_postgresql(cls.database, USERS, PHOTOS)

    def test_the_rows_are_those_of_sqlite(self):
        other = os.path.join(self.folder.name, "other.db")
        fill.fill(other, USERS, PHOTOS)
        with contextlib.closing(queries.connect(other)) as connection:
            for query in ("SELECT * FROM users ORDER BY id",
                          f"SELECT * FROM photos WHERE id <= {PHOTOS} ORDER BY id"):  # others are uploads of other tests
                self.assertEqual(self.rows_of(query), [tuple(row) for row in connection.execute(query).fetchall()])

    def test_a_second_run_leaves_a_complete_database_alone(self):
        before = self.rows_of("SELECT oid FROM pg_class WHERE relname = 'photos'")
        fill.fill_postgresql(self.database, USERS, PHOTOS)
        self.assertEqual(self.rows_of("SELECT oid FROM pg_class WHERE relname = 'photos'"), before)
        with self.assertRaisesRegex(SystemExit, "holds other rows"):
            fill.fill_postgresql(self.database, USERS, PHOTOS + 1)

    def test_two_runs_at_once_fill_it_once(self):
        self.postgres.ask("CREATE DATABASE twice")
        url = self.database.replace("/flickr?", "/twice?")
        command = ["/usr/bin/python3", os.path.join(FOLDER, "fill.py"), url, "--users", USERS, "--photos", PHOTOS]
        with contextlib.closing(queries.connect(url)) as holder, Process(command, None) as one, Process(command, None) as other:
            with holder:
                holder.execute("BEGIN")
                holder.execute("SELECT pg_advisory_xact_lock(?)", (fill.LOCK,))
                waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                until = time.monotonic() + 60
                while holder.execute(waiting).fetchone()[0] < 2:
                    self.assertLess(time.monotonic(), until, "they do not wait for each other")
                    time.sleep(0.01)
            said = sorted(run.output(60).split(url)[0] for run in (one, other))
            self.assertEqual(said, ["== ", "== filling "])
            self.assertEqual(holder.execute("SELECT count(*) FROM photos").fetchone()[0], PHOTOS)

    def test_a_database_that_cannot_be_filled_is_one_clear_sentence(self):
        for url, why in ((self.database.replace("/flickr?", "/missing?"), "does not exist"),
                         (f"postgresql:///flickr?host={self.folder.name}", "No such file or directory")):
            run = subprocess.run(["/usr/bin/python3", os.path.join(FOLDER, "fill.py"), url], capture_output=True, text=True,
                                 timeout=60)
            self.assertEqual(run.returncode, 1)
            self.assertTrue(run.stderr.startswith(f"fill.py: {url}: "), run.stderr)
            self.assertIn(why, run.stderr)
            self.assertNotIn("Traceback", run.stderr)

    def test_a_connection_that_postgresql_closed_is_made_anew(self):
        server = Server(self.database + "&application_name=closed", "closed", "--threads", "1")
        self.addCleanup(server.stop)
        self.assertEqual(server.get("/user/1")[0].status, 200)
        self.rows_of("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'closed'")
        self.assertEqual([server.get("/user/1")[0].status for _ in range(3)], [500, 200, 200])

    def test_a_database_that_cannot_be_reached_is_one_clear_sentence(self):
        run = subprocess.run(["/usr/bin/python3", os.path.join(FOLDER, "server.py"), "--database",
                              f"postgresql:///flickr?host={self.folder.name}"], capture_output=True, text=True, timeout=60)
        self.assertEqual(run.returncode, 1)
        self.assertIn("server.py: postgresql:///flickr", run.stderr)
        self.assertNotIn("Traceback", run.stderr)

    def test_the_cgi_script_gives_the_same_page(self):
        count = os.path.join(self.folder.name, "cgi-count")
        environment = {"REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/user/ada-abbot", "QUERY_STRING": "",
                       "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": "127.0.0.1",
                       "REMOTE_ADDR": "127.0.0.1", "FLICKR_DATABASE": self.database, "FLICKR_COUNT": count}
        run = subprocess.run([os.path.join(FOLDER, "flickr.cgi")], env=environment, capture_output=True, timeout=60, check=True)
        head, _, page = run.stdout.replace(b"\r\n", b"\n").partition(b"\n\n")
        self.assertIn(b"Status: 200 OK", head)
        self.assertIn(b"\nSet-Cookie: session_id=", head)
        self.assertEqual(page, self.one.get("/user/ada-abbot", Host="127.0.0.1")[1])
        self.assertEqual(os.path.getsize(count), 1)


class PersonalPages(WithDatabase):
    """--sessions: what the ladder measures."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.count = os.path.join(cls.folder.name, "count")
        cls.server = Server(cls.database, "one", "--sessions", "--count", cls.count)
        cls.addClassCleanup(cls.server.stop)

    def test_a_page_greets_its_visitor_and_is_not_for_others(self):
        response, _ = self.server.get("/user/1")
        cookie = re.match(r"session_id=\w+", response.getheader("Set-Cookie")).group()
        self.assertEqual(response.getheader("Cache-Control"), "private, no-store")
        response, _ = self.server.request("POST", "/session/login", "name=Ann", Cookie=cookie,
                                          Content_Type="application/x-www-form-urlencoded")
        cookie = re.match(r"session_id=\w+", response.getheader("Set-Cookie")).group()
        self.assertIn(b">Ann</a>", self.server.get("/user/1", Cookie=cookie)[1])
        self.assertNotIn(b"Ann", self.server.get("/user/1")[1])

    def test_files_have_no_session(self):
        for target in ("/static/style.css", "/image/1"):
            response, _ = self.server.get(target)
            self.assertIsNone(response.getheader("Set-Cookie"))
            self.assertEqual(response.getheader("Cache-Control"), "public, max-age=86400")

    def test_every_request_is_counted(self):
        before = os.path.getsize(self.count)
        for target in ("/user/1", "/static/style.css", "/nothing"):
            self.server.get(target)
        self.assertEqual(os.path.getsize(self.count), before + 3)


class Freshness(WithDatabase):
    def test_how_long_pages_are_fresh_can_be_said(self):
        server = Server(self.database, "one", "--fresh", "1")
        self.addCleanup(server.stop)
        self.assertEqual(server.get("/user/1")[0].getheader("Cache-Control"), "public, max-age=1, stale-while-revalidate=60")


class Memcached:
    """A memcached of the test's own, on a unix socket."""

    def __init__(self, folder):
        self.socket = os.path.join(folder, "memcached")
        user = ["-u", "root"] if os.geteuid() == 0 else []
        self._process = Process(["memcached", "-s", self.socket, *user], None, os.path.join(folder, "memcached.log"))
        self._client = pylibmc.Client([self.socket])
        try:
            if not self._process.await_value(self._answers, 60):
                raise Failed(f"memcached did not start: {self._process.logged()}")
        except BaseException:
            self._process.stop()
            raise

    def _answers(self):
        try:
            return self._client.set("answers", "yes") or None
        except pylibmc.Error:
            return None

    def get(self, key):
        return self._client.get(key)

    def stop(self):
        self._process.stop()


class StoredPages(WithDatabase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.memcached = Memcached(cls.folder.name)
        cls.addClassCleanup(cls.memcached.stop)
        cls.server = Server(cls.database, "one", "--memcached", "unix:" + cls.memcached.socket,
                            "--memcached-timeout", "60")
        cls.addClassCleanup(cls.server.stop)

    def stored(self, target):
        return self.memcached.get(f"page:127.0.0.1:{self.server.port}{target}")

    def test_static_files_and_the_pages_of_users_are_stored(self):
        for target in ("/static/style.css", "/static/paper.png", "/user/ada-abbot", "/user/2"):
            with self.subTest(target):
                response, content = self.server.get(target)
                head, _, stored = self.stored(target).partition(b"\r\n\r\n")
                self.assertEqual(stored, content)
                self.assertIn(response.getheader("ETag").encode(), head)

    def test_nothing_else_is_stored(self):
        anonymous = re.match(r"session_id=\w+", self.server.get("/session")[0].getheader("Set-Cookie")).group()
        known = {"Cookie": anonymous}
        for target, fields in (("/session", known), ("/session", {}), ("/user/3", known), ("/", {}), ("/photo/1", {}),
                               ("/image/1", {}), ("/upload", {}), ("/user/nobody", {}), ("/static/no.css", {}),
                               ("/user/4?before=9", {})):
            with self.subTest(target):
                self.server.get(target, **fields)
                self.assertIsNone(self.stored(target))
        self.assertIsNone(self.stored("/user/4"))

    def test_a_file_is_stored_for_who_has_a_session_too(self):
        self.server.get("/static/gallery.js", Cookie="session_id=" + 40 * "0")
        self.assertIsNotNone(self.stored("/static/gallery.js"))

    def test_an_upload_takes_out_the_page_of_its_user_alone(self):
        name = re.search(r"<h1>(.*?)</h1>", self.server.get("/user/5")[1].decode()).group(1)
        page, other = "/user/" + name, "/user/6"
        group = self.server.get(page)[0].getheader("Cache-Groups")
        self.server.get(other)
        self.assertIsNotNone(self.stored(page))
        content, kind = form(user=name, image=PNG)
        response, _ = self.server.request("POST", "/upload", content, Content_Type=kind)
        self.assertEqual((response.status, response.getheader("Cache-Group-Invalidation")), (303, group))
        self.assertIsNone(self.stored(page))
        self.assertIsNotNone(self.stored(other))
        self.assertNotEqual(self.server.get(other)[0].getheader("Cache-Groups"), group)

    def test_an_upload_that_is_refused_takes_nothing_out(self):
        self.server.get("/user/ada-abbot")
        content, kind = form(user="ada-abbot", image=b"no image")
        response, _ = self.server.request("POST", "/upload", content, Content_Type=kind)
        self.assertEqual((response.status, response.getheader("Cache-Group-Invalidation")), (415, None))
        self.assertIsNotNone(self.stored("/user/ada-abbot"))

    def test_without_memcached_nothing_fails(self):
        gone = Server(self.database, "two", "--memcached", "unix:" + os.path.join(self.folder.name, "gone"))
        self.addCleanup(gone.stop)
        self.assertEqual(gone.get("/user/ada-abbot")[0].status, 200)
        name = re.search(r"<h1>(.*?)</h1>", gone.get("/user/7")[1].decode()).group(1)
        content, kind = form(user=name, image=PNG)
        self.assertEqual(gone.request("POST", "/upload", content, Content_Type=kind)[0].status, 303)


class Running(WithDatabase):
    def test_a_server_listens_on_a_unix_socket_and_stops_when_asked(self):
        path = os.path.join(self.folder.name, "socket")
        server = Server(self.database, "one", "--socket", path)
        self.assertEqual(server.place, path)
        self.assertEqual(server.stop(), 0)

    def test_a_port_in_use_is_one_clear_sentence(self):
        server = Server(self.database, "one")
        self.addCleanup(server.stop)
        second = subprocess.run(["/usr/bin/python3", os.path.join(FOLDER, "server.py"), "--database", self.database,
                                 "--port", server.place], capture_output=True, text=True, timeout=60)
        self.assertEqual(second.returncode, 1)
        self.assertIn("cannot listen on " + server.place, second.stderr)
        self.assertNotIn("Traceback", second.stderr)

    def test_a_memcached_that_is_none_is_one_clear_sentence(self):
        run = subprocess.run(["/usr/bin/python3", os.path.join(FOLDER, "server.py"), "--database", self.database,
                              "--memcached", "udp:127.0.0.1"], capture_output=True, text=True, timeout=60)
        self.assertEqual((run.returncode, run.stderr.strip()),
                         (1, "server.py: --memcached: 'udp:127.0.0.1' is no server; write host:port or unix:/path"))

    def test_a_database_that_is_not_there_is_one_clear_sentence(self):
        missing = os.path.join(self.folder.name, "missing.db")
        run = subprocess.run(["/usr/bin/python3", os.path.join(FOLDER, "server.py"), "--database", missing],
                             capture_output=True, text=True, timeout=60)
        self.assertEqual((run.returncode, run.stderr.strip()),
                         (1, f"server.py: {missing} is not there; make it with scripts/demo/fill.py"))


class Pictures(unittest.TestCase):
    def test_kinds_of_images(self):
        for content, kind in ((PNG, "image/png"), (b"\xff\xd8\xff\xe0", "image/jpeg"), (b"GIF89a", "image/gif"),
                              (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"), (b"RIFF\0\0\0\0WAVE", None), (b"<svg/>", None), (b"", None)):
            self.assertEqual(pictures.content_type(content), kind)

    def test_a_title_cannot_break_out_of_the_drawing(self):
        self.assertIn(b"<title>&lt;script&gt;</title>", pictures.scene(1, "<script>"))


if __name__ == "__main__":
    unittest.main()
