"""The application for WSGI servers. It is as plain as WSGI allows: it gives content to HEAD too, which is the server's to drop,
and takes what the server gives of an upload without a length."""
import pages

_PART = 65536


def application(environment, start_response):
    answer = pages.answer(_request(environment))
    start_response(f"{answer.status} {answer.reason}", answer.fields)
    if all(isinstance(step, bytes) for step in answer.steps) and len(answer.steps) < 2:
        return answer.steps
    return pages.run(answer.steps)


def _request(environment):
    fields = {name[5:].replace("_", "-").lower(): value for name, value in environment.items() if name.startswith("HTTP_")}
    return pages.Request(environment["REQUEST_METHOD"], environment["PATH_INFO"], environment.get("QUERY_STRING", ""), fields,
                         environment["wsgi.url_scheme"], environment["REMOTE_ADDR"], b"".join(_content(environment)))


def _content(environment):
    source = environment["wsgi.input"]
    if environment.get("CONTENT_LENGTH"):
        left = int(environment["CONTENT_LENGTH"])
        while left and (part := source.read(min(left, _PART))):
            left -= len(part)
            yield part
    elif environment.get("wsgi.input_terminated"):
        while part := source.read(_PART):
            yield part
    elif environment.get("HTTP_TRANSFER_ENCODING") == "chunked":
        yield from _uwsgi_chunks()


def _uwsgi_chunks():
    """uWSGI has a function of its own for them; where there is none, WSGI gives no way to read them."""
    try:
        import uwsgi
    except ImportError:
        return
    while part := uwsgi.chunked_read():
        yield part
