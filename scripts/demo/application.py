"""Flickr Killr: photos of many users, as pages rendered from the database.

What every page says in Cache-Control is true: a cache that follows it, and no more than it, never shows anybody a page
that is wrong. Pages do not depend on who asks, except the session page, which says so; all do where every page is to greet its
visitor. With memcached, the static files and the users' pages are also kept where weir finds them without asking here.
"""
import os
import time
import urllib.parse

import cherrypy
from cherrypy.lib import sessions
from mako.lookup import TemplateLookup

import pictures
from database_session import DatabaseSession

FOLDER = os.path.dirname(os.path.abspath(__file__))
MAX_IMAGE_BYTES = 5 * 1024 * 1024
MAX_TITLE = 100

PAGE = "public, max-age=10"
IMAGE = "public, max-age=86400"
PERSONAL = "private, no-store"

TEMPLATES = TemplateLookup([os.path.join(FOLDER, "templates")], default_filters=["h"], strict_undefined=True,
                           input_encoding="utf-8")


def day(seconds):
    return time.strftime("%-d %B %Y", time.gmtime(seconds))


def render(template, **values):
    return TEMPLATES.get_template(template).render(day=day, url=cherrypy.url, visitor=visitor(), **values)


def visitor():
    """The name of who asks, if the page has a session and they have said it."""
    return cherrypy.session.get("name") if hasattr(cherrypy.serving, "session") else None


def cache_control(value):
    cherrypy.response.headers["Cache-Control"] = value


def group_of_user(user):
    """The cache group (RFC 9875) of everything that shows a user's photos as a list, whatever its URL."""
    return f'"user-{user["id"]}"'


def number_or_404(text):
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise cherrypy.NotFound()
    return int(text)


class Pages:
    def __init__(self, database, server_name, stored_pages, page):
        self._database = database
        self._stored_pages = stored_pages
        self._page = page
        self.session = SessionPage(server_name)

    @cherrypy.expose
    @cherrypy.tools.allow(methods=["GET", "HEAD"])
    def index(self):
        cache_control(self._page)
        return render("front.html", photos=self._database.newest(24), users=self._database.users(12),
                      totals=self._database.totals())

    @cherrypy.expose
    @cherrypy.tools.allow(methods=["GET", "HEAD"])
    def user(self, name_or_id, before=None, new=None):
        user = self._database.user(name_or_id)
        if user is None:
            raise cherrypy.NotFound()
        cache_control(self._page)
        cherrypy.response.headers["Cache-Groups"] = group_of_user(user)
        photos = self._database.newest_of_user(user["id"], None if before is None else number_or_404(before))
        return render("user.html", user=user, photos=photos, counts=self._database.counts_of_user(user["id"]),
                      new=None if new is None else number_or_404(new))

    @cherrypy.expose
    @cherrypy.tools.allow(methods=["GET", "HEAD"])
    def photo(self, photo_id):
        photo = self._database.photo(number_or_404(photo_id))
        if photo is None:
            raise cherrypy.NotFound()
        cache_control(self._page)
        return render("photo.html", photo=photo)

    @cherrypy.expose
    @cherrypy.tools.allow(methods=["GET", "HEAD"])
    def image(self, photo_id):
        """The image of a photo. It never changes once it is there."""
        number = number_or_404(photo_id)
        photo = self._database.photo(number)
        if photo is None:
            raise cherrypy.NotFound()
        cache_control(IMAGE)
        upload = self._database.upload(number)
        cherrypy.response.headers["Content-Type"] = upload["content_type"] if upload else "image/svg+xml"
        return upload["content"] if upload else pictures.scene(photo["scene"], photo["title"])

    @cherrypy.expose
    @cherrypy.tools.allow(methods=["GET", "HEAD", "POST"])
    def upload(self, user="", title="", image=None):
        if cherrypy.request.method != "POST":
            cache_control("public, max-age=3600")
            return render("upload.html", max_title=MAX_TITLE, max_image_bytes=MAX_IMAGE_BYTES)
        cache_control(PERSONAL)
        owner = self._database.user(user.strip())
        if owner is None:
            raise cherrypy.HTTPError(400, "There is no such user.")
        content = self._uploaded(image)
        title = " ".join(title.split())[:MAX_TITLE] or "Untitled"
        photo_id = self._database.add_photo(owner["id"], title, pictures.content_type(content), content)
        self._take_out_pages_of(owner)
        # A URL that no cache has seen yet, so the uploader sees the new photo at once, past the browser's own cache too.
        raise cherrypy.HTTPRedirect(f"/user/{owner['name']}?new={photo_id}", 303)

    def _take_out_pages_of(self, user):
        """So that nobody has to wait until they are too old. The group: the weir that passes this answer on drops first what
        is in it. The page: gone from memcached, and so for every weir, before this request has ended."""
        cherrypy.response.headers["Cache-Group-Invalidation"] = group_of_user(user)
        if self._stored_pages is not None:
            asked = urllib.parse.urlsplit(cherrypy.request.base)  # as the client asked weir, by tools.proxy
            self._stored_pages.delete(asked.netloc, f"/user/{user['name']}", scheme=asked.scheme)

    @staticmethod
    def _uploaded(image):
        if image is None or getattr(image, "file", None) is None:
            raise cherrypy.HTTPError(400, "The form came without an image.")
        content = image.file.read(MAX_IMAGE_BYTES + 1)
        if len(content) > MAX_IMAGE_BYTES:
            raise cherrypy.HTTPError(413, f"An image has at most {MAX_IMAGE_BYTES // 1024 // 1024} MiB.")
        if pictures.content_type(content) is None:
            raise cherrypy.HTTPError(415, "An image is a PNG, a JPEG, a GIF or a WebP.")
        return content


@cherrypy.config(**{"tools.sessions.on": True})
class SessionPage:
    """A page for one person: who they are, and how often they were here, whichever server answers."""

    def __init__(self, server_name):
        self._server_name = server_name

    @cherrypy.expose
    @cherrypy.tools.allow(methods=["GET", "HEAD"])
    def index(self):
        cache_control(PERSONAL)
        session = cherrypy.session
        served = session.get("served", {})
        served[self._server_name] = served.get(self._server_name, 0) + 1
        session["served"] = served
        return render("session.html", name=session.get("name"), served=served, server_name=self._server_name)

    @cherrypy.expose
    @cherrypy.tools.allow(methods=["POST"])
    def login(self, name=""):
        cache_control(PERSONAL)
        cherrypy.session["name"] = " ".join(name.split())[:40] or "nobody"
        cherrypy.session.regenerate()  # an id known before the login is worth nothing after it
        raise cherrypy.HTTPRedirect("/session", 303)

    @cherrypy.expose
    @cherrypy.tools.allow(methods=["POST"])
    def logout(self):
        cache_control(PERSONAL)
        cherrypy.session.delete()
        cherrypy.session.clear()
        sessions.expire()
        raise cherrypy.HTTPRedirect("/session", 303)


def mount(database, server_name, stored_pages=None, page=PAGE, sessions=False):
    """Mounts the application at the root of CherryPy's tree. stored_pages: None, or a weir_pages.Pages for what is also kept
    in memcached. page: the Cache-Control of pages. sessions: every page has one, and no cache may keep it."""
    settings = {
        "/": {
            "tools.encode.on": True,
            "tools.encode.encoding": "utf-8",
            "tools.etags.on": True,
            "tools.etags.autotags": True,
            # Absolute URLs with the scheme and host that the proxy was asked with.
            "tools.proxy.on": True,
            "tools.response_headers.on": True,
            "tools.response_headers.headers": [
                ("X-Served-By", server_name),
                ("X-Content-Type-Options", "nosniff"),
                ("Content-Security-Policy", "default-src 'self'"),
            ],
            "tools.sessions.storage_class": DatabaseSession,
            "tools.sessions.database": database,
            "tools.sessions.httponly": True,
            "tools.sessions.timeout": 60,
        },
        # Nothing personal is worth a validator; and no redirect to a second name of the page.
        "/session": {"tools.etags.on": False, "tools.trailing_slash.on": False},
        "/static": {
            "tools.staticdir.on": True,
            "tools.staticdir.dir": os.path.join(FOLDER, "static"),
            "tools.response_headers.headers": [
                ("X-Served-By", server_name),
                ("X-Content-Type-Options", "nosniff"),
                ("Cache-Control", IMAGE),
            ],
        },
    }
    if stored_pages is not None:
        # For as long as they say themselves. Files are the same for who has a session, too.
        cherrypy.tools.weir_pages = stored_pages.tool()
        settings["/static"].update({"tools.weir_pages.on": True, "tools.weir_pages.session_cookies": ()})
        settings["/user"] = {"tools.weir_pages.on": True}
    if sessions:
        page = PERSONAL
        settings["/"]["tools.sessions.on"] = True
        for path in ("/static", "/image"):
            settings.setdefault(path, {})["tools.sessions.on"] = False
    cherrypy.tree.mount(Pages(database, server_name, stored_pages, page), "/", settings)
