"""Drift page: it opens offline, shows each week's values beside the reference, and lets no data become markup."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import msgspec
import numpy as np
import pytest

from examples import ROOT
from fraud.errors import Problem
from fraud.loop.drift_page import drawn, drawn_features, main
from fraud.loop.pages import drift_bins as bins
from fraud.loop.pages.drift_reports import DriftReports, read
from fraud.loop.pages.svg import WIDTH
from fraud.outputs import write_csv, write_json
from fraud.profiles import Profile, counted, edges, profile
from fraud.schema import Column

NUMBER, SHOP = Column("feature", "number"), Column("feature", "category", categories=("web", "<b>", "fuel"))
PAST, NOW = ["2026-W01", "2026-W02"], ["2026-W03", "2026-W04"]
FILES = ["split.json", "drift.json", "estimate.json", "slices.json", "plots/drift.csv", "profiles.json"]
METRICS = ("average_precision", "precision", "recall", "alerts_per_1000", "saved_per_1000")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with reports: the amount moved in the last of two current weeks, and the shop did not."""
    part = {"batches": ["2026-W01"], "rows": 1234}
    write_json(tmp_path / "split.json", {"dataset": "mine", "train": part, "current": {"batches": NOW, "rows": 567}})
    write_json(tmp_path / "slices.json", {"currency": "euros"})
    write_json(tmp_path / "profiles.json", {week: profiles(week) for week in ["reference", *PAST, *NOW]})
    features = [check("amount", effect=0.5, week=NOW[1], importance=0.3), check("shop", effect=0.01, importance=0.2)]
    others = [check("all payments", kind="score", effect=0.05), check("amount", kind="missing")]
    sentences = ["drift in 2026-W03 to 2026-W04: 1 of 4 checks fired", "false alarms expected: 1 a year"]
    write_drift(tmp_path, drift=True, sentences=sentences, features=features, others=others, past_weeks=PAST)
    write_json(tmp_path / "estimate.json", {"weeks": [week(NOW[0]), week(NOW[1], truth=0.3)]})
    schema = "columns:\n  amount: {role: feature, type: number}\n  shop: {role: feature, type: category, categories: "
    (tmp_path / "mine.yaml").write_text(f"{schema}[web, <b>, fuel]}}\n  fraud: {{role: label, type: integer}}\n")
    return tmp_path


def profiles(week: str) -> dict[str, Any]:
    rng = np.random.default_rng(7)
    reference = rng.normal(0, 1, 400)
    moved = reference + 2 * (week == NOW[1])
    amount = counted(np.sort(moved), edges(np.sort(reference), 20), 100)
    shop = profile(rng.integers(0, 3, 300).astype(float), SHOP, 20)
    return {"amount": msgspec.to_builtins(amount), "shop": msgspec.to_builtins(shop)}


def check(name: str, kind: str = "values", effect: float = 0.02, **more: Any) -> dict[str, Any]:
    title = name if kind == "values" else f"{kind}: {name}"
    known = {"week": NOW[0], "threshold": 0.1, "chance": 0.3, "importance": None, "fired": effect > 0.1}
    return {"kind": kind, "name": name, "title": title, "effect": effect} | known | more


def week(name: str, truth: float | None = 0.7) -> dict[str, Any]:
    return {
        "week": name,
        "part": "current",
        "rows": 500,
        "labelled": 0 if truth is None else 400,
        "frauds": 0 if truth is None else 5,
        "expected_frauds": 6.5,
        "estimated": {metric: [0.7, 0.6, 0.8] for metric in METRICS},
        "realised": dict.fromkeys(METRICS, truth),
    }


def write_drift(folder: Path, **report: Any) -> None:
    write_json(folder / "drift.json", report)
    checks = [*report["features"], *report["others"]]
    rows = [(one["week"], one["title"], one["effect"] / one["threshold"]) for one in checks]
    rows += [(week, one["title"], 0.1) for one in checks for week in NOW if week != one["week"]]
    names = ("week", "check", "effect_over_threshold")
    write_csv(folder / "plots" / "drift.csv", [dict(zip(names, row, strict=True)) for row in rows or [("", "", 0)]])


def change_drift(folder: Path, **values: Any) -> None:
    write_drift(folder, **json.loads((folder / "drift.json").read_text()) | values)


def change(path: Path, **values: Any) -> None:
    write_json(path, json.loads(path.read_text()) | values)


def reports(folder: Path) -> DriftReports:
    return read(folder, folder / "profiles.json", folder)


def content(folder: Path) -> str:
    return drawn(reports(folder))


def drawings(folder: Path) -> list[ET.Element]:
    found = re.findall(r"<figure>.*?</figure>", content(folder), re.DOTALL)
    return [ET.fromstring(one) for one in found]  # noqa: S314 - our own page


def named(folder: Path, start: str) -> ET.Element:
    return next(one for one in drawings(folder) if (one.findtext("h2") or "").startswith(start))


def kinds(drawing: ET.Element) -> list[str]:
    return [node.get("class", "").split()[0] for tag in ("path", "rect") for node in drawing.iter(tag)]


def no_current_week(folder: Path) -> None:
    change(folder / "split.json", current={"batches": [], "rows": 0})
    change_drift(folder, drift=False, sentences=["there is nothing to compare"], features=[], others=[])


def no_label(folder: Path) -> None:
    write_json(folder / "estimate.json", {"weeks": [week(NOW[0]), week(NOW[1], truth=None)]})


def no_value(folder: Path) -> None:
    gone = {"edges": [], "counts": [0], "missing": 9}
    found = json.loads((folder / "profiles.json").read_text())
    write_json(folder / "profiles.json", {name: one | {"amount": gone} for name, one in found.items()})


def many_weeks_and_checks_with_long_names(folder: Path) -> None:
    weeks = [f"payments-of-2026-W{place:02}" for place in range(30)]
    change(folder / "split.json", current={"batches": weeks, "rows": 30})
    write_json(folder / "profiles.json", {name: profiles(name) for name in ["reference", *PAST, *weeks]})
    others = [check("x" * 80 + str(place), kind="missing", effect=0.9, week=weeks[-1]) for place in range(20)]
    change_drift(folder, features=[check("amount", week=weeks[-1])], others=others)
    write_json(folder / "estimate.json", {"weeks": [week(name) for name in weeks]})


def unchanged(folder: Path) -> None:
    assert folder.exists()


CASES = [unchanged, no_current_week, no_label, no_value, many_weeks_and_checks_with_long_names]


@pytest.mark.parametrize("case", CASES)
def test_page_loads_nothing_from_elsewhere_and_leaves_no_word_of_python(
    folder: Path, case: Callable[[Path], None]
) -> None:
    case(folder)
    page = content(folder)
    assert not re.findall(r"://|\bsrc=|\bhref=|url\(|@import|<script|<link|<img|<iframe", page)
    assert "default-src 'none'; style-src 'unsafe-inline'" in page
    assert not re.findall(r"None|null|\bnan\b|\binf\b", page)


@pytest.mark.parametrize("case", CASES)
def test_words_and_dots_lie_within_their_drawing(folder: Path, case: Callable[[Path], None]) -> None:
    case(folder)
    for one in drawings(folder):
        picture = one.find("svg")
        assert picture is not None
        height = float(picture.get("viewBox", "").split()[3])
        places = [(float(node.get("x", 0)), float(node.get("y", 0))) for node in one.iter("text")]
        places += [(float(node.get("cx", 0)), float(node.get("cy", 0))) for node in one.iter("circle")]
        assert places
        assert all(0 <= x <= WIDTH and 0 <= y <= height for x, y in places)


def test_page_reads_what_the_graph_wrote(folder: Path) -> None:
    shutil.copytree(ROOT / "reports", folder / "graph")
    report = json.loads((folder / "graph/drift.json").read_text())
    current = json.loads((folder / "graph/split.json").read_text())["current"]["batches"]
    some = {one["name"]: profiles("reference")["amount"] for one in report["features"]}
    write_json(folder / "profiles.json", dict.fromkeys(["reference", *report["past_weeks"], *current], some))
    page = drawn(read(folder / "graph", folder / "profiles.json", ROOT / "data/schemas"))
    assert all(one["title"] in page for one in [*report["features"][:8], *report["others"]])


def test_verdict_comes_first_and_then_what_the_rule_promises(folder: Path) -> None:
    verdict = '<p class="verdict alarm">Drift in 2026-W03 to 2026-W04: 1 of 4 checks fired.</p>'
    assert f'{verdict}\n<p class="promise">False alarms expected: 1 a year.</p>' in content(folder)
    change_drift(folder, drift=False)
    assert '<p class="verdict calm">' in content(folder)


def test_weeks_of_a_feature_lie_over_each_other_and_only_the_fired_one_is_in_the_colour_of_alarm(folder: Path) -> None:
    drawn_kinds = [kind for kind in kinds(named(folder, "amount")) if kind not in ("grid", "limit")]
    assert drawn_kinds == ["reference", "past", "past", "now", "fired"]
    assert "fired" not in kinds(named(folder, "shop"))


def test_every_week_beyond_the_threshold_is_in_the_colour_of_alarm(folder: Path) -> None:
    with (folder / "plots/drift.csv").open("a") as file:
        file.write("2026-W03,amount,1.5\n2026-W03,shop,0.9\n")
    assert kinds(named(folder, "amount")).count("fired") == 2
    assert kinds(named(folder, "shop")).count("fired") == 0


def test_caption_says_where_a_feature_moved_and_how_much_is_missing(folder: Path) -> None:
    caption = named(folder, "amount: beyond its threshold").findtext("figcaption") or ""
    assert caption.startswith("2026-W04: effect 0.500, beyond the threshold 0.100. Chance in an ordinary week: 30.0")
    assert re.search(r"Farthest apart: above [\d.]+, \d\d\.\d\s% before and \d\d\.\d\s% then", caption)
    assert "Missing: 20.0\N{NO-BREAK SPACE}% before, 20.0\N{NO-BREAK SPACE}% now." in caption


def test_areas_are_shares_of_rows_and_the_open_bins_belong_to_the_outermost() -> None:
    reference = Profile(list(np.linspace(-1.5, 1.5, 11)), [1, *[9] * 10, 0], 0)
    scale = bins.scale(reference)
    moved = Profile(reference.edges, [5, *[0] * 10, 95], 0)
    areas = np.diff(scale.ends) * bins.densities(moved, scale.ends)
    assert areas.tolist() == pytest.approx([0.05, *[0] * 8, 0.95])


def test_long_tails_do_not_hide_the_rest() -> None:
    values = np.append(np.linspace(-1.05, 1.05, 400), [-1000.5, 5000.5])
    found = profile(values, NUMBER, 20)
    limits, ends = found.edges, bins.scale(found).ends
    assert -1.6 < ends[0] < limits[1] < limits[-2] < ends[-1] < 1.6


def test_amounts_of_many_sizes_get_a_logarithmic_axis() -> None:
    values = np.exp(np.linspace(-0.2, 9, 2000))
    widths = np.diff(bins.scale(profile(values, NUMBER, 20)).ends)
    assert widths[1:-1].tolist() == pytest.approx([0.2] * 18, rel=0.02)


def test_whole_numbers_lie_in_the_middle_of_their_bins() -> None:
    hours = np.repeat(np.arange(12.0), 5)
    scale = bins.scale(profile(hours, NUMBER, 20))
    assert scale.ends == [place - 0.5 for place in range(13)]
    assert [words for _, words in scale.ticks] == ["1", "6", "10"]


def test_share_that_runs_out_of_the_picture_is_written_there(folder: Path) -> None:
    found = json.loads((folder / "profiles.json").read_text())
    amount = found[NOW[1]]["amount"]
    amount["counts"] = [0] * 10 + [400] + [0] * (len(amount["counts"]) - 11)
    write_json(folder / "profiles.json", found)
    words = [node.text for node in named(folder, "amount").iter("text")]
    assert "\N{UPWARDS ARROW} 100\N{NO-BREAK SPACE}%" in words


def test_categories_are_bars_with_their_names_or_numbered_where_the_schema_is_not_there(folder: Path) -> None:
    assert [node.text for node in named(folder, "shop").iter("text")] == ["web", "<b>", "fuel"]
    (folder / "mine.yaml").unlink()
    words = [node.text for node in named(folder, "shop").iter("text")]
    assert words == ["category 1", "category 2", "category 3"]


def test_of_many_categories_those_that_differ_most_are_drawn(folder: Path) -> None:
    calm, moved = [10] * 40, [10] * 38 + [0, 50]
    weeks = {name: {"edges": [], "counts": moved if name == NOW[1] else calm, "missing": 0} for name in PAST + NOW}
    weeks["reference"] = {"edges": [], "counts": calm, "missing": 0}
    write_json(folder / "profiles.json", {name: {"shop": one} for name, one in weeks.items()})
    change_drift(folder, features=[check("shop")])
    words = [node.text for node in named(folder, "shop").iter("text")]
    assert len(words) == 10
    assert words[-2:] == ["category 39", "category 40"]


def test_few_numbers_are_bars_with_their_values() -> None:
    days, money = Profile([0, 1, 2], [5, 5, 5, 0], 0), Profile([0.5, 2.25], [5, 5, 0], 0)
    assert bins.names(days, ()) == ["0", "1", "2", "above 2"]
    assert bins.names(money, ()) == ["up to 0.500", "to 2.25", "above 2.25"]


def test_fired_features_are_always_drawn_and_of_the_others_the_first(folder: Path) -> None:
    calm = [check(f"calm_{place}") for place in range(10)]
    fired = [check(f"fired_{place}", effect=0.5) for place in range(3)]
    some = dict.fromkeys([one["name"] for one in [*calm, *fired]], profiles("reference")["amount"])
    write_json(folder / "profiles.json", dict.fromkeys(["reference", *PAST, *NOW], some))
    change_drift(folder, features=[*calm, *fired])
    names = [one.name for one in drawn_features(reports(folder))]
    assert names == [*(f"calm_{place}" for place in range(5)), *(f"fired_{place}" for place in range(3))]
    change_drift(folder, features=[*calm, *(one | {"fired": True} for one in calm + fired)][10:])
    assert len(drawn_features(reports(folder))) == 13


def test_other_checks_stand_in_a_table_with_what_they_are(folder: Path) -> None:
    row = re.search(r"<tr><th scope=row>missing: amount<small>(.*?)</small></th>(.*?)</tr>", content(folder))
    assert row
    assert row[1] == "The share of payments without a value of amount."
    assert row[2] == "<td>0.0200</td><td>0.100</td><td>30.0\N{NO-BREAK SPACE}%</td><td>2026-W03</td>"


def test_chance_too_small_to_tell_is_not_written_with_hundreds_of_digits(folder: Path) -> None:
    change_drift(folder, others=[check("all payments", kind="score", effect=0.5, chance=1e-300)])
    assert "<td>under 0.01\N{NO-BREAK SPACE}%</td>" in content(folder)


def test_week_says_whether_what_came_true_lies_within_the_band(folder: Path) -> None:
    page, band = content(folder), "<td>0.700<small>0.600 to\N{NO-BREAK SPACE}0.800</small></td>"
    newest, before = re.findall(r"<tr><th scope=row>Average precision.*?</tr>", page)
    assert f'{band}<td>0.300</td><td class="outside">below</td>' in newest
    assert f"{band}<td>0.700</td><td>within</td>" in before


def test_week_without_labels_has_a_band_and_no_value_that_came_true(folder: Path) -> None:
    no_label(folder)
    newest, _ = re.findall(r"<tr><th scope=row>Average precision.*?</tr>", content(folder))
    assert "<td>\N{EN DASH}</td><td>no label yet</td>" in newest
    picture = named(folder, "What the scores promise")
    assert len(list(picture.iter("circle"))) == 1
    assert len(list(picture.iter("rect"))) == 2


def test_without_a_current_week_the_page_says_so_and_shows_the_estimates(folder: Path) -> None:
    no_current_week(folder)
    assert "There is nothing to compare." in content(folder)
    assert "Current weeks: none yet." in content(folder)
    assert [one.findtext("h2") for one in drawings(folder)] == ["What the scores promise, and what came true"]


def test_effects_over_the_weeks_have_a_line_at_the_threshold_and_fired_points_stand_out(folder: Path) -> None:
    picture = named(folder, "How far each check went")
    assert kinds(picture).count("limit") == 1
    assert [node.get("class") for node in picture.iter("circle")].count("alarming") == 1
    assert "amount" in [node.text for node in picture.iter("text")]


def test_names_of_lines_keep_clear_of_each_other(folder: Path) -> None:
    change_drift(folder, others=[check(f"gap_{place}", kind="missing", effect=0.5) for place in range(3)])
    names = [node for node in named(folder, "How far each check went").iter("text") if node.get("class") == "strong"]
    heights = sorted(float(node.get("y", 0)) for node in names)
    assert len(names) == 4
    assert min(np.diff(heights)) >= 16


def test_of_many_weeks_the_newest_are_drawn_and_few_are_named(folder: Path) -> None:
    many_weeks_and_checks_with_long_names(folder)
    with (folder / "plots/drift.csv").open("a") as file:
        file.write("payments-of-2026-W00,amount,0.5\n")
    assert len(list(named(folder, "How far each check went").iter("circle"))) == 21
    picture = named(folder, "What the scores promise")
    words = [node.text for node in picture.iter("text") if "pay" in (node.text or "")]
    assert len(list(picture.iter("circle"))) == 20
    assert len(words) == 4


def test_what_comes_from_data_does_not_become_markup(folder: Path) -> None:
    bad = "<b onload='x'>\"&"
    found = json.loads((folder / "profiles.json").read_text())
    found = {name: one | {bad: one["shop"]} for name, one in found.items()}
    write_json(folder / "profiles.json", found | {bad: found[NOW[0]]})
    checks = {
        "features": [check(bad, effect=0.5, week=bad), check("amount")],
        "others": [check(bad, kind="missing"), check(bad, kind="score")],
    }
    change_drift(folder, sentences=[bad, bad], **checks)
    change(folder / "slices.json", currency=bad)
    change(folder / "split.json", dataset=bad, current={"batches": [*NOW, bad], "rows": 1})
    write_json(folder / "estimate.json", {"weeks": [week(NOW[0]) | {"part": bad, "week": bad}]})
    page = content(folder)
    assert "<b" not in page.replace("<body>", "")
    assert page.count("&lt;b onload=&#x27;x&#x27;&gt;&quot;&amp;") > 12


@pytest.mark.parametrize("name", FILES)
def test_missing_report_is_named_with_the_remedy(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(Problem, match=rf"{re.escape(name)} is missing; run `make repro`"):
        main(str(folder), str(folder / "profiles.json"), str(folder))
    assert not (folder / "drift.html").exists()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("text", ["", "<<<<<<< HEAD\n{}\n", "{}", "[]"])
def test_report_with_other_content_is_named_with_the_remedy(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    with pytest.raises(Problem, match=rf"{re.escape(name)} is not what the graph writes .*; run `make repro`"):
        main(str(folder), str(folder / "profiles.json"), str(folder))


def without_a_week(found: dict[str, Any]) -> None:
    del found[NOW[0]]


def without_a_bin(found: dict[str, Any]) -> None:
    found[NOW[0]]["amount"]["counts"].pop()


def with_other_edges(found: dict[str, Any]) -> None:
    found[PAST[0]]["amount"]["edges"][0] -= 1


def without_a_bin_anywhere(found: dict[str, Any]) -> None:
    for one in found.values():
        one["amount"]["counts"].pop()


@pytest.mark.parametrize("spoil", [without_a_week, without_a_bin, with_other_edges, without_a_bin_anywhere])
def test_profiles_of_another_run_are_refused(folder: Path, spoil: Callable[[dict[str, Any]], None]) -> None:
    found = json.loads((folder / "profiles.json").read_text())
    spoil(found)
    write_json(folder / "profiles.json", found)
    with pytest.raises(Problem, match=r"profiles\.json is not what the graph writes .*; run `make repro`"):
        reports(folder)


def test_same_reports_give_the_same_bytes_and_one_line_says_where(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(str(folder), str(folder / "profiles.json"), str(folder))
    first = (folder / "drift.html").read_bytes()
    assert capsys.readouterr().out == f"{folder / 'drift.html'}\n"
    main(str(folder), str(folder / "profiles.json"), str(folder))
    assert (folder / "drift.html").read_bytes() == first


def test_each_drawing_has_a_name_for_screen_readers(folder: Path) -> None:
    found = [one.find("svg") for one in drawings(folder)]
    names = [one.get("aria-label") for one in found if one is not None and one.get("role") == "img"]
    assert len(set(names)) == 5
