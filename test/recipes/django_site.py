"""A small Django site for the recipe, whose django_settings.py it takes as it is, behind the middleware of startproject. By itself: makes the database and the static
files in the folder SITE; as application: what gunicorn serves."""
import os
import runpy

import django
from django.conf import settings

FOLDER = os.environ["SITE"]
# What startproject fills in stands in strings, so it is Python before that, too.
project = runpy.run_path(os.path.join(os.path.dirname(django.__file__), "conf/project_template/project_name/settings.py-tpl"))
recipe = runpy.run_path(os.path.join(os.environ["RECIPES"], "django_settings.py"),
                        {"BASE_DIR": FOLDER, "MIDDLEWARE": project["MIDDLEWARE"]})
settings.configure(**{
    **{name: value for name, value in recipe.items() if name.isupper()},
    "SECRET_KEY": "of a test",
    "ROOT_URLCONF": "django_site",
    "INSTALLED_APPS": ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
                       "django.contrib.messages", "django.contrib.staticfiles"],
    "DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.path.join(FOLDER, "site.db")}},
    "DEFAULT_AUTO_FIELD": "django.db.models.AutoField",
    "STATICFILES_DIRS": [os.path.join(FOLDER, "assets")],
    "TEMPLATES": [{"BACKEND": "django.template.backends.django.DjangoTemplates", "OPTIONS": {"loaders": [
        ("django.template.loaders.locmem.Loader", {
            "registration/login.html": "<form method=post>{% csrf_token %}{{ form }}<input type=submit></form>"})]}}],
    "LOGIN_REDIRECT_URL": "/account",
})
django.setup()

from django.contrib.auth.decorators import login_required  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.contrib.auth.views import LoginView  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import HttpResponse, HttpResponseRedirect  # noqa: E402
from django.templatetags.static import static  # noqa: E402
from django.urls import path  # noqa: E402
from django.views.decorators.cache import cache_control  # noqa: E402

runs = 0


def answer(request, *words):
    global runs
    runs += 1
    return HttpResponse(" ".join((f"run {os.getpid()}-{runs}", *words)))


@cache_control(max_age=60)
def news(request):
    """For everybody, but it looks who asks: Vary: Cookie."""
    return answer(request, "for", request.user.username or "everybody", request.build_absolute_uri("/there"), static("site.css"))


@login_required
@cache_control(max_age=60)
def account(request):
    """A careless one: its own lifetime does not say that it is private."""
    return answer(request, "for", request.user.username)


urlpatterns = [
    path("", news),
    path("account", account),
    path("accounts/login/", LoginView.as_view()),
    path("away", lambda request: HttpResponseRedirect(request.build_absolute_uri("/there"))),
    path("client", lambda request: answer(request, request.META["HTTP_X_FORWARDED_FOR"], request.scheme)),
    path("healthz", lambda request: HttpResponse("ok")),
]
application = get_wsgi_application()

if __name__ == "__main__":
    call_command("migrate", verbosity=0)
    call_command("collectstatic", verbosity=0, interactive=False)
    User.objects.create_user("ada", password="of a test")
