"""What an attacker sends: bodies, headers and paths that fit nothing are refused in words, and nothing breaks."""

from collections.abc import Iterator
from typing import Any

import pytest

from servers import Live, example, home, running

CARDS = example()
CARD = CARDS.payments()[0]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with running(home(tmp_path_factory.mktemp("root"))) as server:
        yield server


@pytest.mark.parametrize("path", ["/predict", "/feedback", "/invocations"])
def test_a_long_name_of_a_field_does_not_come_back_whole(live: Live, path: str) -> None:
    reply = live.post(path, {"a" * 1_000_000: 1})
    assert reply.status == 422
    assert len(reply.body) < 1000
