"""Images of the demo: landscapes drawn from a number, and what kind of image an upload is."""
import random
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 320, 240


def scene(number, title):
    """An SVG landscape, always the same for a number and a title."""
    dice = random.Random(number)
    hue, sun, radius = dice.randrange(360), dice.randrange(WIDTH), dice.randrange(14, 38)
    far, near = _hills(dice, 130), _hills(dice, 175)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">
<title>{escape(title)}</title>
<defs><linearGradient id="sky" x2="0" y2="1">
<stop stop-color="hsl({hue},60%,55%)"/><stop offset="1" stop-color="hsl({(hue + 40) % 360},80%,88%)"/>
</linearGradient></defs>
<rect width="{WIDTH}" height="{HEIGHT}" fill="url(#sky)"/>
<circle cx="{sun}" cy="{50 + radius}" r="{radius}" fill="#fffbe0"/>
<path d="{far}" fill="hsl({(hue + 150) % 360},25%,45%)"/>
<path d="{near}" fill="hsl({(hue + 170) % 360},35%,28%)"/>
</svg>
""".encode()


def _hills(dice, height):
    points = [f"{x},{height + dice.randrange(-30, 30)}" for x in range(0, WIDTH + 1, WIDTH // 5)]
    return f"M0,{HEIGHT} L{' L'.join(points)} L{WIDTH},{HEIGHT} Z"


def content_type(content):
    """The media type by the first bytes, whatever the uploader called it; None for what is not one of four image types.

    SVG is not taken: it may carry scripts, which would run with the rights of this site.
    """
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return None
