"""For gunicorn: the pages of cherrypy_app.py that need no server of their own kind. GET says what its target tells, POST what
came."""
import urllib.parse

from content import answer_to_post, content


def application(environment, start_response):
    if environment["REQUEST_METHOD"] == "POST":
        received = environment["wsgi.input"].read(int(environment.get("CONTENT_LENGTH") or 0))
        answer = answer_to_post(received)
    else:
        query = urllib.parse.parse_qs(environment["QUERY_STRING"])
        answer = content(environment["RAW_URI"], int(query["size"][0]))
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", str(len(answer))),
                              ("Cache-Control", "no-store")])
    return [answer]
