"""Plots: one page that opens offline, says what the reports say, and lets no data become markup."""

import json
import re
from html import escape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from examples import COST
from fraud.curves import curves
from fraud.days import Days
from fraud.errors import Problem
from fraud.loop.pages.page import number
from fraud.loop.pages.reports import read
from fraud.loop.pages.svg import HEIGHT, WIDTH, even_ticks
from fraud.loop.plots import WORDS, drawn, main
from fraud.metrics import report, scored
from fraud.outputs import write_csv, write_json
from fraud.slices import Cut, slices

FILES = [
    *(f"{name}.json" for name in ("metrics", "drift", "slices", "split")),
    *(
        f"plots/{name}.csv"
        for name in ("precision_recall", "roc", "reliability", "reliability_before", "cost", "confusion")
    ),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_test_reports(tmp_path)
    part = {"batches": ["2026-W01", "2026-W02"], "rows": 1234, "frauds": 56}
    write_json(
        tmp_path / "split.json", {"dataset": "creditcard", "train": part, "test": part | {"batches": ["2026-W03"]}}
    )
    sentences = ["drift in 2026-W04: 1 of 3 checks fired", "false alarms expected of ordinary weeks: 1 a year"]
    features, others = [check("amount", effect=0.3), check("speed", effect=0.01)], [check("score: all payments")]
    write_json(tmp_path / "drift.json", {"drift": True, "sentences": sentences, "features": features, "others": others})
    return tmp_path


def check(title: str, effect: float = 0.02, threshold: float = 0.1) -> dict[str, Any]:
    return {"title": title, "effect": effect, "threshold": threshold, "fired": effect > threshold}


def write_test_reports(folder: Path, fraud_share: float = 0.3, threshold: float = 0.3) -> None:
    rng = np.random.default_rng(7)
    fraud = (np.arange(100) < 100 * fraud_share).astype(np.int64)
    probability = np.clip(np.round(rng.beta(1, 12, 100) + 0.6 * fraud * rng.random(100), 2), 0, 0.99)
    rows = scored(probability, fraud, fraud * rng.lognormal(4, 1, 100), threshold, COST)
    rows = rows._replace(raw=rows.probability**2, days=Days(np.arange(100) // 50, 1))
    found = slices(rows, [Cut("shop", ["web", "<b>"], np.arange(100) % 2)], samples=20, seed=7)
    write_json(folder / "slices.json", found)
    for name, points in curves(rows).items():
        write_csv(folder / "plots" / f"{name}.csv", points)
    write_json(folder / "metrics.json", report(rows, samples=20, seed=7))


def change(path: Path, **values: Any) -> None:
    write_json(path, json.loads(path.read_text()) | values)


def drawings(folder: Path) -> list[ET.Element]:
    found = re.findall(r"<figure>.*?</figure>", drawn(read(folder)), re.DOTALL)
    return [ET.fromstring(one) for one in found]  # noqa: S314 - our own page


def test_page_loads_nothing_from_elsewhere_and_runs_nothing(folder: Path) -> None:
    content = drawn(read(folder))
    assert not re.findall(r"://|\bsrc=|\bhref=|url\(|@import|<script|<link|<img|<iframe", content)
    assert "default-src 'none'; style-src 'unsafe-inline'" in content


def test_page_names_the_batches_with_their_rows_and_frauds(folder: Path) -> None:
    content = drawn(read(folder))
    assert "Trained on 2026-W01 to 2026-W02 (1,234 payments, 56 of them fraud); tested on 2026-W03 (1,234" in content


def test_page_says_the_verdict_of_drift(folder: Path) -> None:
    assert '<p class="verdict alarm">Drift in 2026-W04: 1 of 3 checks fired.</p>' in drawn(read(folder))
    change(folder / "drift.json", drift=False)
    assert '<p class="verdict calm">' in drawn(read(folder))


def test_each_metric_appears_in_words_with_its_value_and_interval(folder: Path) -> None:
    metrics, content = json.loads((folder / "metrics.json").read_text()), drawn(read(folder))
    measured = {name.removesuffix("_interval") for name in metrics if name.endswith("_interval")}
    assert measured == set(WORDS)
    for name, (title, _, unit) in WORDS.items():
        row = re.search(rf"<th scope=row>{title}<small>.*?</tr>", content)
        low, high = (number(bound, unit) for bound in metrics[f"{name}_interval"])
        assert row
        assert f"<td>{number(metrics[name], unit)}</td><td>{low} to\N{NO-BREAK SPACE}{high}</td>" in row[0]


def test_metric_without_words_appears_under_its_own_name(folder: Path) -> None:
    change(folder / "metrics.json", f_score=0.5, f_score_interval=[0.25, 0.75])
    assert "f_score<small></small></th><td>0.500</td><td>0.250 to\N{NO-BREAK SPACE}0.750</td>" in drawn(read(folder))


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (None, "%", "not defined"),
        (0.0, "", "0"),
        (-0.0, "", "0"),
        (0.000012, "", "0.0000120"),
        (0.88, "%", "88.0\N{NO-BREAK SPACE}%"),
        (-1315.878, "", "\N{MINUS SIGN}1,316"),
    ],
)
def test_numbers_have_three_digits_and_no_exponent(value: float | None, unit: str, words: str) -> None:
    assert number(value, unit) == words


def test_metrics_that_no_fraud_defines_are_said_to_be_not_defined(folder: Path) -> None:
    write_test_reports(folder, fraud_share=0)
    content = drawn(read(folder))
    assert "<td>not defined</td><td>not defined</td>" in content
    assert not re.findall(r"None|null|\bnan\b|\binf\b", content)


def test_page_is_drawn_where_no_payment_gets_an_alert_and_no_batch_is_current(folder: Path) -> None:
    write_test_reports(folder, threshold=0.995)
    change(folder / "drift.json", drift=False, features=[], others=[])
    content = drawn(read(folder))
    assert "precision not defined, recall 0" in content
    assert "no rows to compare" in content


def test_what_comes_from_data_does_not_become_markup(folder: Path) -> None:
    bad = "<b onload='x'>\"&"
    change(folder / "drift.json", sentences=[bad], features=[check(bad)])
    change(folder / "split.json", test={"batches": [bad], "rows": 1, "frauds": 0})
    change(folder / "metrics.json", **{bad: 1.0, f"{bad}_interval": [1.0, 1.0]})
    content = drawn(read(folder))
    assert "<b" not in content.replace("<body>", "")
    assert content.count("&lt;b onload=&#x27;x&#x27;&gt;&quot;&amp;") == 6  # title, test, verdict, metric, bar twice


@pytest.mark.parametrize("name", FILES)
def test_missing_report_is_named_with_the_remedy(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(Problem, match=rf"{re.escape(name)} is missing; run `make repro`"):
        main(str(folder))
    assert not (folder / "plots.html").exists()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", ["", "<<<<<<< HEAD\n{}\n", "{}"])
def test_report_with_other_content_is_named_with_the_remedy(folder: Path, name: str, content: str) -> None:
    (folder / name).write_text(content)
    with pytest.raises(Problem, match=rf"{re.escape(name)} is not what the graph writes .*; run `make repro`"):
        main(str(folder))


def test_same_reports_give_the_same_bytes_and_one_line_says_where(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(str(folder))
    first = (folder / "plots.html").read_bytes()
    assert capsys.readouterr().out == f"{folder / 'plots.html'}\n"
    main(str(folder))
    assert (folder / "plots.html").read_bytes() == first


def test_each_drawing_has_a_name_for_screen_readers(folder: Path) -> None:
    found = [one.find("svg") for one in drawings(folder)]
    names = [one.get("aria-label") for one in found if one is not None and one.get("role") == "img"]
    assert len(set(names)) == 6
    assert names == [one.findtext("title") for one in found if one is not None]


def test_words_and_dots_lie_within_their_drawing(folder: Path) -> None:
    for one in drawings(folder):
        places = [(float(node.get("x", 0)), float(node.get("y", 0))) for node in one.iter("text")]
        places += [(float(node.get("cx", 0)), float(node.get("cy", 0))) for node in one.iter("circle")]
        assert places
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in places)


def test_matrix_shows_each_count_and_its_share_of_the_row(folder: Path) -> None:
    lines = ["legitimate,legitimate"] * 3 + ["legitimate,fraud"] + ["fraud,fraud"] * 2
    (folder / "plots/confusion.csv").write_text("\n".join(["actual,predicted", *lines]))
    words = [node.text for node in drawings(folder)[3].iter("text")]
    shares = ["75.0\N{NO-BREAK SPACE}%", "25.0\N{NO-BREAK SPACE}%", "0\N{NO-BREAK SPACE}%", "100\N{NO-BREAK SPACE}%"]
    cells = [word for pair in zip("3102", (f"{share} of the row" for share in shares), strict=True) for word in pair]
    assert words[:8] == cells


def test_reliability_shows_the_scores_before_calibration_beside_the_probabilities(folder: Path) -> None:
    shown = [node.get("class") for node in drawings(folder)[2].iter("circle")]
    for kind, name in (("bin", "reliability"), ("before", "reliability_before")):
        points = (folder / f"plots/{name}.csv").read_text().splitlines()[1:]
        assert shown.count(kind) == len(points) + 1  # One stands beside the word for its kind.


def test_page_names_the_worst_slice_and_shows_each_with_its_interval(folder: Path) -> None:
    report, content = json.loads((folder / "slices.json").read_text()), drawn(read(folder))
    assert f"<p>T{escape(report['sentence'][1:])}.</p>" in content
    row = re.search(r"<tr><th scope=row>shop web</th>.*?</tr>", content)
    assert row
    assert row[0].count("<small>") == 4
    assert "shop &lt;b&gt;" in content
    assert "<small>euros per 1,000 payments, against no model</small>" in content


def test_slice_with_few_frauds_says_so_in_place_of_its_metrics(folder: Path) -> None:
    write_test_reports(folder, fraud_share=0.02)
    assert "<td>1</td><td colspan=4>fewer than 10 frauds, which say too little</td>" in drawn(read(folder))


def test_cost_without_a_model_is_what_all_frauds_lose(folder: Path) -> None:
    points = [{"threshold": 0.1, "cost_per_1000": 5000.0}, {"threshold": 0.5, "cost_per_1000": 300.0}]
    write_csv(folder / "plots/cost.csv", [*points, {"threshold": 0.9, "cost_per_1000": 700.0}])
    change(folder / "metrics.json", threshold=0.3, saved_per_1000=600.0)
    words = [node.text for node in drawings(folder)[4].iter("text")]
    assert {"no model: 900", "threshold 0.300"} <= set(words)


@pytest.mark.parametrize("saved", [-590.0, -600.0])
def test_threshold_stays_in_sight_where_it_costs_more_than_no_model(folder: Path, saved: float) -> None:
    points = [{"threshold": place / 10, "cost_per_1000": 1000.0 - 100 * place} for place in range(5)]
    write_csv(folder / "plots/cost.csv", points)
    change(folder / "metrics.json", threshold=0.4, saved_per_1000=saved)
    dots = [float(node.get("cy", 0)) for node in drawings(folder)[4].iter("circle")]
    assert len(dots) == 1
    assert 34 <= dots[0] <= 280


def test_bars_are_the_checks_nearest_to_their_threshold_and_the_fired_stand_out(folder: Path) -> None:
    far = [check(f"far_{place:02}", effect=0.5, threshold=1) for place in range(20)]
    moved = [check("a", effect=0.3), check("b", effect=0.2)]
    change(folder / "drift.json", features=[*far, moved[1]], others=[moved[0], check("near", effect=0.09)])
    drawing = drawings(folder)[5]
    names = [node.findtext("title") for node in drawing.iter("g")]
    assert names == ["a", "b", "near", *(f"far_{place:02}" for place in range(9))]
    assert [node.get("class") for node in drawing.iter("rect")].count("alarming") == 2


def test_limit_of_all_bars_is_where_effect_and_threshold_are_equal(folder: Path) -> None:
    change(folder / "drift.json", features=[check("a", 0.3, 0.1), check("b", 0.4, 0.4)], others=[])
    drawing = drawings(folder)[5]
    lengths = [float(node.get("width", 0)) for node in drawing.iter("rect") if node.get("class") != "track"]
    limits = {node.get("d", "").split()[0] for node in drawing.iter("path")}
    assert lengths[1] == pytest.approx(lengths[0] / 3, abs=0.1)
    assert limits == {f"M{8 + lengths[1]:.1f}"}


@pytest.mark.parametrize("high", [0.003, 0.9, 1, 7, 10, 49.9, 1749, 123456])
def test_ticks_are_few_round_numbers_that_reach_the_highest_value(high: float) -> None:
    ticks = even_ticks(high)
    assert ticks[0] == 0
    assert ticks[-2] < high <= ticks[-1]
    assert 3 <= len(ticks) <= 6
    assert f"{ticks[1]:.2e}"[:4] in {"1.00", "2.00", "2.50", "5.00"}
