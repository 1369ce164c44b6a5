# Django's side of django.yaml: what a settings.py, as startproject makes it, needs at its end behind weir.
import os

import django

ALLOWED_HOSTS = ["www.example.org", "127.0.0.1"]   # the site's names; and the address that health checks ask for

# True only because nobody but weir gets here: it takes away what clients send of these, and says what is so.
USE_X_FORWARDED_HOST = True
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# Static files by WhiteNoise, as high in the list as it may be; the rest of the list stays. Their names have a hash of the
# content, so it says that they last for years, and weir asks for each of them once.
MIDDLEWARE.insert(MIDDLEWARE.index("django.middleware.security.SecurityMiddleware") + 1,
                  "whitenoise.middleware.WhiteNoiseMiddleware")
STATIC_URL = "/static/"
STATIC_ROOT = os.path.join(BASE_DIR, "static")          # filled by manage.py collectstatic, before the servers start
if django.VERSION >= (4, 2):
    STORAGES = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},   # of uploads: as it is without STORAGES
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
    }
else:
    STATICFILES_STORAGE = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"

# Where every server sees them. Not file, nor cache with the default locmem.
SESSION_ENGINE = "django.contrib.sessions.backends.db"
