"""A CherryPy server for the recipe: its file as it is, then a port of the system's choice. Prints "ready PORT"."""
import os
import runpy
import time

import cherrypy

runpy.run_path(os.path.join(os.environ["RECIPES"], "cherrypy_server.py"))
cherrypy.config.update({"server.socket_port": 0, "log.screen": False})


class Site:
    runs = 0

    @cherrypy.expose
    def index(self, page=""):
        cherrypy.response.headers["Cache-Control"] = "public, max-age=60"
        Site.runs += 1
        return f"run {Site.runs} {cherrypy.url('/there')} {cherrypy.request.remote.ip}"

    @cherrypy.expose
    @cherrypy.tools.sessions()
    def session(self):
        cherrypy.response.headers["Cache-Control"] = "public, max-age=60"
        cherrypy.session["count"] = cherrypy.session.get("count", 0) + 1
        return f"count {cherrypy.session['count']}"

    @cherrypy.expose
    def reports(self, number):
        """Takes until the test makes a file."""
        while not os.path.exists(os.path.join(os.environ["SITE"], "reports")):
            time.sleep(0.02)
        return "reported"


cherrypy.tree.mount(Site())
cherrypy.engine.signals.subscribe()
cherrypy.engine.start()
print("ready", cherrypy.server.bound_addr[1], flush=True)
cherrypy.engine.block()
