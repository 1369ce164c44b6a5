"""A WSGI application for uWSGI, and for waitress in Zope's place: Zope is not in Debian 12, but waitress, which it runs on, is.
As a program: waitress with the options of the recipe's zope.ini, on a port of the system's choice; prints "ready PORT".

  /VirtualHostBase/SCHEME/HOST:PORT/SITE/VirtualHostRoot/PATH   says what Zope's VirtualHostMonster would make of it: SITE,
                     PATH and the URL of PATH. Fresh for a minute to shared caches alone, as Plone's content is
  anything else      the path, the length of the request's head field X-Long, and a count of runs; fresh for a minute
"""
import os

runs = 0


def application(environment, start_response):
    global runs
    runs += 1
    path = environment["PATH_INFO"]
    fields = [("Content-Type", "text/plain"), ("Vary", "Cookie")]
    if path.startswith("/VirtualHostBase/"):
        base, _, rest = path.partition("/VirtualHostRoot")
        _, _, scheme, place, site = base.split("/")
        usual = {"http": ":80", "https": ":443"}[scheme]
        said = f"{site} {rest} {scheme}://{place.removesuffix(usual)}{rest}"
        fields.append(("Cache-Control", "max-age=0, s-maxage=60"))
    else:
        said = f"{path} {len(environment.get('HTTP_X_LONG', ''))}"
        fields.append(("Cache-Control", "max-age=60"))
    name = "member" if "__ac=" in environment.get("HTTP_COOKIE", "") else "everybody"
    content = f"run {os.getpid()}-{runs} for {name} {said}".encode()
    start_response("200 OK", [*fields, ("Content-Length", str(len(content)))])
    return [content]


def main():
    import configparser
    import waitress
    ini = configparser.ConfigParser()
    ini.read(os.path.join(os.environ["RECIPES"], "zope.ini"))
    options = {**ini["server:main"], "port": 0}
    if options.pop("use") != "egg:waitress#main":
        raise SystemExit("zope.ini is not for waitress")
    server = waitress.create_server(application, **options)
    print("ready", server.effective_port, flush=True)
    server.run()


if __name__ == "__main__":
    main()
