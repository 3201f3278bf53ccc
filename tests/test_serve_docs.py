"""README says what the server takes and answers, docs/server.md what it measures and reads."""

import re
from collections.abc import Iterator

import pytest

from examples import ROOT
from serve import settings
from serve.app import create_app
from servers import TOKEN, Live, example, home, running

README = (ROOT / "README.md").read_text()
SECTION = README[README.index("## Serve") : README.index("## The stack")]
PAGE = (ROOT / "docs/server.md").read_text()


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with running(home(tmp_path_factory.mktemp("root"))) as server:
        yield server


def test_the_table_of_settings_is_the_one_that_the_server_prints() -> None:
    assert settings.table() in PAGE


def test_the_readme_names_every_route_and_no_other(live: Live) -> None:
    app = create_app({"REQUEST_LOG": f"sqlite:///{live.root}/other.db", "API_TOKEN": TOKEN}, live.root)
    rules = [rule for rule in app.url_map.iter_rules() if "<" not in rule.rule]
    there = {f"{method} {rule.rule}" for rule in rules for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}}
    named = set(re.findall(r"`((?:GET|POST) /[\w./-]*)`", SECTION.partition("\nPut into practice")[0]))
    assert named == there


def test_the_page_names_every_metric_and_no_other(live: Live) -> None:
    page = live.get("/prometheus").body.decode()
    there = set(re.findall(r"^# TYPE (\w+)", page, flags=re.MULTILINE))
    ours = {name for name in there if not name.startswith(("python_", "process_"))}
    named = set(re.findall(r"`(\w+)`", PAGE[PAGE.index("Metrics, summed") :]))
    assert ours == {name for name in named if name.islower() and "_" in name}


def test_the_payment_of_the_readme_is_answered_as_it_says(live: Live) -> None:
    words = re.search(r"The\s+answer holds (.*?), the md5 in the lock", SECTION, flags=re.DOTALL)
    assert words
    answer = live.post("/predict", example().payments()[0]).json
    assert re.findall(r"`(\w+)`", words[1]) == list(answer)
