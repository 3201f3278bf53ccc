"""Pages for people, the files that they load, and the description of the API."""

from pathlib import Path

import msgspec
from flask import Blueprint, Response, current_app, request

from serve.openapi.document import describe
from serve.parts import parts
from serve.problems import Refusal

routes = Blueprint("pages", __name__)
FOLDER = Path(__file__).parent.parent / "pages"
FILES = {".css": "text/css", ".js": "text/javascript"}
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
)


@routes.get("/")
def console() -> Response:
    """Return the console: score a payment, see the last predictions, the drift, the model and the log."""
    return page("console.html")


@routes.get("/docs")
def docs() -> Response:
    """Return this description as a page."""
    return page("docs.html")


@routes.get("/static/<name>")
def static(name: str) -> Response:
    """Return a file that the pages load."""
    kinds = {path.name: FILES[path.suffix] for path in FOLDER.iterdir() if path.suffix in FILES}
    if name not in kinds:
        raise Refusal(404, f"there is no file '{name}'; expected {', '.join(sorted(kinds))}")
    return _fresh(Response((FOLDER / name).read_bytes(), mimetype=kinds[name]))


@routes.get("/openapi.json")
def openapi() -> Response:
    """Return the description of this API in OpenAPI 3.1."""
    here = parts()
    found = describe(here.models.current().model.contract, _meanings(), here.settings.max_rows)
    return _fresh(Response(msgspec.json.encode(found), mimetype="application/json"))


def page(name: str) -> Response:
    """Return a page, which holds no data and may ask nobody but this server."""
    answer = Response((FOLDER / name).read_bytes(), mimetype="text/html")
    answer.headers.update({"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"})
    answer.vary.add("Accept")  # Who asks for JSON at the address of a page gets no page.
    return _fresh(answer)


def _fresh(answer: Response) -> Response:
    """Let the browser keep an answer, and ask each time whether it still holds."""
    answer.cache_control.no_cache = True
    answer.add_etag()
    answer.make_conditional(request)
    return answer


def _meanings() -> dict[str, str]:
    """Return what each route says of itself, by its method and path."""
    found: dict[str, str] = {}
    for rule in current_app.url_map.iter_rules():
        path = rule.rule.replace("<", "{").replace(">", "}")
        text = (current_app.view_functions[rule.endpoint].__doc__ or "").strip()
        found |= {f"{method} {path}": text for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}}
    return found
