"""The pages for people, in a real browser: what they show is what the server says, and they ask nobody else."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from needed import needed
from serve.routes.pages import POLICY
from servers import TOKEN, Live, example, home, running

CHROMIUM = Path("/usr/bin/chromium")
MARKUP = "<img src=x onerror=\"document.title='broken'\">"
WRONG = "of-nobody-who-is-known"
PHONE = {"width": 360, "height": 740}
PAYMENTS = example("payments").payments()


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    # One worker: each looks at the log once a second by itself.
    with running(home(tmp_path_factory.mktemp("root"), example("payments")), WORKERS="1") as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = needed(CHROMIUM if CHROMIUM.exists() else None, "Chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser, live: Live) -> Iterator[Page]:
    """Return a page that fails the test when it asks another host or when its script or its policy complains."""
    context = browser.new_context(base_url=f"http://127.0.0.1:{live.port}")
    context.set_default_timeout(10_000)
    found, said, asked = context.new_page(), [], []
    found.on("console", lambda message: said.append(message.text))
    found.on("pageerror", lambda error: said.append(str(error)))
    context.on("request", lambda request: asked.append(request.url))
    yield found
    context.close()
    refusals = [line for line in said if "the server responded with a status of 4" in line]
    assert said == refusals
    assert [url for url in asked if not url.startswith((f"http://127.0.0.1:{live.port}/", "data:"))] == []


def entered(page: Page, path: str = "/", given: str = TOKEN) -> Page:
    """Open a page and give it a token."""
    page.goto(path)
    page.get_by_label("Token").fill(given)
    page.get_by_role("button", name="Use it").click()
    return page


def scored(page: Page, payment: dict[str, Any], name: str = "") -> Page:
    """Fill in the form of the console and score."""
    for field, value in payment.items():
        box = page.locator("#fields").get_by_label(field, exact=True)
        if isinstance(value, str) and field == "merchant_category":
            box.select_option(value)
        else:
            box.fill("" if value is None else str(value))
    page.get_by_label("transaction_id").fill(name)
    page.get_by_role("button", name="Score").click()
    return page


def row(page: Page, name: str) -> Any:
    return page.locator("#predictions tbody tr").filter(has_text=name)


def test_the_console_shows_the_score_that_predict_gives(page: Page, live: Live) -> None:
    answers = live.post("/predict?explain=5", {"data": PAYMENTS[:400]}).json["predictions"]
    moves = [sum(reason["log_odds"] for reason in answer["reasons"]) for answer in answers]
    assert min(moves) < 0 < max(moves)
    for payment in (PAYMENTS[moves.index(extreme)] for extreme in (min(moves), max(moves))):
        answer = live.post("/predict?explain=5", payment).json
        scored(entered(page), payment)
        expect(page.locator("#probability data")).to_have_attribute("value", str(answer["fraud_probability"]))
        expect(page.locator("#verdict")).to_have_text("Fraud" if answer["is_fraud"] else "Legitimate")
        fill, mark = (page.locator(name).evaluate("one => one.style.cssText") for name in ("#fill", "#mark"))
        assert float(re.findall(r"[\d.e-]+(?=%)", fill)[0]) == pytest.approx(
            100 * answer["fraud_probability"], rel=1e-3
        )
        assert float(re.findall(r"[\d.e-]+(?=%)", mark)[0]) == pytest.approx(100 * answer["threshold"], rel=1e-3)
        reasons = [reason for reason in answer["reasons"] if reason["log_odds"]]
        expect(page.locator("#reasons li")).to_have_count(len(reasons))
        for reason, shown in zip(reasons, page.locator("#reasons li").all_inner_texts(), strict=True):
            assert reason["feature"] in shown
            assert f"{abs(reason['log_odds']):.2f}" in shown
            assert ("+" if reason["log_odds"] > 0 else "\N{MINUS SIGN}") in shown


def test_the_form_is_made_from_the_contract_and_starts_with_ordinary_values(page: Page, live: Live) -> None:
    entered(page)
    fields = page.locator("#fields label")
    expect(fields).to_have_text(live.get("/model").json["features"])
    body = live.get("/openapi.json").json["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    for name, value in body["examples"]["one"]["value"].items():
        found = page.locator("#fields").get_by_label(name, exact=True).input_value()
        assert found == value if isinstance(value, str) else float(found) == value


def test_random_values_are_always_accepted(page: Page) -> None:
    entered(page)
    for _ in range(10):
        page.get_by_role("button", name="Random values").click()
        with page.expect_response("**/predict?explain=5") as answer:
            page.get_by_role("button", name="Score").click()
        assert answer.value.status == 200


def test_feedback_goes_to_the_log_and_can_be_corrected(page: Page, live: Live) -> None:
    scored(entered(page), PAYMENTS[2], "order-1")
    for word, label in ("fraud", True), ("legitimate", False):
        button = row(page, "order-1").get_by_role("button", name=f"it was {word}")
        expect(button).to_have_attribute("aria-pressed", "false")
        button.press("Enter")
        expect(button).to_have_attribute("aria-pressed", "true")
        expect(button).to_be_focused()
        newest = live.get("/predictions?limit=1").json["predictions"][0]
        assert (newest["transaction_id"], newest["actual_label"]) == ("order-1", label)
    expect(row(page, "order-1").locator('[aria-pressed="true"]')).to_have_count(1)


def test_what_a_caller_sends_is_never_markup(page: Page, live: Live) -> None:
    live.post("/predict", PAYMENTS[3] | {"transaction_id": MARKUP})
    scored(entered(page), PAYMENTS[3] | {"amount": MARKUP})
    expect(row(page, MARKUP)).to_have_count(1)
    expect(page.locator("#score-problem")).to_contain_text("<img src=x onerror=")
    assert page.locator("img").count() == 0
    assert page.title() == "Fraud: console"


def test_what_the_server_refuses_is_shown_in_its_own_words(page: Page, live: Live) -> None:
    entered(page, given=WRONG)
    expect(page.get_by_role("alert").first).to_have_text(live.get("/model", token=WRONG).json["detail"])
    expect(page.locator("#content")).to_be_hidden()
    scored(entered(page), PAYMENTS[4] | {"hour": 24})
    said = live.post("/predict", PAYMENTS[4] | {"hour": 24}).json["detail"]
    expect(page.locator("#score-problem")).to_have_text(said)
    expect(page.locator("#problem")).to_be_hidden()


def test_the_token_stays_in_the_session_and_goes_when_told(page: Page) -> None:
    expect(entered(page).locator("#content")).to_be_visible()
    assert page.evaluate("[localStorage.length, document.cookie, sessionStorage.length]") == [0, "", 1]
    page.goto("/metrics")
    expect(page.locator("#content")).to_be_visible()
    page.get_by_role("button", name="Forget it").click()
    expect(page.locator("#content")).to_be_hidden()
    assert page.evaluate("sessionStorage.length") == 0


@pytest.mark.parametrize("path", ["/", "/metrics"])
def test_drift_model_and_log_are_shown_as_the_server_tells_them(page: Page, live: Live, path: str) -> None:
    shifted = [payment | {"amount": payment["amount"] * 20 + 100} for payment in PAYMENTS[:400]]
    live.post("/predict", {"data": shifted})
    entered(page, path)
    summary = live.get("/metrics", headers={"Accept": "application/json"}).json
    expect(page.locator("#drift-sentence")).to_have_text(summary["drift"]["sentence"])
    scores = sorted(summary["drift"]["scores"].items(), key=lambda one: -one[1])
    expect(page.locator("#drift li")).to_have_text([re.compile(f"^{name}{score:.2f}$") for name, score in scores])
    assert page.locator("#drift .hot").count() == sum(score > 1 for _, score in scores) > 0
    for text in summary["model"], summary["training_md5"], summary["since"], summary["dataset"]:
        expect(page.locator("#lineage")).to_contain_text(text)
    expect(page.locator("#log")).to_contain_text("writable")


def test_the_metrics_page_counts_what_was_answered(page: Page, live: Live) -> None:
    live.post("/predict", PAYMENTS[5])
    entered(page, "/metrics")
    counters = live.get("/metrics", headers={"Accept": "application/json"}).json["counters"]
    expect(page.locator("#answers")).to_contain_text(f"{counters['predictions']['legitimate']:,.0f}")


def test_the_description_lists_every_operation_with_a_command(page: Page, live: Live) -> None:
    page.goto("/docs")
    operations = live.get("/openapi.json").json["paths"]
    expect(page.locator("section")).to_have_count(1 + sum(map(len, operations.values())))
    expect(page.locator("h2", has_text="/predict").first).to_have_text("POST /predict")
    command = page.locator("#post-predict pre").inner_text()
    assert command.startswith(f"curl http://127.0.0.1:{live.port}/predict")
    assert "Bearer $API_TOKEN" in command
    expect(page.locator("#post-reload-model pre")).to_contain_text("Bearer $ADMIN_TOKEN")


@pytest.mark.parametrize("path", ["/", "/metrics", "/docs"])
def test_no_page_is_wider_than_a_phone(page: Page, live: Live, path: str) -> None:
    live.post("/predict", PAYMENTS[6] | {"transaction_id": "a-long-name-" * 16})
    page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
    if path == "/docs":
        page.goto(path)
        expect(page.locator("section").first).to_be_visible()
    else:
        expect(entered(page, path).locator("#content")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(page: Page, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    page.goto("/")
    names = ["ink", "soft", "blue", "orange", "green", "card", "page", "on"]
    style = "name => getComputedStyle(document.documentElement).getPropertyValue('--' + name)"
    light = {name: luminance(page.evaluate(style, name)) for name in names}
    pairs = [(text, back) for text in names[:5] for back in ("card", "page")] + [("on", "blue")]
    for text, back in pairs:
        low, high = sorted((light[text], light[back]))
        assert (high + 0.05) / (low + 0.05) >= 4.5, (text, back)  # WCAG 2.2, AA.


def luminance(colour: str) -> float:
    """Return the relative luminance of #rgb or #rrggbb, as WCAG defines it."""
    digits = colour.strip("#")
    pairs = [digits[place : place + 2] for place in (0, 2, 4)] if len(digits) == 6 else [2 * one for one in digits]
    parts = [int(pair, 16) / 255 for pair in pairs]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("path", ["/", "/docs", "/metrics"])
def test_a_page_allows_nothing_inline_and_is_asked_for_again_each_time(live: Live, path: str) -> None:
    reply = live.get(path, token=None, headers={"Accept": "text/html"})
    assert (reply.status, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert reply.headers["content-security-policy"] == POLICY
    assert "unsafe" not in POLICY
    assert not re.findall(r"<style|<script(?! type=\"module\" src=)|\son\w+=|\sstyle=|https?://", reply.body.decode())
    assert reply.headers["cache-control"] == "no-cache"
    again = live.get(path, token=None, headers={"Accept": "text/html", "If-None-Match": reply.headers["etag"]})
    assert (again.status, again.body) == (304, b"")


def test_files_of_the_pages_have_their_types_and_no_others_are_given(live: Live) -> None:
    for name, kind in ("style.css", "text/css"), ("common.js", "text/javascript"):
        reply = live.get(f"/static/{name}", token=None)
        assert (reply.status, reply.headers["content-type"]) == (200, f"{kind}; charset=utf-8")
        assert reply.headers["x-content-type-options"] == "nosniff"
    for name in (
        "../app.py",
        "..%2fapp.py",
        "%2e%2e/app.py",
        "console.html",
        "",
        "/etc/passwd",
        "style.css%00",
        "style.css/",
    ):
        assert live.get(f"/static/{name}", token=None).status == 404, name


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "1.5", "", "a", "99999999999999999999"])
def test_predictions_are_listed_newest_first_and_within_limits(live: Live, limit: str) -> None:
    ids = [live.post("/predict", PAYMENTS[place]).json["id"] for place in (7, 8)]
    found = live.get("/predictions?limit=2").json["predictions"]
    assert [one["id"] for one in found] == ids[::-1]
    assert found[0]["actual_label"] is None
    refusal = live.get(f"/predictions?limit={limit}")
    assert (refusal.status, refusal.json["field"]) == (422, "limit")
