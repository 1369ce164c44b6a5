"""scripts/bench/browse with a real CherryPy server: what it says that it counted is what the server has seen."""
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "scripts", "bench"))

from processes import Served  # noqa: E402

BROWSE = os.environ["BROWSE"]
APPLICATION = os.path.join(HERE, "browse_app.py")
FILES = ["/files/style.css?a=1&b=2", "/files/script.js", "/files/photo.png"]


class BrowseTest(unittest.TestCase):
    def setUp(self):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        server = self.enterContext(Served("browse_app", ["/usr/bin/python3", "-B", APPLICATION], folder, seconds=60))
        self.at = f"http://127.0.0.1:{server.port}"

    def browse(self, *arguments, status=0):
        """(what it wrote as JSON, what it printed)"""
        with tempfile.NamedTemporaryFile(suffix=".json") as file:
            done = subprocess.run([BROWSE, "--warm", "0.1", "--seconds", "2", "--json", file.name, *arguments],
                                  capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, status, done.stdout + done.stderr)
            return json.load(file), done.stdout

    def seen(self):
        connection = http.client.HTTPConnection(self.at.removeprefix("http://"), timeout=30)
        self.addCleanup(connection.close)
        connection.request("GET", "/seen")
        return json.load(connection.getresponse())

    def test_the_files_that_a_page_names_are_loaded_with_it(self):
        found, text = self.browse("--browsers", "2", "--connections", "2", "--find", self.at + "/")
        self.assertEqual([one["url"] for one in found["urls"]], [self.at + path for path in ["/", *FILES]])
        seen = self.seen()
        self.assertEqual(set(seen), {"/", *FILES})
        for one in found["urls"]:
            self.assertGreater(one["count"], 0)
            self.assertLessEqual(one["count"], seen[one["url"].removeprefix(self.at)]["requests"])
            self.assertLessEqual(one["p50_ms"], one["p99_ms"])
            self.assertEqual(one["errors"], 0)
        self.assertEqual(found["requests"], sum(one["count"] for one in found["urls"]))
        self.assertEqual(set(found["errors"].values()), {0})
        # A page is loaded when its last file is: in the measured time not more often than any of them, but for the first
        # load of each browser, which began before it.
        self.assertLessEqual(found["pages"], min(one["count"] for one in found["urls"]) + 2)
        self.assertGreater(found["page"]["mean_ms"], 0)
        self.assertIn("the page with its files", text)
        self.assertIn("total: ", text)

    def test_each_browser_sends_its_own_cookie_over_few_connections(self):
        self.browse("--browsers", "3", "--connections", "2", "--think", "20", self.at + "/", *(self.at + path for path in FILES))
        seen = self.seen()
        self.assertEqual(seen["/"]["sessions"], ["None", "s1", "s2", "s3"])
        for path in FILES:
            self.assertEqual(seen[path]["sessions"], ["s1", "s2", "s3"])
            self.assertLessEqual(seen[path]["connections"], 6)

    def test_an_error_status_and_a_cut_body_are_counted(self):
        found, _ = self.browse("--browsers", "1", self.at + "/", self.at + "/files/a", self.at + "/missing", self.at + "/cut",
                               status=1)
        page, right, missing, cut = found["urls"]
        self.assertEqual((page["errors"], right["errors"], missing["count"], cut["count"]), (0, 0, 0, 0))
        self.assertGreater(right["count"], 0)
        self.assertEqual(found["errors"], {"status": missing["errors"], "cut": cut["errors"], "closed": 0, "garbled": 0,
                                           "refused": 0, "timeout": 0})
        self.assertGreater(missing["errors"], 0)
        self.assertGreater(cut["errors"], 0)
        self.assertEqual(found["pages"], 0)
        self.assertGreater(found["page"]["errors"], 0)
        self.assertIsNone(missing["mean_ms"])

    def test_a_page_that_fails_is_not_followed_by_its_files(self):
        found, _ = self.browse("--browsers", "1", self.at + "/missing", self.at + "/files/a", status=1)
        self.assertGreater(found["errors"]["status"], 0)
        self.assertEqual(found["urls"][1]["count"], 0)
        self.assertNotIn("/files/a", self.seen())

    def test_a_refused_connection_is_counted(self):
        with socket.socket() as nobody:  # bound, and never listens
            nobody.bind(("127.0.0.1", 0))
            refusing = f"http://127.0.0.1:{nobody.getsockname()[1]}/"
            found, _ = self.browse("--browsers", "1", self.at + "/", refusing + "a", refusing + "b", status=1)
            self.assertEqual(found["errors"]["refused"], sum(one["errors"] for one in found["urls"][1:]))
            self.assertGreater(found["errors"]["refused"], 1)
            done = subprocess.run([BROWSE, "--find", refusing], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stderr), (1, f"browse: {refusing} does not come: refused\n"))

    def test_what_is_no_url_of_this_machine_is_refused(self):
        for url in ("https://127.0.0.1/", "http://example.org/", "/page", "http://127.0.0.1:x/", "http://127.0.0.1:1/a b"):
            done = subprocess.run([BROWSE, url], capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 2)
            self.assertIn("is no URL of this machine", done.stderr)


if __name__ == "__main__":
    unittest.main()
