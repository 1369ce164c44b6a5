# Django's side of django.yaml: what settings.py needs behind weir.
import os

BASE_DIR = os.path.dirname(os.path.abspath(__file__))   # settings.py has its own

ALLOWED_HOSTS = ["www.example.org", "127.0.0.1"]   # the site's names; and the address that health checks ask for

# True only because nobody but weir gets here: it takes away what clients send of these, and says what is so.
USE_X_FORWARDED_HOST = True
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# Static files by WhiteNoise, as high in the list as it may be. Their names have a hash of the content, so it says that
# they last for years, and weir asks for each of them once.
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
STATIC_URL = "/static/"
STATIC_ROOT = os.path.join(BASE_DIR, "static")          # filled by manage.py collectstatic, before the servers start
STATICFILES_STORAGE = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"

# Where every server sees them. Not file, nor cache with the default locmem.
SESSION_ENGINE = "django.contrib.sessions.backends.db"
