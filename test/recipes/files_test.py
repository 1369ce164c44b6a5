"""The files of conf/recipes: what README shows of them, and that weir's side and the server's agree."""
import configparser
import os
import re
import runpy
import subprocess
import unittest

import cherrypy

import running


def effective(name):
    """A recipe with its defaults, as text."""
    return subprocess.run([running.WEIR, "check", "--effective", os.path.join(running.RECIPES, name)], check=True,
                          capture_output=True, text=True).stdout


def idle_seconds(name):
    return int(re.search(r"idle_timeout: (\d+)s", running.recipe(name))[1])


def ini(name, section):
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(os.path.join(running.RECIPES, name))
    return parser[section]


class Readme(unittest.TestCase):
    def setUp(self):
        with open(os.path.join(running.ROOT, "README.md"), encoding="utf-8") as file:
            self.text = file.read()

    def test_what_it_shows_is_in_a_file_that_is_tested(self):
        recipes = [running.recipe(name) for name in os.listdir(running.RECIPES)]
        blocks = re.findall(r"^```(?:yaml|python|ini)\n(.*?)^```$", self.text, re.MULTILINE | re.DOTALL)
        self.assertGreaterEqual(len(blocks), 2)
        for block in blocks:
            self.assertTrue(any(block in recipe for recipe in recipes), "in no file of conf/recipes: " + block)

    def test_it_names_every_file(self):
        for name in os.listdir(running.RECIPES):
            self.assertTrue(f"(conf/recipes/{name})" in self.text, "no link to conf/recipes/" + name)


class BothSides(unittest.TestCase):
    """A connection that weir may use again is never one that the server is just closing, and what weir sends at once the
    server works on at once."""

    def test_cherrypy(self):
        runpy.run_path(os.path.join(running.RECIPES, "cherrypy_server.py"))
        for name in ("cherrypy.yaml", "tuning.yaml"):
            with self.subTest(name):
                self.assertEqual(running.max_in_flight(name), cherrypy.config["server.thread_pool"])
                self.assertLess(idle_seconds(name), cherrypy.server.socket_timeout)
                self.assertGreaterEqual(cherrypy.config["server.socket_queue_size"], running.max_in_flight(name))

    def test_gunicorn(self):
        settings = runpy.run_path(os.path.join(running.RECIPES, "gunicorn.conf.py"))
        self.assertEqual(running.max_in_flight("django.yaml") + 1, settings["workers"] * settings["threads"])
        self.assertLess(idle_seconds("django.yaml"), settings["keepalive"])

    def test_uwsgi(self):
        settings = ini("uwsgi.ini", "uwsgi")
        self.assertEqual(running.max_in_flight("uwsgi.yaml"), int(settings["processes"]))
        self.assertIn("    keepalive: off\n", effective("uwsgi.yaml"))
        first_byte = int(re.search(r"first_byte: (\d+)s", running.recipe("uwsgi.yaml"))[1])
        self.assertLess(int(settings["harakiri"]), first_byte)

    def test_zope(self):
        settings = ini("zope.ini", "server:main")
        self.assertEqual(running.max_in_flight("plone.yaml"), int(settings["threads"]))
        self.assertLess(idle_seconds("plone.yaml"), int(settings["channel_timeout"]))


if __name__ == "__main__":
    unittest.main()
