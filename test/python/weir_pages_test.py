"""weir_pages.py with real memcached servers, a real CherryPy server, and the values seen as weir sees them."""
import contextlib
import datetime
import email.utils
import http.client
import logging
import os
import pickle
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import unittest.mock
import wsgiref.util

FOLDER = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(FOLDER, "..", "..", "scripts", "python"))

import cheroot.wsgi  # noqa: E402
import cherrypy  # noqa: E402
import pylibmc  # noqa: E402
import weir_pages  # noqa: E402

HEAD = "weir:purges"
PATIENCE = 60


class Memcached:
    """A memcached of the test's own, on a unix socket, and a plain client of its text protocol."""

    def __init__(self, folder, name, *arguments):
        self.path = os.path.join(folder, name)
        # Found in PATH, as servers of Debian are for everybody.
        user = ["-u", "root"] if os.geteuid() == 0 else []
        self.process = subprocess.Popen(["memcached", "-s", self.path, *user, *arguments])
        until = time.monotonic() + PATIENCE
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError("memcached does not answer")
            time.sleep(0.01)

    def _answers(self):
        try:
            return self.say(b"version\r\n").startswith(b"VERSION")
        except OSError:
            return False

    def say(self, command, ends=b"\r\n"):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(self.path)
            connection.sendall(command)
            got = b""
            while not got.endswith(ends):
                part = connection.recv(65_536)
                if not part:
                    raise ConnectionError
                got += part
            return got

    def get(self, key):
        """Flags and bytes; None: it is not there."""
        got = self.say(b"get " + key.encode() + b"\r\n", b"END\r\n")
        if got == b"END\r\n":
            return None
        line, _, rest = got.partition(b"\r\n")
        name, flags, size = line.split()[1:]
        assert name.decode() == key
        return int(flags), rest[:int(size)]

    def set(self, key, value, flags=0):
        assert self.say(b"set %s %d 0 %d\r\n%s\r\n" % (key.encode(), flags, len(value), value)) == b"STORED\r\n"

    def lifetime(self, key):
        """In seconds; -1: for ever."""
        return int(re.match(rb"HD t(-?[0-9]+)", self.say(b"mg " + key.encode() + b" t\r\n")).group(1))

    def forget(self):
        assert self.say(b"flush_all\r\n") == b"OK\r\n"

    def stop(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()


def page(value):
    """Status line, fields as a dict, and body of a value in weir's form."""
    head, _, body = value.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    return first, dict(line.split(": ", 1) for line in lines), body


class WithMemcached(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        cls.memcached = Memcached(cls.folder, "one")
        cls.addClassCleanup(cls.memcached.stop)

    def setUp(self):
        self.memcached.forget()
        self.pages = weir_pages.Pages(["unix:" + self.memcached.path], timeout=PATIENCE)

    def kept(self, path, host="a"):
        found = self.memcached.get("page:%s%s" % (host, path))
        if found is not None:
            self.assertEqual(found[0], 0)  # weir takes other flags for other things
            return page(found[1])
        return None

    def records(self):
        """The lines of each record of the purge log."""
        head = self.memcached.get(HEAD)
        if head is None:
            return []
        epoch, last = head[1].decode().split()
        found = []
        for number in range(1, int(last) + 1):
            first, *lines = self.memcached.get("%s:%s:%d" % (HEAD, epoch, number))[1].decode().splitlines()
            self.assertRegex(first, r"\Aweir-purges 1 [0-9a-f]{16}\Z")
            found.append(lines)
        return found


class Keys(unittest.TestCase):
    def test_hosts_and_targets_give_the_keys_that_weir_looks_for(self):
        count = 0
        with open(os.path.join(FOLDER, "page_keys.txt"), encoding="utf-8") as table:
            for line in table:
                if line.startswith("#"):
                    continue
                template, scheme, host, target, key = line.split()
                path, _, query = target.partition("?")
                pages = weir_pages.Pages(["a:1"], template=template)
                with self.subTest(line):
                    self.assertEqual(pages.key(host, path, query=query, scheme=scheme), None if key == "-" else key)
                count += 1
        self.assertGreater(count, 30)

    def test_a_key_has_at_most_250_visible_characters(self):
        pages = weir_pages.Pages(["a:1"])
        self.assertEqual(len(pages.key("a", "/" + "x" * 243)), 250)
        for path in ("/" + "x" * 244, "/a b", "/a\x7f", "/a\n", "/\x00", "/\x80", "", "a", "/a?b"):
            with self.subTest(path):
                self.assertIsNone(pages.key("a", path))

    def test_templates_that_weir_refuses(self):
        for template in ("page", "{host}", "{uri}{path}", "{path}{path}", "{path}{query}", "{scheme}{host}{path}",
                         "{query}{path}", "{path}{host}", "{path} ", "{path}}", "{{path}", "{Path}{path}",
                         "ü{path}", "{}{path}", "{path}:{query}", "{query}?{path}", "{path}?{query}:{host}",
                         "{path}:{host}", "{path}:{host}?{query}", "{path}" + "x" * 245):
            with self.subTest(template), self.assertRaises(ValueError):
                weir_pages.Pages(["a:1"], template=template)

    def test_prefixes_and_servers_that_weir_refuses(self):
        for prefix in ("", "a b", "a:b", "ü", "x" * 33):
            with self.subTest(prefix), self.assertRaises(ValueError):
                weir_pages.Pages(["a:1"], prefix=prefix)
        for server in ("a:1:2", "udp:a:1", "a:x", ":1", "", "[::1]1"):
            with self.subTest(server), self.assertRaises(ValueError):
                weir_pages.Pages([server])
        with self.assertRaises(ValueError):
            weir_pages.Pages([])

    def test_servers_are_spelt_as_in_the_configuration(self):
        for servers in ("a", ["a:1", "b"], ["[::1]:1", "[::1]"], ["unix:/a", "/b"]):
            with self.subTest(servers):
                weir_pages.Pages(servers)


class Putting(WithMemcached):
    def test_a_page_is_in_weirs_own_form(self):
        self.assertTrue(self.pages.put("A:80", "/x", b"body\r\n\r\n\x00", content_type="text/x", status=404, lifetime=60,
                                       fields=[("X-A", " 1 "), (b"Date", b"now"), ("Content-Length", "7"),
                                               ("Connection", "close"), ("Transfer-Encoding", "chunked"),
                                               ("X-A", "2"), ("weir-purge-position", "x")],
                                       tags=("one", "two")))
        flags, value = self.memcached.get("page:a/x")
        self.assertEqual(flags, 0)
        position = self.memcached.get(HEAD)[1]
        self.assertEqual(value, b"WEIR/1 404\r\nContent-Type: text/x\r\nX-A: 1\r\nDate: now\r\nX-A: 2\r\n"
                                b"Surrogate-Key: one two\r\nWeir-Purge-Position: " + position + b"\r\n\r\nbody\r\n\r\n\x00")

    def test_what_nobody_said_is_there(self):
        for path, body, kind in (("/", "ä", "text/html; charset=utf-8"), ("/a", b"b", "text/html"),
                                 ("/a.css", "b", "text/css; charset=utf-8"), ("/a.png", b"b", "image/png"),
                                 ("/a.d/", b"b", "text/html"), ("/a.nothing", b"b", "application/octet-stream"),
                                 ("/a.tar.gz", b"b", "application/octet-stream")):
            with self.subTest(path):
                self.assertTrue(self.pages.put("a", path, body))
                first, fields, stored = self.kept(path)
                self.assertEqual((first, fields["Content-Type"]), ("WEIR/1 200", kind))
                self.assertEqual(stored, body.encode() if isinstance(body, str) else body)
                age = datetime.datetime.now(datetime.timezone.utc) - email.utils.parsedate_to_datetime(fields["Date"])
                self.assertLess(abs(age.total_seconds()), PATIENCE)
                self.assertEqual(self.memcached.lifetime("page:a" + path), -1)

    def test_lifetimes(self):
        # memcached's clock ticks once a second and is behind on a busy machine, so that what ends at a time of day (more than
        # 30 days) is seen to have more left than it was given.
        for lifetime in (100, 30 * 86_400, 31 * 86_400):
            with self.subTest(lifetime):
                self.assertTrue(self.pages.put("a", "/%d" % lifetime, b"", lifetime=lifetime))
                self.assertAlmostEqual(self.memcached.lifetime("page:a/%d" % lifetime), lifetime, delta=PATIENCE)

    def test_a_lifetime_below_a_second_is_not_for_ever(self):
        self.assertTrue(self.pages.put("a", "/", b"", lifetime=0.1))
        until = time.monotonic() + PATIENCE
        while self.kept("/") is not None:
            self.assertLess(time.monotonic(), until)
            time.sleep(0.05)

    def test_what_is_no_page_is_an_error(self):
        for arguments in ({"status": 199}, {"status": 304}, {"status": 206}, {"lifetime": -1}, {"fields": [("a b", "c")]},
                          {"fields": [("a", "b\r\nc: d")]}, {"fields": [("a", "\u20ac")]}, {"tags": ["a b"]}, {"tags": ["a,b"]},
                          {"tags": ["a\n"]}, {"tags": [""]}, {"content_type": "a\nb"}):
            with self.subTest(arguments), self.assertRaises(ValueError):
                self.pages.put("a", "/", b"", **arguments)
        with self.assertRaises(TypeError):
            self.pages.put("a", "/", 7)
        self.assertIsNone(self.kept("/"))

    def test_what_has_no_key_is_not_kept(self):
        for host, path, query in (("a b", "/", ""), ("a", "/\xe4", ""), ("a", "/" + "x" * 300, ""), ("a", "/", "x=1")):
            with self.subTest(path):
                self.assertFalse(self.pages.put(host, path, b"", query=query))
        self.assertIsNone(self.kept("/"))

    def test_a_query_counts_where_the_template_has_it(self):
        pages = weir_pages.Pages(["unix:" + self.memcached.path], template="{scheme}:{host}{path}?{query}", timeout=PATIENCE)
        self.assertTrue(pages.put("a", "/", b"1", query="x=1", scheme="https"))
        self.assertTrue(pages.put("a", "/", b"2"))
        self.assertEqual(page(self.memcached.get("https:a/?x=1")[1])[2], b"1")
        self.assertEqual(page(self.memcached.get("http:a/?")[1])[2], b"2")

    def test_a_page_larger_than_memcached_takes_is_not_kept(self):
        self.assertFalse(self.pages.put("a", "/", bytes(1_000_000)))
        self.assertTrue(self.pages.put("a", "/", bytes(990_000)))
        self.assertEqual(len(self.kept("/")[2]), 990_000)

    def test_the_page_before_one_that_is_too_large_goes(self):
        self.assertTrue(self.pages.put("a", "/", b"small"))
        with self.assertNoLogs("weir_pages"):
            self.assertFalse(self.pages.put("a", "/", bytes(1_000_000)))
        self.assertIsNone(self.kept("/"))

    def test_a_memcached_that_takes_less_is_no_memcached_that_failed(self):
        small = Memcached(self.folder, "small", "-I", "512k")
        self.addCleanup(small.stop)
        pages = weir_pages.Pages(["unix:" + small.path], timeout=PATIENCE)
        self.assertTrue(pages.put("a", "/", b"small"))
        with self.assertNoLogs("weir_pages"):
            self.assertFalse(pages.put("a", "/", bytes(600_000)))
            self.assertIsNone(small.get("page:a/"))
            self.assertTrue(pages.put("a", "/other", b"small"))

    def test_a_process_that_forks_and_its_parent_both_put(self):
        self.assertTrue(self.pages.put("a", "/", b"parent"))
        child = os.fork()
        if child == 0:
            status = 1
            try:
                status = 0 if self.pages.put("a", "/child", b"child") else 1
            finally:
                os._exit(status)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        with self.assertNoLogs("weir_pages"):
            self.assertTrue(self.pages.put("a", "/parent", b"parent"))
        self.assertEqual((self.kept("/child")[2], self.kept("/parent")[2]), (b"child", b"parent"))


class Purging(WithMemcached):
    def test_the_log_begins_where_there_is_none(self):
        position = self.pages.position()
        self.assertRegex(position, r"\A[0-9a-f]{16} 0\Z")
        self.assertEqual(self.memcached.get(HEAD), (0, position.encode()))
        self.assertEqual(self.pages.position(), position)
        self.assertEqual(self.memcached.lifetime(HEAD), -1)

    def test_tags_are_a_record(self):
        self.assertTrue(self.pages.purge_tags("one", "two"))
        self.assertTrue(self.pages.purge_tags("three", soft=True))
        self.assertTrue(self.pages.purge_tags())
        self.assertEqual(self.records(), [["hard tag one", "hard tag two"], ["soft tag three"]])
        epoch, number = self.pages.position().split()
        self.assertEqual(number, "2")
        self.assertGreater(self.memcached.lifetime("%s:%s:1" % (HEAD, epoch)), 6 * 86_400)

    def test_a_tag_that_is_none_is_an_error(self):
        for tag in ("", "a b", "a,b", "a\nhard all", "ü", "x" * 1_001):
            with self.subTest(tag), self.assertRaises(ValueError):
                self.pages.purge_tags("good", tag)
        self.assertEqual(self.records(), [])

    def test_many_tags_are_several_records_that_weir_reads(self):
        tags = ["%0990d" % number for number in range(250)]
        self.assertTrue(self.pages.purge_tags(*tags))
        records = self.records()
        self.assertEqual([line for lines in records for line in lines], ["hard tag " + tag for tag in tags])
        self.assertGreater(len(records), 2)
        epoch = self.pages.position().split()[0]
        for number in range(1, len(records) + 1):
            self.assertLessEqual(len(self.memcached.get("%s:%s:%d" % (HEAD, epoch, number))[1]), 100_000)

    def test_a_deleted_page_is_gone_and_its_url_purged(self):
        self.pages.put("A.:80", "/x", b"")
        self.assertTrue(self.pages.delete("A.:80", "/x"))
        self.assertIsNone(self.kept("/x"))
        self.assertEqual(self.records(), [["hard url a/x"]])
        pages = weir_pages.Pages(["unix:" + self.memcached.path], template="{host}{path}?{query}", timeout=PATIENCE)
        for query in ("", "z=1", "z=2"):
            pages.put("a", "/y", b"", query=query)
        self.assertTrue(pages.delete("a", "/y", query="z=1"))
        self.assertEqual(self.records()[1:], [["hard url a/y?z=1"]])
        self.assertEqual([self.memcached.get("a/y?" + query) is None for query in ("", "z=1", "z=2")], [False, True, False])

    def test_where_queries_have_no_pages_a_query_deletes_the_page_of_the_path(self):
        self.assertTrue(self.pages.put("a", "/x", b""))
        self.assertTrue(self.pages.delete("a", "/x", query="y=1"))
        self.assertIsNone(self.kept("/x"))
        self.assertEqual(self.records(), [["hard url a/x?y=1", "hard url a/x"]])
        alone = weir_pages.Pages(["unix:" + self.memcached.path], timeout=PATIENCE, purge_log=False)
        self.assertTrue(alone.put("a", "/x", b""))
        self.assertTrue(alone.delete("a", "/x", query="y=1"))
        self.assertIsNone(self.kept("/x"))

    def test_what_can_have_no_page_is_deleted_from_weirs_own_cache(self):
        path = "/" + "x" * 300
        self.assertTrue(self.pages.delete("a", path))
        self.assertEqual(self.records(), [["hard url a" + path]])

    def test_what_is_no_url_is_not_deleted(self):
        for host, path, query in (("a b", "/", ""), ("", "/", ""), ("a", "", ""), ("a", "x", ""), ("a", "/\xe4", ""),
                                  ("a", "/ hard", ""), ("a", "/\nhard all", ""), ("a", "/x?y", ""), ("a", "/", "x y"),
                                  ("a", "/", "x\nhard all"), ("a", "/", "\xe4"), ("a", "/" + "x" * 100_000, "")):
            with self.subTest(host=host, path=path[:20], query=query):
                self.assertFalse(self.pages.delete(host, path, query=query))
        self.assertEqual(self.records(), [])

    def test_a_page_says_where_the_log_was_before_it_was_made(self):
        before = self.pages.position()
        self.pages.purge_tags("one")
        self.pages.put("a", "/now", b"")
        self.pages.put("a", "/before", b"", position=before)
        self.assertEqual(self.kept("/now")[1]["Weir-Purge-Position"], before[:-1] + "1")
        self.assertEqual(self.kept("/before")[1]["Weir-Purge-Position"], before)

    def test_a_record_that_another_left_behind_is_counted_along(self):
        epoch = self.pages.position().split()[0]
        for number in (1, 2):
            self.memcached.set("%s:%s:%d" % (HEAD, epoch, number), b"weir-purges 1 0123456789abcdef\nsoft all\n")
        self.assertTrue(self.pages.purge_tags("one"))
        self.assertEqual(self.records(), [["soft all"], ["soft all"], ["hard tag one"]])

    def test_a_head_that_is_none_begins_a_log(self):
        for value, flags in ((b"nonsense", 0), (b"0123456789abcdef x", 0), (pickle.dumps(os.getcwd), 1), (b"7", 2)):
            with self.subTest(value):
                self.memcached.set(HEAD, value, flags)
                self.assertTrue(self.pages.purge_tags("one"))
                self.assertEqual(self.records(), [["hard tag one"]])

    def test_programs_that_append_at_once_lose_nothing(self):
        def append(name):
            pages = weir_pages.Pages(["unix:" + self.memcached.path], timeout=PATIENCE)
            for number in range(50):
                if not pages.purge_tags("%s-%d" % (name, number)):
                    failed.append(number)
        failed = []
        threads = [threading.Thread(target=append, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failed, [])
        lines = [line for lines in self.records() for line in lines]
        self.assertEqual(set(lines), {"hard tag %s-%d" % (name, number) for name in "abcd" for number in range(50)})
        for name in "abcd":  # each in the order of its calls, as often as it had to try
            numbers = [int(line.rpartition("-")[2]) for line in lines if line.startswith("hard tag " + name)]
            self.assertEqual(numbers, sorted(numbers))

    def test_threads_share_one_object(self):
        def work(name):
            for number in range(50):
                if not self.pages.put("a", "/%s%d" % (name, number), name * number):
                    failed.append(number)
        failed = []
        threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failed, [])
        for name in "abcd":
            self.assertEqual([self.kept("/%s%d" % (name, number))[2] for number in range(50)],
                             [(name * number).encode() for number in range(50)])

    def test_without_the_log_nothing_is_written_to_it(self):
        pages = weir_pages.Pages(["unix:" + self.memcached.path], timeout=PATIENCE, purge_log=False)
        self.assertIsNone(pages.position())
        self.assertTrue(pages.put("a", "/", b""))
        self.assertNotIn("Weir-Purge-Position", self.kept("/")[1])
        self.assertTrue(pages.delete("a", "/"))
        self.assertIsNone(self.kept("/"))
        with self.assertRaises(ValueError):
            pages.purge_tags("one")
        self.assertIsNone(self.memcached.get(HEAD))


class Rings(WithMemcached):
    def setUp(self):
        self.servers = [Memcached(self.folder, "ring%d" % number) for number in range(3)]
        for server in self.servers:
            self.addCleanup(server.stop)
        self.pages = weir_pages.Pages(["unix:" + server.path for server in self.servers], timeout=PATIENCE)

    def where(self, key):
        return [server for server in self.servers if server.get(key) is not None]

    def test_pages_lie_where_the_ketama_ring_of_pylibmc_says(self):
        plain = pylibmc.Client([server.path for server in self.servers], behaviors={"ketama": True})
        used = set()
        for number in range(200):
            path = "/user/%d" % number
            self.assertTrue(self.pages.put("a", path, b""))
            found = self.where("page:a" + path)
            self.assertEqual(len(found), 1)
            used.add(found[0])
            self.assertIsNotNone(plain.get("page:a" + path))
        self.assertEqual(used, set(self.servers))

    def test_the_purge_log_lies_on_one_server(self):
        for number in range(20):
            self.assertTrue(self.pages.purge_tags("one"))
        found = self.where(HEAD)
        self.assertEqual(len(found), 1)
        epoch = self.pages.position().split()[0]
        for number in range(1, 21):
            self.assertEqual(self.where("%s:%s:%d" % (HEAD, epoch, number)), found)
        plain = pylibmc.Client([server.path for server in self.servers], behaviors={"ketama": True})
        self.assertEqual(plain.get(HEAD), found[0].get(HEAD)[1])


def hang(process):
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED)  # the signal only asks for it


class Faults(WithMemcached):
    def setUp(self):
        self.servers = [Memcached(self.folder, "fault%d" % number) for number in range(2)]
        for server in self.servers:
            self.addCleanup(server.stop)
        paths = [server.path for server in self.servers]
        self.pages = weir_pages.Pages(paths, timeout=1)
        patient = weir_pages.Pages(paths, timeout=PATIENCE)
        self.assertIsNotNone(patient.position())
        self.log_server, self.other = sorted(self.servers, key=lambda server: server.get(HEAD) is None)
        self.paths = {}
        for number in range(50):
            patient.put("a", "/%d" % number, b"")
            for server in self.servers:
                if server.get("page:a/%d" % number) is not None:
                    self.paths[server] = "/%d" % number

    def check_fails_and_returns(self, harm, heal):
        path = self.paths[self.other]
        harm(self.other)
        with self.assertLogs("weir_pages") as said:
            for _ in range(3):
                self.assertFalse(self.pages.put("a", path, b"new"))
                self.assertTrue(self.pages.put("a", self.paths[self.log_server], b"new"))  # the others go on
        self.assertEqual(len(said.output), 1)
        self.assertIn(self.other.path, said.output[0])
        self.assertTrue(self.pages.delete("a", path))  # for weir the purge is enough
        heal(self.other)
        until = time.monotonic() + PATIENCE
        body = None
        # One that hung does late what it was told before: the page may go once more.
        while body != b"new" and time.monotonic() < until:
            self.pages._servers._paused_until = [0.0, 0.0]  # as after a second
            self.pages.put("a", path, b"new")
            found = self.other.get("page:a" + path)
            body = page(found[1])[2] if found is not None else None
        self.assertEqual(body, b"new")

    def test_a_server_that_hangs(self):
        self.check_fails_and_returns(lambda server: hang(server.process),
                                     lambda server: server.process.send_signal(signal.SIGCONT))

    def test_a_server_that_is_killed_and_comes_back(self):
        def restart(server):
            os.unlink(server.path)
            server.__init__(self.folder, os.path.basename(server.path))
        self.check_fails_and_returns(lambda server: server.stop(), restart)

    def test_without_the_log_server_nothing_is_kept_and_nothing_claimed(self):
        self.log_server.stop()
        path = self.paths[self.other]
        with self.assertLogs("weir_pages"):
            self.assertIsNone(self.pages.position())
        self.assertFalse(self.pages.put("a", path, b"new"))  # no purge could reach it
        self.assertFalse(self.pages.purge_tags("one"))
        self.assertFalse(self.pages.delete("a", path))

    def test_answers_that_are_none(self):
        """A server that says something else."""
        path = os.path.join(self.folder, "garbage")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(path)
        listener.listen()

        def answer():
            while True:
                try:
                    connection = listener.accept()[0]
                except OSError:
                    return
                with connection:
                    with contextlib.suppress(OSError):
                        connection.recv(65_536)
                        connection.sendall(b"nonsense\r\n")
        thread = threading.Thread(target=answer)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(listener.shutdown, socket.SHUT_RDWR)
        pages = weir_pages.Pages([path], purge_log=False)
        with self.assertLogs("weir_pages"):
            self.assertFalse(pages.put("a", "/", b""))


class Site:
    """Pages for everybody, and what may be wrong with them."""
    said = {}  # how /told answers: fields, and more
    pages = None

    @cherrypy.expose
    def told(self, *_):
        response = cherrypy.serving.response
        for name, value in Site.said.items():
            if name == "status":
                response.status = value
            elif name == "cookie":
                response.cookie["name"] = value
            elif name == "fail":
                raise cherrypy.HTTPError(value)
            elif name == "break":
                return self.broken()
            else:
                response.headers[name] = value
        return "Hällo"

    @cherrypy.expose
    def fresh(self, *_, **__):
        cherrypy.serving.response.headers["Cache-Control"] = "max-age=60"
        return "Hällo"

    @cherrypy.expose
    def purging(self):
        Site.pages.purge_tags("one")
        cherrypy.serving.response.headers.update({"Cache-Control": "max-age=60", "Surrogate-Key": "one"})
        return "Hällo"

    def broken(self):
        yield b"begun"
        raise RuntimeError("it breaks")

    @cherrypy.expose
    def stream(self):
        cherrypy.response.headers["Cache-Control"] = "max-age=60"
        yield b"part"
    stream._cp_config = {"response.stream": True}

    @cherrypy.expose
    def session(self):
        cherrypy.session["seen"] = True
        return "yours"
    session._cp_config = {"tools.sessions.on": True, "tools.weir_pages.lifetime": 60}

    @cherrypy.expose
    def packed(self):
        return "x" * 10_000
    packed._cp_config = {"tools.gzip.on": True, "tools.weir_pages.lifetime": 60}

    @cherrypy.expose
    def tagged(self):
        return "same"
    tagged._cp_config = {"tools.etags.on": True, "tools.etags.autotags": True,
                         "tools.expires.on": True, "tools.expires.secs": 600, "tools.expires.force": True}

    @cherrypy.expose
    def late(self, field, value):
        cherrypy.serving.request.hooks.attach(
            "before_finalize", lambda: cherrypy.serving.response.headers.update({field: value}), priority=90)
        return "for one"
    late._cp_config = {"tools.weir_pages.lifetime": 60}

    @cherrypy.expose
    def led(self):
        raise cherrypy.InternalRedirect("/fresh")

    @cherrypy.expose
    def off(self):
        return "off"
    off._cp_config = {"tools.weir_pages.on": False, "tools.weir_pages.lifetime": 60}


class CherryPy(WithMemcached):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        os.mkdir(os.path.join(cls.folder, "static"))
        with open(os.path.join(cls.folder, "static", "style.css"), "wb") as file:
            file.write(b"body {}\n")
        with open(os.path.join(cls.folder, "static", "large.css"), "wb") as file:
            file.truncate(2_000_000)
        Site.pages = weir_pages.Pages(["unix:" + cls.memcached.path], timeout=PATIENCE)
        cherrypy.tools.weir_pages = Site.pages.tool()
        cherrypy.config.update({"log.screen": False, "environment": "embedded"})
        application = cherrypy.Application(Site(), "", {
            "/": {"tools.weir_pages.on": True, "tools.encode.on": True},
            "/static": {"tools.staticdir.on": True, "tools.staticdir.dir": os.path.join(cls.folder, "static"),
                        "tools.weir_pages.lifetime": 3600}})
        application.log.error_log.propagate = False
        cls.server = cheroot.wsgi.Server(("127.0.0.1", 0), application, numthreads=2)
        cls.server.prepare()
        thread = threading.Thread(target=cls.server.serve)
        thread.start()
        cls.addClassCleanup(thread.join)
        cls.addClassCleanup(cls.server.stop)

    def get(self, target, method="GET", **fields):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.bind_addr[1], timeout=PATIENCE)
        try:
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in {"Host": "a", **fields}.items():
                connection.putheader(name.replace("_", "-"), value)
            connection.endheaders(b"a=b"[:int(fields.get("Content-Length", 0))] or None)
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()

    def test_the_key_is_made_of_what_the_client_asked_weir_for(self):
        response, content = self.get("/fresh/x?", X_Forwarded_Host="Shop.example:443", X_Forwarded_Proto="https")
        self.assertEqual(self.kept("/fresh/x", "shop.example")[2], content)
        self.assertIsNone(self.kept("/fresh/x"))

    def test_the_response_decides(self):
        for number, (said, lifetime) in enumerate((
                ({"Cache-Control": "max-age=60"}, 60),
                ({"Cache-Control": "public, s-maxage=90, max-age=60"}, 90),
                ({"Cache-Control": "max-age=\"60\""}, 60),
                ({"Expires": email.utils.formatdate(time.time() + 3000, usegmt=True)}, 3000),
                ({"Cache-Control": "max-age=60", "Expires": "0"}, 60),
                ({"Cache-Control": "max-age=60", "Vary": "Accept-Encoding"}, 60),
                ({"Cache-Control": "max-age=90", "Age": "30"}, 60),
                ({"Cache-Control": "no-cache", "Weir-Cache-Control": "max-age=90", "CDN-Cache-Control": "no-store"}, 90),
                ({"Cache-Control": "no-cache", "CDN-Cache-Control": "max-age=90"}, 90),
                ({"Cache-Control": "max-age=60", "Weir-Cache-Control": "no-store"}, None),
                ({"Cache-Control": "max-age=60", "CDN-Cache-Control": "private"}, None),
                ({"Expires": email.utils.formatdate(time.time() + 3000, usegmt=True), "CDN-Cache-Control": "public"}, None),
                ({}, None),
                ({"Expires": "0"}, None),
                ({"Cache-Control": "max-age=0"}, None),
                ({"Cache-Control": "max-age=x"}, None),
                ({"Cache-Control": "max-age=60, s-maxage=0"}, None),
                ({"Cache-Control": "private, max-age=60"}, None),
                ({"Cache-Control": "max-age=60, no-store"}, None),
                ({"Cache-Control": "max-age=60, No-Cache=\"a\""}, None),
                ({"Cache-Control": "max-age=60", "Set-Cookie": "a=b"}, None),
                ({"Cache-Control": "max-age=60", "cookie": "b"}, None),
                ({"Cache-Control": "max-age=60", "Vary": "Accept-Encoding, Cookie"}, None),
                ({"Cache-Control": "max-age=60", "Vary": "*"}, None),
                ({"Cache-Control": "max-age=60", "Content-Encoding": "br"}, None),
                ({"Cache-Control": "max-age=60", "status": 203}, None),
                ({"Cache-Control": "max-age=60", "status": "404 Not Found"}, None),
                ({"Cache-Control": "max-age=60", "fail": 500}, None),
                ({"Cache-Control": "max-age=60", "break": True}, None))):
            Site.said = said
            path = "/told/%d" % number
            with self.subTest(said):
                self.get(path)
                found = self.kept(path)
                self.assertEqual(found is not None, lifetime is not None)
                if lifetime is not None:
                    self.assertRegex(found[2].decode(), "Hällo")
                    self.assertTrue(lifetime - PATIENCE <= self.memcached.lifetime("page:a" + path) <= lifetime)

    def test_the_request_decides(self):
        for number, (method, fields, is_kept) in enumerate((
                ("GET", {}, True),
                ("GET", {"Cookie": "theme=dark; lang=de"}, True),
                ("GET", {"Cache-Control": "no-cache"}, True),
                ("GET", {"Accept-Encoding": "gzip"}, True),
                ("GET", {"Cookie": "theme=dark; session_id=abc"}, False),
                ("GET", {"Authorization": "Basic eDp5"}, False),
                ("GET", {"Range": "bytes=0-1"}, False),
                ("GET", {"Cache-Control": "no-store"}, False),
                ("GET", {"X-Forwarded-Host": "a, b"}, False),
                ("GET", {"Content-Length": "0"}, True),
                ("GET", {"Content-Length": "3"}, False),
                ("HEAD", {}, False),
                ("POST", {"Content-Length": "0"}, False),
                ("PUT", {"Content-Length": "0"}, False))):
            with self.subTest(method=method, fields=fields):
                path = "/fresh/%d" % number
                self.assertEqual(self.get(path, method, **fields)[0].status, 200)
                self.assertEqual(self.kept(path) is not None, is_kept)
        self.get("/fresh/x?y=1")
        self.assertIsNone(self.kept("/fresh/x"))

    def test_the_key_has_the_path_as_it_came(self):
        for path in ("/fresh/gr%C3%B6%c3%9fe", "/fresh/%61b", "/fresh/a;b=1", "/fresh/a%20b", "/fresh/~a!$&'()*+,=:@"):
            with self.subTest(path):
                self.assertEqual(self.get(path)[0].status, 200)
                self.assertIsNotNone(self.kept(path))

    def test_what_the_client_got_is_what_is_kept(self):
        response, content = self.get("/tagged")
        first, fields, body = self.kept("/tagged")
        self.assertEqual((first, body), ("WEIR/1 200", content))
        for name in ("Content-Type", "ETag", "Expires", "Date", "Server"):
            self.assertEqual(fields[name.title() if name != "ETag" else "Etag"], response.getheader(name))
        for name in ("Content-Length", "Connection"):
            self.assertNotIn(name, fields)

    def test_a_304_is_not_kept(self):
        tag = self.get("/tagged")[0].getheader("ETag")
        self.memcached.forget()
        self.assertEqual(self.get("/tagged", If_None_Match=tag)[0].status, 304)
        self.assertIsNone(self.kept("/tagged"))

    def test_static_files_are_kept_once_they_were_asked_for(self):
        response, content = self.get("/static/style.css")
        first, fields, body = self.kept("/static/style.css")
        self.assertEqual((first, body, content), ("WEIR/1 200", b"body {}\n", b"body {}\n"))
        self.assertEqual(fields["Content-Type"], "text/css")
        self.assertEqual(fields["Last-Modified"], response.getheader("Last-Modified"))
        self.assertEqual(self.get("/static/style.css", Range="bytes=0-3")[1], b"body")
        self.assertEqual(len(self.get("/static/large.css")[1]), 2_000_000)
        self.assertIsNone(self.kept("/static/large.css"))

    def test_what_streams_has_a_session_or_is_switched_off_is_not_kept(self):
        for path in ("/stream", "/session", "/off"):
            with self.subTest(path):
                self.assertEqual(self.get(path)[0].status, 200)
                self.assertIsNone(self.kept(path))

    def test_what_proves_to_be_for_one_at_last_is_not_kept(self):
        for target in ("/late/Vary/Cookie", "/late/Cache-Control/private", "/late/Set-Cookie/a=b"):
            with self.subTest(target):
                self.assertEqual(self.get(target)[1], b"for one")
                self.assertIsNone(self.kept(target))

    def test_what_an_internal_redirect_led_to_is_not_kept(self):
        for method in ("POST", "GET"):
            self.assertEqual(self.get("/led", method, Content_Length="0")[1].decode(), "H\u00e4llo")
            self.assertIsNone(self.kept("/led"))
            self.assertIsNone(self.kept("/fresh"))

    def test_the_key_has_the_mount_point(self):
        mounted = cherrypy.Application(Site(), "/shop", {"/": {"tools.weir_pages.on": True}})
        given = {"REQUEST_METHOD": "GET", "HTTP_HOST": "A:80", "REQUEST_URI": "/shop/fresh/x", "SCRIPT_NAME": "/shop",
                 "PATH_INFO": "/fresh/x", "REMOTE_ADDR": "127.0.0.1", "REMOTE_PORT": "1"}
        wsgiref.util.setup_testing_defaults(given)
        content = b"".join(mounted(given, lambda *_: None))
        self.assertEqual(self.kept("/shop/fresh/x")[2], content)

    def test_the_page_is_kept_as_it_was_before_gzip(self):
        response, content = self.get("/packed", Accept_Encoding="gzip")
        self.assertEqual(response.getheader("Content-Encoding"), "gzip")
        first, fields, body = self.kept("/packed")
        self.assertEqual(body, b"x" * 10_000)
        self.assertNotIn("Content-Encoding", fields)

    def test_a_page_is_as_old_as_the_log_was_before_the_handler_ran(self):
        before = self.pages.position()
        self.assertEqual(self.get("/purging")[0].status, 200)
        fields = self.kept("/purging")[1]
        self.assertEqual((fields["Weir-Purge-Position"], fields["Surrogate-Key"]), (before, "one"))
        self.assertEqual(self.records(), [["hard tag one"]])

    def test_without_memcached_the_application_answers(self):
        gone = weir_pages.Pages([os.path.join(self.folder, "nothing")])
        before = cherrypy.tools.weir_pages
        self.addCleanup(setattr, cherrypy.tools, "weir_pages", before)
        cherrypy.tools.weir_pages = gone.tool(lifetime=60)
        with self.assertLogs("weir_pages") as said:
            for _ in range(3):
                response, content = self.get("/tagged")
                self.assertEqual((response.status, content), (200, b"same"))
        self.assertEqual(len(said.output), 1)


class Wsgi(WithMemcached):
    def ask(self, result, fields=(("Cache-Control", "max-age=60"),), environ=(), status="200 OK", read=None, **settings):
        """What a client of the middleware gets from an application that returns `result`, or what that returns if it is a
        function. read: how many parts, None: all."""
        given = {"REQUEST_URI": "/x", "HTTP_HOST": "a"}
        wsgiref.util.setup_testing_defaults(given)
        given.update(environ)
        seen = []

        def application(_, start_response):
            if callable(result):
                return result(start_response)
            start_response(status, list(fields))
            return result

        def start_response(*arguments):
            seen.append(arguments)
            return lambda part: seen.append(part)
        iterable = self.pages.middleware(application, **settings)(given, start_response)
        parts = []
        try:
            for part in iterable:
                parts.append(part)
                if len(parts) == read:
                    break
        finally:
            getattr(iterable, "close", lambda: None)()
        return seen, b"".join(parts)

    def test_what_an_application_returned_is_kept(self):
        for name, result in (("list", [b"one", b"two"]), ("tuple", (b"onetwo",)),
                             ("generator", (part for part in (b"one", b"two"))), ("iterator", iter([b"one", b"", b"two"]))):
            with self.subTest(name):
                seen, content = self.ask(result, environ={"REQUEST_URI": "/" + name})
                self.assertEqual((seen[0][0], content), ("200 OK", b"onetwo"))
                first, fields, body = self.kept("/" + name)
                self.assertEqual((first, fields["Cache-Control"], body), ("WEIR/1 200", "max-age=60", b"onetwo"))
                self.assertEqual(self.memcached.lifetime("page:a/" + name) // 61, 0)

    def test_the_raw_path_is_found_in_every_server(self):
        for environ, path in (({"REQUEST_URI": "/%61?"}, "/%61"), ({"REQUEST_URI": "http://b/%61"}, "/%61"),
                              ({"REQUEST_URI": "", "RAW_URI": "/%62"}, "/%62"),
                              ({"REQUEST_URI": "", "SCRIPT_NAME": "/s", "PATH_INFO": "/\xc3\xa4 /b?~"}, "/s/%C3%A4%20/b%3F~"),
                              ({"REQUEST_URI": "", "SCRIPT_NAME": "", "PATH_INFO": "/q", "QUERY_STRING": "x"}, None)):
            with self.subTest(environ):
                self.memcached.forget()
                self.ask([b"x"], environ=environ)
                if path is None:
                    self.assertIsNone(self.kept("/q"))
                else:
                    self.assertIsNotNone(self.kept(path))

    def test_a_response_that_is_not_whole_is_not_kept(self):
        def broken():
            yield b"one"
            raise RuntimeError("it breaks")
        with self.assertRaises(RuntimeError):
            self.ask(broken())
        self.assertIsNone(self.kept("/x"))
        self.ask((part for part in (b"one", b"two")), read=1)
        self.assertIsNone(self.kept("/x"))
        self.ask([b"one"], fields=[("Cache-Control", "max-age=60"), ("Content-Length", "4")])
        self.assertIsNone(self.kept("/x"))
        self.ask([b"one"], fields=[("Cache-Control", "max-age=60"), ("Content-Length", "3")])
        self.assertIsNotNone(self.kept("/x"))

    def test_the_iterable_of_the_application_is_closed(self):
        class Iterable:
            closed = 0

            def __iter__(self):
                return iter([b"one"])

            def close(self):
                Iterable.closed += 1
        self.ask(Iterable())
        self.assertEqual((Iterable.closed, self.kept("/x")[2]), (1, b"one"))

    def test_write_and_a_late_or_repeated_start_are_followed(self):
        def writes(start_response):
            start_response("200 OK", [("Cache-Control", "max-age=60")])(b"one")
            return [b"two"]
        seen, content = self.ask(writes)
        self.assertEqual((seen[1], content, self.kept("/x")[2]), (b"one", b"two", b"onetwo"))

        def late(start_response):
            start_response("200 OK", [("Cache-Control", "max-age=60")])
            yield b"late"
        self.ask(late, environ={"REQUEST_URI": "/late"})
        self.assertEqual(self.kept("/late")[2], b"late")

        def again(start_response):
            start_response("200 OK", [("Cache-Control", "max-age=60")])
            try:
                raise KeyError
            except KeyError:
                start_response("500 Oh", [("Cache-Control", "max-age=60")], sys.exc_info())
            return [b"sorry"]
        seen, _ = self.ask(again, environ={"REQUEST_URI": "/again"})
        self.assertEqual((len(seen), seen[1][0], len(seen[1])), (2, "500 Oh", 3))
        self.assertIsNone(self.kept("/again"))

    def test_the_response_and_the_request_decide(self):
        fresh = ("Cache-Control", "max-age=60")
        for number, (fields, environ, status, is_kept) in enumerate((
                ((fresh,), {}, "200 OK", True),
                ((fresh,), {"HTTP_COOKIE": "theme=dark"}, "200 OK", True),
                ((fresh,), {"HTTP_IF_NONE_MATCH": '"a"'}, "200 OK", True),
                ((fresh, ("Vary", "Accept-Encoding")), {}, "200 OK", True),
                ((fresh, ("Vary", "Accept-Language")), {}, "200 OK", False),
                ((fresh, ("Set-Cookie", "a=b")), {}, "200 OK", False),
                ((("Cache-Control", "max-age=60, private"),), {}, "200 OK", False),
                ((("Cache-Control", "no-store"),), {}, "200 OK", False),
                ((fresh, ("Cache-Control", "no-store")), {}, "200 OK", False),
                ((fresh, ("Content-Encoding", "gzip")), {}, "200 OK", False),
                ((fresh,), {}, "304 Not Modified", False),
                ((fresh,), {}, "500 Internal Server Error", False),
                ((fresh,), {}, "nonsense", False),
                ((fresh,), {"REQUEST_METHOD": "HEAD"}, "200 OK", False),
                ((fresh,), {"REQUEST_METHOD": "POST"}, "200 OK", False),
                ((fresh,), {"HTTP_RANGE": "bytes=0-1"}, "200 OK", False),
                ((fresh,), {"CONTENT_LENGTH": "3"}, "200 OK", False),
                ((fresh,), {"HTTP_TRANSFER_ENCODING": "chunked"}, "200 OK", False),
                ((fresh,), {"HTTP_COOKIE": "session_id=1"}, "200 OK", False))):
            with self.subTest(fields=fields, environ=environ, status=status):
                path = "/%d" % number
                seen, content = self.ask([b"x"], fields, {"REQUEST_URI": path, **environ}, status)
                self.assertEqual((seen[0][0], content), (status, b"x"))
                self.assertEqual(self.kept(path) is not None, is_kept)

    def test_the_host_is_written_as_weir_writes_it(self):
        self.ask([b"x"], environ={"HTTP_HOST": "WWW.Example.org:80"})
        self.assertIsNotNone(self.kept("/x", "www.example.org"))
        self.ask([b"y"], environ={"HTTP_HOST": "www.example.org:8080"})
        self.assertIsNotNone(self.kept("/x", "www.example.org:8080"))

    def test_parts_are_passed_on_as_they_come(self):
        made = []

        def parts():
            for part in (b"one", b"two"):
                made.append(part)
                yield part
        _, content = self.ask(parts(), read=1)
        self.assertEqual((content, made), (b"one", [b"one"]))

    def test_what_is_not_kept_reaches_the_server_as_it_is(self):
        class File:
            def __iter__(self):
                return iter([b"one"])
        file = File()

        def application(_, start_response):
            start_response("200 OK", [("Cache-Control", "no-store")])
            return file
        environ = {"REQUEST_URI": "/x", "HTTP_HOST": "a"}
        wsgiref.util.setup_testing_defaults(environ)
        self.assertIs(self.pages.middleware(application)(environ, lambda *_: None), file)

    def test_without_memcached_the_application_answers(self):
        pages = weir_pages.Pages([os.path.join(self.folder, "nothing")])
        with unittest.mock.patch.object(self, "pages", pages), self.assertLogs("weir_pages") as said:
            for _ in range(3):
                self.assertEqual(self.ask([b"x"])[1], b"x")
        self.assertEqual(len(said.output), 1)

    def test_one_that_is_too_long_passes(self):
        parts = [bytes(100_000)] * 11
        self.assertEqual(len(self.ask(iter(parts))[1]), 1_100_000)
        self.assertIsNone(self.kept("/x"))

    def test_a_lifetime_for_those_that_say_nothing(self):
        self.ask([b"x"], fields=[])
        self.assertIsNone(self.kept("/x"))
        self.ask([b"x"], fields=[], lifetime=60)
        self.assertIsNotNone(self.kept("/x"))

    def test_other_session_cookies(self):
        self.ask([b"x"], environ={"HTTP_COOKIE": "a=1; __ac=2"}, session_cookies=("__ac",))
        self.assertIsNone(self.kept("/x"))
        self.ask([b"x"], environ={"HTTP_COOKIE": "a=1; session_id=2"}, session_cookies=("__ac",))
        self.assertIsNotNone(self.kept("/x"))

    def test_fields_that_are_none_pass_and_are_not_kept(self):
        seen, content = self.ask([b"x"], fields=[("Cache-Control", "max-age=60"), ("a b", "c")])
        self.assertEqual((content, self.kept("/x")), (b"x", None))


class Examples(WithMemcached):
    def setUp(self):
        super().setUp()
        self.addCleanup(setattr, cherrypy.tools, "weir_pages", getattr(cherrypy.tools, "weir_pages", None))
        cherrypy.config.update({"log.screen": False})

    def examples(self, text):
        """What each of them defines, with the memcached of this test."""
        blocks = re.findall(r"(?:^ {4}.*\n|^\n(?= {4}))+", text, re.MULTILINE)
        for block in blocks:
            if "weir_pages.Pages(" not in block:
                continue
            code = "\n".join(line[4:] for line in block.splitlines())
            self.assertLessEqual(len([line for line in code.splitlines() if line]), 12)
            self.assertIn('["127.0.0.1:11211"', code)
            code = code.replace('["127.0.0.1:11211"]', "[%r], timeout=%d" % ("unix:" + self.memcached.path, PATIENCE))
            defined = {}
            exec(code.replace("cherrypy.quickstart(Site())", ""), defined)
            yield defined

    def ask(self, application, path):
        environ = {"HTTP_HOST": "www.example.org", "REQUEST_URI": path, "PATH_INFO": path, "REMOTE_ADDR": "127.0.0.1",
                   "REMOTE_PORT": "1"}
        wsgiref.util.setup_testing_defaults(environ)
        content = b"".join(application(environ, lambda *_: None))
        self.assertEqual(self.kept(path, "www.example.org")[2], content)

    def check(self, defined):
        if "Site" in defined:
            self.ask(cherrypy.Application(defined["Site"]()), "/user/ada")
        else:
            self.ask(defined["application"], "/news")

    def test_the_examples_of_the_module_work(self):
        examples = list(self.examples(weir_pages.__doc__))
        self.assertEqual(len(examples), 2)
        for defined in examples:
            self.check(defined)

    def test_the_examples_of_the_readme_work(self):
        with open(os.path.join(FOLDER, "..", "..", "README.md"), encoding="utf-8") as file:
            tool, middleware, functions = self.examples(file.read())
        self.assertEqual(functions["before"], self.pages.position()[:-1] + "0")
        self.assertIsNone(self.kept("/news", "www.example.org"))
        self.assertEqual(self.records(), [["hard url www.example.org/news"], ["hard tag news"]])
        self.check(tool)
        self.assertEqual(self.kept("/user/ada", "www.example.org")[1]["Surrogate-Key"], "user-ada")
        self.check(middleware)


if __name__ == "__main__":
    logging.basicConfig()
    unittest.main()
