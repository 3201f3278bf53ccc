"""The text of a pull request: what it says, and that nothing in the data can make it say or do anything else."""

import copy
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from examples import ROOT
from fraud.errors import Problem
from fraud.loop.batch_sizes import Size
from fraud.loop.pages.drift_reports import Drift
from fraud.loop.proposing import facts, proposal
from fraud.loop.proposing.facts import Estimates, Proposal, Retrain, Window
from fraud.loop.proposing.revision import Side
from fraud.markdown import code, ours, plain
from fraud.sources import Given
from proposals import GATE, NEW, OLD, TABLE, Loop, working_copy

LIMIT = 65536
EVIL = [
    "@bank/risk",
    "`code` @ann",
    "<img src=x onerror=alert(1)>",
    "[free money](https://evil.example)",
    "https://evil.example",
    "www.evil.example",
    "fixes #12",
    "bank/fraud#12",
    "a | b | c\n\n# A heading",
    "--> <script>",
    "\\` \\| ``` ~~~",
    "\u202etxt.exe\u200b\x00\r",
    "![](https://evil.example/pixel.png)",
    "| --- |",
    "",
]


def report(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / f"reports/{name}.json").read_text())
    return found


DRIFT, ESTIMATE, SPLIT, METRICS = (report(name) for name in ("drift", "estimate", "split", "metrics"))


def fired(*titles: str, drift: dict[str, Any] = DRIFT) -> dict[str, Any]:
    """Return a report in which the first checks have these titles and fired."""
    found = copy.deepcopy(drift)
    for check, title in zip(found["features"], titles, strict=False):
        check |= {"title": title, "fired": True, "effect": 0.25, "week": "2026-W10"}
    return found


def one(drift: dict[str, Any] = DRIFT, **retrain: Any) -> Proposal:
    """Return a proposal; what is not given is as in this repository's reports."""
    before = Side(
        "a" * 40, {"models/model.onnx": OLD, "data/simulate": "2" * 32}, {"batches": "data/simulate"}, METRICS
    )
    after = before._replace(
        commit="b" * 40,
        pins={"models/model.onnx": NEW, "data/simulate": "2" * 32},
        params={"batches": "data/simulate", "split": {"until": "2026-W12"}},
        metrics=METRICS | {"recall": 0.9},
        given=Given(Counter({"delivered": 300, "feedback:token-1": 700}), Counter({"feedback:token-1": 9})),
    )
    given = {"reason": "drift", "week": "2026-W12", "base": "a" * 40, "gate": GATE, "drifted": ["2026-W10"]} | retrain
    return Proposal(
        "retrain/2026-W12",
        before,
        after,
        msgspec.convert(given, Retrain),
        msgspec.convert(drift, Drift),
        msgspec.convert(ESTIMATE, Estimates).weeks,
        msgspec.convert(SPLIT, Window),
    )


def body(found: Proposal) -> str:
    return proposal.text(found, "main", None).body


def test_the_title_says_which_weeks_and_why() -> None:
    titles = [proposal.text(one(fired(*names)), "main", None).title for names in (["V14"], ["V14", "V10", "V3", "V4"])]
    assert titles == [
        "Retrain on 2026-W05 to 2026-W08: drift in V14",
        "Retrain on 2026-W05 to 2026-W08: drift in V14, V10 and 2 more",
    ]
    assert proposal.text(one(reason="schedule"), "main", None).title.endswith(": the schedule asks for it")
    assert proposal.text(one(), "main", None).title.endswith(": drift fired")


def test_the_body_begins_with_the_verdict_and_holds_all_that_a_reviewer_needs() -> None:
    text = proposal.text(one(fired("V14")), "main", "https://github.com/bank/fraud/actions/runs/7#artifacts").body
    assert text.splitlines()[1] == f"**{GATE['sentence']}**"
    assert "Trained on `2026-W05` to `2026-W07` (60,000 rows), tested on `2026-W08` (20,000 rows)." in text
    assert TABLE in text
    assert "Both on the same 20,000 test rows with 137 frauds, which neither was trained on." in text
    assert "| `V14` | `2026-W10` | 0.250 | 0.0231 | yes | 0.0722 |" in text
    assert "| `recall` | 0.854 | 0.900 | 0.796 to 0.912 | +0.046 |" in text
    assert "| `split.until` | - | `2026-W12` |" in text
    assert f"| model | `{OLD}` | `{NEW}` | changed |" in text
    assert f"| batches | `{'2' * 32}` | `{'2' * 32}` | the same |" in text
    assert "| `2026-W12` | 20,000 of 20,000 | 0.842 (0.772 to 0.921), 0.827 |" in text
    assert "[The reports of the run](https://github.com/bank/fraud/actions/runs/7#artifacts)" in text
    assert "git fetch origin retrain/2026-W12 && git switch --detach FETCH_HEAD" in text
    assert "make gate BASE=origin/main" in text
    assert f"Then main pins model `{OLD}` again" in text


def test_the_share_of_labels_by_source_is_shown_beside_the_one_before() -> None:
    found = one()
    assert "### Where the labels come from" in body(found)
    assert "| `feedback:token-1` | 700 | 70.0% | - | 9 |" in body(found)
    assert "| `delivered` | 300 | 30.0% | - | 0 |" in body(found)
    past = Given(Counter({"delivered": 9, "feedback:token-1": 1}), Counter())
    assert "| 700 | 70.0% | 10.0% | 9 |" in body(found._replace(before=found.before._replace(given=past)))
    alone = found._replace(after=found.after._replace(given=past._replace(labels=Counter({"delivered": 1000}))))
    assert "All 1,000 came with their batches." in body(alone)


def test_each_batch_is_shown_and_one_that_is_far_from_the_others_stands_out() -> None:
    found = one()
    assert "What came in the batches" not in body(found)
    sizes = [Size(f"2026-W{week:02d}", 1500, 0, 1500) for week in (9, 10, 11)]
    even = body(found._replace(after=found.after._replace(sizes=sizes)))
    assert "| `2026-W10` | 1,500 | 0 | 1,500 |" in even
    assert "came whole" not in even
    torn = body(found._replace(after=found.after._replace(sizes=[*sizes, Size("2026-W12", 133, 1, 132)])))
    assert "**`2026-W12`: 133 rows (1 of them in quarantine), and 1,500 is the median of the other weeks; " in torn
    assert "| `2026-W12` | 133 | 1 | 132 |" in torn


def test_metrics_on_other_rows_come_last_folded_without_a_difference_and_with_a_warning() -> None:
    found = one(fired("V14"))
    pins = found.after.pins | {"data/split/test.parquet": "3" * 32}
    text = body(found._replace(after=found.after._replace(pins=pins)))
    decides, record = text.index("### Both models on the same rows: this decides"), text.index("### For the record")
    assert decides < text.index(TABLE) < text.index("### Drift") < record
    assert "| `recall` |" not in text[:record]
    assert "| `recall` | 0.854 | 0.900 | 0.796 to 0.912 |\n" in text[record:]
    assert "These are different rows, so this table says nothing of which model is better" in text[record:]


def test_what_is_not_there_is_not_spoken_of() -> None:
    gate = GATE | {
        "table": "",
        "champion": None,
        "verdict": "not compared",
        "sentence": "Not compared: no champion yet.",
    }
    first = one(gate=gate)
    text = body(first._replace(before=Side("a" * 40, {}, {}, {}), estimates=[]))
    assert "There was nothing to compare with, so a person has to decide." in text
    assert "there is none to serve" in text
    assert "### Report" not in text
    assert "came true" not in text


def test_the_same_commit_gives_the_same_marker_and_another_text_another_one() -> None:
    markers = [proposal.MARKER.match(body(found)) for found in (one(), one(), one(reason="force"))]
    assert markers[0]
    assert [bool(marker and marker[1] == NEW) for marker in markers] == [True] * 3
    assert [marker[2] == markers[0][2] for marker in markers if marker] == [True, True, False]


def test_a_value_of_another_type_differs_and_equal_ones_do_not() -> None:
    found = one()
    found = found._replace(before=found.before._replace(params={"a": {"x": 1, "y": None}, "z": True}))
    found = found._replace(after=found.after._replace(params={"a": {"x": "1", "y": None}, "n": [1, 2]}))
    text = body(found)
    rows = re.findall(r"^\| (`[anz].*`) \| (.*) \| (.*) \|$", text, flags=re.MULTILINE)
    assert ("`a.x`", "`1`", "`1`") in rows
    assert ("`n`", "-", "`[1, 2]`") in rows
    assert ("`z`", "`true`", "-") in rows
    assert "`a.y`" not in text


def shown(text: str) -> tuple[list[str], str]:
    """Return the kinds of what GitHub would show, and all its text that is not code."""
    kinds, words = [], []
    for token in MarkdownIt("gfm-like", {"linkify": False}).parse(text):
        for inner in token.children or [token]:
            kinds.append(inner.type)
            if inner.type == "text":
                words.append(inner.content)
    return kinds, "\n".join(words)


@pytest.mark.parametrize("word", EVIL)
def test_a_word_of_the_data_can_be_nothing_but_a_word(word: str) -> None:
    drift = fired(word, word, word)
    drift["others"][0]["title"] = word
    drift["features"][1]["week"] = word
    found = one(drift, drifted=[word])
    window = msgspec.convert({"train": {"batches": [word], "rows": 1}, "test": {"batches": [word], "rows": 1}}, Window)
    params = {"cost": {"currency": word, word or "empty": word}}
    given = Given(Counter({word: 7, f"feedback:{word}": 5}), Counter())
    sizes = [Size(word, 1, 1, 1), Size("2026-W09", 9, 0, 9)]
    after = found.after._replace(params=params, metrics=METRICS | {word: 1.0}, given=given, sizes=sizes)
    found = found._replace(window=window, after=after)
    usual = one(fired("V1", "V2", "V3"), drifted=["2026-W10"])
    usual = usual._replace(after=usual.after._replace(sizes=[sizes[1], sizes[1]]))
    plain_kinds, _ = shown(body(usual))
    kinds, words = shown(body(found))
    assert set(kinds) <= set(plain_kinds)
    assert kinds.count("html_block") == plain_kinds.count("html_block")
    assert kinds.count("heading_open") == plain_kinds.count("heading_open")
    for trace in ("@", "evil", "<", "#", "://", "www"):
        assert trace not in words
    title = proposal.text(found, "main", None).title
    assert re.fullmatch(r"[\w …,:-]+", title)


WORDS = st.text(max_size=300) | st.sampled_from(EVIL)


@settings(max_examples=60)
@given(st.lists(WORDS, max_size=200, unique=True), WORDS, st.floats() | st.integers())
def test_no_data_makes_a_body_that_github_would_refuse(words: list[str], word: str, value: float) -> None:
    found = one(fired(*words), drifted=words, gate=GATE | {"table": "\n".join(words * 5), "sentence": word})
    side = found.after._replace(
        params=dict.fromkeys(words, words[:3]),
        metrics=dict.fromkeys(words, value) | {f"{word}_interval": words},
        given=Given(Counter(dict.fromkeys(words, 5)), Counter()),
        sizes=[Size(name, 10**index, 1, 1) for index, name in enumerate(words)],
    )
    text = proposal.text(found._replace(after=side), "main", "https://github.com/bank/fraud")
    assert len(text.body) < LIMIT
    assert 0 < len(text.title) <= 256
    assert "\n" not in text.title


@pytest.mark.parametrize("value", [1e300, 10**400, float("nan"), -0.123456789], ids=["big", "huge", "none", "small"])
def test_long_names_huge_numbers_and_many_of_both_are_cut(value: float) -> None:
    words = [f"{number} {'a word ' * 50}" for number in range(500)]
    found = one(fired(*words), drifted=words)
    side = found.after._replace(params=dict.fromkeys(words, words[:3]), metrics=dict.fromkeys(words, value))
    text = body(found._replace(after=side))
    assert len(text) < LIMIT / 2
    assert len(re.findall(r"^… and \d+ more\.$", text, flags=re.MULTILINE)) == 2  # Metrics and parameters.


@given(WORDS)
def test_code_is_one_span_and_a_title_holds_letters_only(word: str) -> None:
    (inline,) = [token for token in MarkdownIt("gfm-like", {"linkify": False}).parse(code(word)) if token.children]
    assert [child.type for child in inline.children or []] == ["code_inline"]
    assert re.fullmatch(r"[\w…-]*", plain(word))


def test_the_words_of_the_gate_stay_as_they_are_and_what_is_no_word_of_its_becomes_code() -> None:
    base = "Better: the candidate is better than the model of origin/main in recall, and worse in none."
    assert ours(base) == base
    assert ours(TABLE) == TABLE
    for evil in ("see https://evil.example", "thanks @ann", "<b>", "[x](y)", "evil.example/x", "#12", "# a"):
        assert ours(evil) == code(evil)


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loop:
    found = working_copy(tmp_path)
    monkeypatch.chdir(found.path)
    return found


def test_what_a_branch_proposes_is_read_from_git_alone(work: Loop) -> None:
    commit = work.branch("2026-W12")
    found = facts.read("retrain/2026-W12", commit)
    assert (found.before.pins["models/model.onnx"], found.model) == (OLD, NEW)
    assert "| `split.until` | `2026-W08` | `2026-W12` |" in body(found)
    assert re.search(r"^\| batches \| `\w+\.dir` \| `\w+\.dir` \| the same \|$", body(found), flags=re.MULTILINE)


def test_the_drift_that_fired_is_shown_though_the_window_has_moved_since(work: Loop) -> None:
    commit = work.branch("2026-W12", before={"drift": fired("V14"), "estimate": {"weeks": ESTIMATE["weeks"][:1]}})
    found = facts.read("retrain/2026-W12", commit)
    assert proposal.text(found, "main", None).title.endswith(": drift in V14")
    assert [week.week for week in found.estimates] == ["2026-W08"]


def test_a_report_that_cannot_be_read_is_one_line(work: Loop) -> None:
    commit = work.branch("2026-W12", gate={"verdict": "better"})
    with pytest.raises(
        Problem, match=rf"^reports/retrain.json of commit {commit[:9]} cannot be read \(.*sentence.*\); mend"
    ):
        facts.read("retrain/2026-W12", commit)


def test_a_commit_without_a_report_is_one_line(work: Loop) -> None:
    with pytest.raises(Problem, match=r"retrain\.json: commit .* has no such file; run `make retrain`"):
        facts.read("retrain/2026-W12", work.head())


def test_a_lock_without_a_model_is_one_line(work: Loop) -> None:
    (work.path / "dvc.lock").write_text('{"stages": {}}')
    work.commit_all()
    with pytest.raises(Problem, match=r"dvc\.lock of commit .* pins no models/model\.onnx"):
        facts.read("retrain/2026-W12", work.branch("2026-W12"))


def test_a_base_that_git_does_not_know_is_one_line(work: Loop) -> None:
    commit = work.branch("2026-W12", base="f" * 40)
    with pytest.raises(Problem, match=r"commit f{12} is not here; `git fetch origin`"):
        facts.read("retrain/2026-W12", commit)
