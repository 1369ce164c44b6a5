#!/usr/bin/python3
"""Flickr Killr as a CGI script: all of it is loaded, and the database opened, for each request. It is what its servers are
measured against (scripts/bench/ladder).

FLICKR_DATABASE names the database, as server.py's --database does, and FLICKR_COUNT the file for its --count.
"""
import os
import wsgiref.handlers

import cherrypy

import application
import server
from database import Database

cherrypy.config.update({"environment": "production", "log.screen": False})
if "FLICKR_COUNT" in os.environ:
    server.count_requests(os.environ["FLICKR_COUNT"])
application.mount(Database(os.environ["FLICKR_DATABASE"]), "cgi", sessions=True)
wsgiref.handlers.CGIHandler().run(cherrypy.tree)
