"""Pages for people: the console, the metrics, the description of the API."""

from pathlib import Path

from flask import Blueprint, Response

routes = Blueprint("pages", __name__)
FOLDER = Path(__file__).parent.parent / "pages"
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
)


def page(name: str) -> Response:
    """Return a page, which holds no data and may ask nobody but this server."""
    return Response((FOLDER / name).read_bytes(), mimetype="text/html", headers={"Content-Security-Policy": POLICY})
