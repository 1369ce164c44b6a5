# gunicorn's side of django.yaml. Once for each address there, by a unit with Restart=always:
#   gunicorn --config gunicorn.conf.py --bind 127.0.0.1:9001 mysite.wsgi

worker_class = "gthread"
# A kept connection stays with the worker that took it: of two workers one may be full, and let requests wait, while the
# other has nothing to do. With one, weir's count is exact. For another core: another address in weir's list.
workers = 1
threads = 11            # max_in_flight, and one for weir's health check
keepalive = 15          # seconds; weir lets go after 12, so no request meets a connection that is just being closed
graceful_timeout = 30   # for what is under way at a stop: the longest page. weir goes on with the other server meanwhile
forwarded_allow_ips = "127.0.0.1"   # where weir is: its X-Forwarded-Proto is believed
accesslog = None        # weir's log has every request, and how long it was here
