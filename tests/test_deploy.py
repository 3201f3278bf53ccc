"""make deploy: a real server gets another model, or keeps the one that it has."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from fraud.errors import Problem
from fraud.loop import deploy
from fraud.loop.server import Server
from listening import listening
from loopback import answering, send
from s3 import free_port
from servers import ADMIN, Example, Live, example, home, pin, running

OLD, NEW = example(), example(seed=8)
pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    with running(home(tmp_path / "root", OLD), WORKERS="1") as server:
        yield server


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a working copy whose dvc.lock pins the new model."""
    (tmp_path / "here").mkdir()
    pin(tmp_path / "here", NEW)
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("ADMIN_TOKEN", ADMIN)
    return tmp_path / "here"


def to(live: Live, *more: str) -> None:
    deploy.main(f"SERVER=http://127.0.0.1:{live.port}", *more)


def serves(live: Live) -> str:
    return str(live.get("/ready").json["model"])


def smoked(live: Live) -> list[Any]:
    with create_engine(f"sqlite:///{live.root}/requests.db").connect() as connection:
        found = connection.execute(text("SELECT transaction_id, model FROM requests"))
        return [tuple(row) for row in found]


def hangup(live: Live) -> str:
    return f"kill -HUP {live.process.pid}"


def test_a_server_that_reloads_serves_the_pinned_model_and_answers_a_payment(
    live: Live, capsys: pytest.CaptureFixture[str]
) -> None:
    pin(live.root, NEW)
    to(live)
    assert serves(live) == NEW.md5
    assert f"serves {NEW.md5[:6]}…" in capsys.readouterr().out
    ((name, model),) = smoked(live)
    assert name.startswith(f"smoke-{NEW.md5[:8]}-")
    assert model == NEW.md5


def test_a_server_that_serves_it_already_is_asked_for_a_payment_again(live: Live) -> None:
    pin(live.root, NEW)
    to(live)
    to(live)
    assert len(smoked(live)) == 2


def test_a_server_that_refuses_the_file_keeps_the_old_model(live: Live) -> None:
    pin(live.root, NEW, b"not what is pinned")
    with pytest.raises(Problem, match=rf"POST /reload-model got 409: .*; {OLD.md5[:6]}… serves as before"):
        to(live)
    assert serves(live) == OLD.md5


def test_a_server_that_never_gets_there_keeps_the_old_model(live: Live) -> None:
    with pytest.raises(
        Problem, match=rf"after 1 s {OLD.md5[:6]}… is ready, but {NEW.md5[:6]}… should be; {OLD.md5[:6]}…"
    ):
        to(live, "WITHIN=1")
    assert serves(live) == OLD.md5


def test_a_server_that_got_elsewhere_is_brought_back(live: Live, tmp_path: Path) -> None:
    other: Example = example(seed=9)
    pin(live.root, other)
    (tmp_path / "old").mkdir()
    pin(tmp_path / "old", OLD)
    back = f"sh -c 'cp -r {tmp_path}/old/. {live.root} && {hangup(live)}'"
    with pytest.raises(Problem, match=rf"after 3 s {other.md5[:6]}… is ready.*; {OLD.md5[:6]}… serves as before"):
        to(live, "WITHIN=3", f"ROLLBACK_COMMAND={back}")
    assert serves(live) == OLD.md5


def test_without_a_way_back_it_says_what_serves_now(live: Live) -> None:
    other = example(seed=9)
    pin(live.root, other)
    expected = (
        rf"now {other.md5[:6]}… serves, before it was {OLD.md5[:6]}…; give ROLLBACK_COMMAND, or run `make rollback`"
    )
    with pytest.raises(Problem, match=expected):
        to(live, "WITHIN=1")


def test_a_command_replaces_the_server(live: Live) -> None:
    pin(live.root, NEW)
    to(live, f"REPLACE_COMMAND={hangup(live)}", "ROLLBACK_COMMAND=false")
    assert serves(live) == NEW.md5


def test_a_replacement_that_fails_is_taken_back(live: Live, tmp_path: Path) -> None:
    with pytest.raises(Problem, match=rf"REPLACE_COMMAND ended with 1; .*; {OLD.md5[:6]}… serves as before"):
        to(live, "REPLACE_COMMAND=false", f"ROLLBACK_COMMAND=touch {tmp_path}/back")
    assert (tmp_path / "back").exists()


def test_a_way_back_that_fails_is_said_too(live: Live) -> None:
    with pytest.raises(
        Problem, match=r"REPLACE_COMMAND did not end well.*the way back failed too: ROLLBACK_COMMAND ended"
    ):
        to(live, "REPLACE_COMMAND=no-such-program", "ROLLBACK_COMMAND=false")


def test_a_wrong_token_changes_nothing_and_is_not_repeated(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    pin(live.root, NEW)
    monkeypatch.setenv("ADMIN_TOKEN", "a-wrong-token")
    with pytest.raises(Problem, match="POST /reload-model got 401") as problem:
        to(live)
    assert "a-wrong-token" not in str(problem.value)
    assert serves(live) == OLD.md5


def test_a_server_that_is_not_there_is_told() -> None:
    with pytest.raises(Problem, match=r"got nothing: no answer came \(ConnectionRefusedError\); now nothing serves"):
        deploy.main(f"SERVER=http://127.0.0.1:{free_port()}", "WITHIN=1")


def test_a_redirect_does_not_take_the_token_elsewhere() -> None:
    with listening() as elsewhere, answering(lambda handler: send(handler, 307, Location=elsewhere.url)) as address:
        assert Server(address, ADMIN).ask("GET", "/ready").status == 307
        assert Server(address, ADMIN).serves() is None
    assert elsewhere.tokens == set()


@pytest.mark.parametrize(
    "address",
    [
        "fraud.example.com",
        "ftp://fraud.example.com",
        "http://user:word@host",
        "http://",
        "http://host:port",
        "http://[",
    ],
)
def test_an_address_that_is_none_or_holds_credentials_is_refused_unrepeated(address: str) -> None:
    with pytest.raises(Problem, match="SERVER: expected an address") as problem:
        deploy.main(f"SERVER={address}")
    assert "word" not in str(problem.value)


@pytest.mark.parametrize(("arguments", "lacking"), [([], "SERVER"), (["SERVER=http://127.0.0.1:1"], "ADMIN_TOKEN")])
def test_what_is_not_given_is_named(arguments: list[str], lacking: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ADMIN_TOKEN")
    with pytest.raises(Problem, match=f"^{lacking}: found nothing"):
        deploy.main(*arguments)


def test_payments_with_categories_and_whole_numbers_have_an_ordinary_one_too(tmp_path: Path) -> None:
    served = example("payments")
    with running(home(tmp_path / "root", served), WORKERS="1") as live:
        contract = live.get("/model").json["contract"]
        reply = live.post("/predict", deploy.ordinary(contract))
        assert reply.status == 200, reply.json
        assert not reply.json["is_fraud"]
