# CherryPy's side of cherrypy.yaml: part of each server's program.
import cheroot.wsgi
import cherrypy

cherrypy.config.update({
    "environment": "production",
    "server.socket_host": "127.0.0.1",   # only weir gets here: CherryPy believes X-Forwarded-* of anybody who does
    "server.socket_port": 9001,          # 9002 in the other process
    "server.thread_pool": 20,
    "server.socket_queue_size": 128,     # of 20 new connections at once, the default of 5 makes some wait for a second
    "tools.proxy.on": True,              # cherrypy.url() and request.remote.ip are the client's, from X-Forwarded-*
})
# No key sets this. With its default CherryPy closes what would be the 11th idle connection, and weir opens it again.
cheroot.wsgi.Server.keep_alive_conn_limit = None
