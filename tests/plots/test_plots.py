"""The plots: what they show, that nothing is cut off, and how they looked when somebody looked."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from PIL import Image

import kneebayes as kb
from kneebayes.errors import UnknownColumnError, UnknownNameError
from kneebayes.evaluation.evaluate import Evaluation
from kneebayes.plots.case import (
    number_label,
    plot_curves,
    plot_explanation,
    plot_posterior,
    plot_questions,
    plot_tornado,
)
from kneebayes.plots.cohort import plot_alarm_levels, plot_cases
from kneebayes.plots.network import dependences, link_strengths, link_width, plot_network
from kneebayes.plots.style import LEVEL_COLOURS, figure_of
from kneebayes.spec.model_spec import LEVELS, ModelSpec
from kneebayes.templates import percent

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import FancyArrowPatch, Rectangle

ROOT = Path(__file__).parents[2]
BASELINES = Path(__file__).parent / "baselines"
SMALL = (120, 90)  # baselines are small, so that fonts and anti-aliasing of other versions do not matter
TOLERANCE = 12.0  # of 255, root mean square; a bar that is gone makes more than 20
MODEL = kb.load_model()
ANKLE = kb.load_model(ROOT / "examples" / "ankle.yaml")
CASE = {
    **{"age": 67, "sex": "male", "long_travel": True, "unilateral_leg_swelling": True, "calf_pain": True},
    **{"skin_redness": False, "knee_locking": False, "known_knee_arthritis": True},
}
DX = MODEL.diagnose(CASE)


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    plt.close("all")


def bars(ax: Axes) -> list[Rectangle]:
    return [patch for patch in ax.patches if isinstance(patch, Rectangle)]


def arrows_of(ax: Axes) -> list[FancyArrowPatch]:
    return [patch for patch in ax.patches if isinstance(patch, FancyArrowPatch)]


def texts(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


def ticks(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.get_yticklabels()]


@cache
def scored(n: int = 60, *, model: kb.Model = MODEL, seed: int = 4) -> pd.DataFrame:
    return model.score(model.simulate(n, seed=seed))


@cache
def ankle_case() -> kb.Diagnosis:
    frame = pd.read_csv(ROOT / "examples" / "ankle_cases.csv", dtype=str)
    known = {name for name in (*ANKLE.file.variables, *ANKLE.file.inputs)}
    row = frame.iloc[0]
    return ANKLE.diagnose({name: row[name] for name in frame.columns if name in known and isinstance(row[name], str)})


@cache
def evaluated(model: kb.Model) -> Evaluation:
    return kb.evaluate(model, model.simulate(400, seed=3, with_causes=True), bootstrap=10)


PLOTS: dict[str, Callable[[kb.Diagnosis, kb.Model, Axes | None], Axes]] = {
    "posterior": lambda dx, model, ax: plot_posterior(dx, intervals=dx.intervals(draws=50), ax=ax),
    "explanation": lambda dx, model, ax: plot_explanation(dx.explanation(), ax=ax),
    "questions": lambda dx, model, ax: plot_questions(dx.next_questions(), ax=ax),
    "network": lambda dx, model, ax: dx.plot.network(ax=ax),
    "network_of_a_cause": lambda dx, model, ax: plot_network(model.file, focus=model.causes[-1], ax=ax),
    "network_of_a_case": lambda dx, model, ax: dx.plot.network(known_only=True, ax=ax),
    "tornado": lambda dx, model, ax: dx.plot.tornado(n=8, ax=ax),
    "curves": lambda dx, model, ax: dx.plot.curves(ax=ax),
    "three_curves": lambda dx, model, ax: dx.plot.curves(list(dx.sensitivity().index[:3]), ax=ax),
    "cases": lambda dx, model, ax: plot_cases(scored(20, model=model, seed=1), model=model.file, ax=ax),
    "many_cases": lambda dx, model, ax: plot_cases(scored(200, model=model, seed=1), model=model.file, ax=ax),
    "alarm_levels": lambda dx, model, ax: plot_alarm_levels(
        scored(200, model=model, seed=1), np.arange(200) % 3, model=model.file, ax=ax
    ),
    "calibration": lambda dx, model, ax: evaluated(model).plot.calibration(ax=ax),
    "roc": lambda dx, model, ax: evaluated(model).plot.roc(ax=ax),
    "decision_curve": lambda dx, model, ax: evaluated(model).plot.decision_curve(ax=ax),
}


ONE_OF_A_KIND = ("posterior", "explanation", "network_of_a_case", "tornado", "alarm_levels", "roc")
KINDS = [pytest.param(name, marks=[] if name in ONE_OF_A_KIND else [pytest.mark.slow]) for name in PLOTS]


@dataclass(frozen=True)
class Drawn:
    """A plot as drawn by default: its axes, and what that did to pyplot."""

    ax: Axes
    restyled: bool
    figures: int


@cache
def drawn(name: str) -> Drawn:
    before, figures = dict(mpl.rcParams), len(plt.get_fignums())
    ax = PLOTS[name](DX, MODEL, None)
    return Drawn(ax, dict(mpl.rcParams) != before, len(plt.get_fignums()) - figures)


# What they show


def test_bars_of_the_posterior_are_its_probabilities_the_likeliest_on_top() -> None:
    ax = plot_posterior(DX)
    widths = [bar.get_width() for bar in bars(ax)]
    assert widths == sorted(DX.probabilities.values())
    assert ticks(ax)[-1] == DX.label(DX.most_likely)
    hatched = [bar.get_width() for bar in bars(ax) if bar.get_hatch()]
    assert hatched == [DX.probabilities["dvt"]]
    assert DX.alarm.level in ax.get_title(loc="left")


@pytest.mark.slow
def test_a_dollar_in_a_label_is_no_formula() -> None:
    """Of any text that a plot writes, also into axes that somebody made before."""
    content = MODEL.file.model_dump()
    for part in ("causes", "findings", "risks"):
        for name, variable in content[part].items():
            variable["label"] = variable["question"] = rf"{name} $\frac{{1}}$ costs $5"
    dear = kb.Model(ModelSpec.model_validate(content))
    dx = dear.diagnose(CASE)
    scores = dear.score(pd.DataFrame([CASE] * 3))
    drawings: list[Callable[[Axes | None], Axes]] = [
        lambda ax: plot_posterior(dx, ax=ax),
        lambda ax: plot_explanation(dx.explanation("dvt"), ax=ax),
        lambda ax: plot_questions(dx.next_questions(n=3), ax=ax),
        lambda ax: plot_network(dear.file, ax=ax),
        lambda ax: plot_cases(scores, model=dear.file, ax=ax),
    ]
    for draw in drawings:
        for given in (None, plt.subplots()[1]):
            ax = draw(given)
            ax.get_figure(root=True).savefig(io.BytesIO())  # type: ignore[union-attr]
            assert "$5" in "".join(text.get_text() for text in ax.findobj(mpl.text.Text))


def test_the_prior_is_a_tick_of_its_own_on_every_bar() -> None:
    before = DX.network.priors()
    assert before["dvt"] == pytest.approx(MODEL.diagnose({}).probabilities["dvt"])
    upright = {float(x[0]) for x in (np.asarray(line.get_xdata()) for line in plot_posterior(DX).lines) if len(x) == 2}
    assert {before[name] for name in DX.probabilities} <= upright


def test_intervals_are_drawn_and_written_where_they_are_given() -> None:
    table = DX.intervals(draws=50)
    ax = DX.plot(intervals=0.9, draws=50)
    low, high = (float(table[end]["dvt"]) for end in ("low", "high"))
    assert [low, high] in [np.asarray(line.get_xdata()).tolist() for line in ax.lines]
    assert f"{percent(DX.probabilities['dvt'])}  ({percent(low)} to {percent(high)})" in texts(ax)


def test_the_waterfall_leads_from_the_prior_to_the_posterior() -> None:
    explanation = DX.explanation()
    ax = plot_explanation(explanation)
    steps = bars(ax)
    assert [step.get_x() for step in steps[1:]] == pytest.approx([s.get_x() + s.get_width() for s in steps[:-1]])
    now = steps[-1].get_x() + steps[-1].get_width()
    assert 1 / (1 + np.exp(-now)) == pytest.approx(explanation.posterior)
    assert all((step.get_width() < 0) == bool(step.get_hatch()) for step in steps)
    assert percent(explanation.prior) in texts(ax)


def test_a_waterfall_of_what_is_settled_ends_at_the_edge() -> None:
    ax = plot_explanation(MODEL.diagnose({"dvt": False, "calf_pain": True}).explanation())
    assert "ruled out" in texts(ax)
    assert ticks(ax)[-2:] == ["Deep vein thrombosis: no", "Now"]
    assert all(np.isfinite(bar.get_width()) for bar in bars(ax))


def test_the_first_question_stands_on_top_and_key_questions_are_marked() -> None:
    table = MODEL.diagnose({}).next_questions("dvt", n=6)
    ax = plot_questions(table)
    assert ax.yaxis_inverted()
    assert [bar.get_width() for bar in bars(ax)] == table["gain"].tolist()
    assert [bool(bar.get_hatch()) for bar in bars(ax)] == table["key"].tolist()
    assert sum("(key)" in label for label in ticks(ax)) == table["key"].sum()


def test_a_tornado_spans_the_swing_of_each_number() -> None:
    table = DX.sensitivity(n=5)
    ax = plot_tornado(table, model=MODEL.file)
    ends = [(round(bar.get_x() + bar.get_width(), 12)) for bar in bars(ax)]
    assert sorted(ends) == pytest.approx(sorted([*table["posterior_low"], *table["posterior_high"]]))
    assert len(ticks(ax)) == 5


def test_a_curve_goes_through_the_ends_of_the_range_and_shades_it() -> None:
    table = DX.sensitivity()
    ax = plot_curves(table, model=MODEL.file)
    first = table.iloc[0]
    within = ax.lines[1]
    assert np.asarray(within.get_xdata())[[0, -1]].tolist() == [first["low"], first["high"]]
    ends = np.asarray(within.get_ydata())[[0, -1]].tolist()
    assert ends == pytest.approx([first["posterior_low"], first["posterior_high"]])
    shade = bars(ax)[0]
    assert (shade.get_x(), shade.get_x() + shade.get_width()) == pytest.approx((first["low"], first["high"]))
    mark = ax.lines[2]
    assert float(np.asarray(mark.get_ydata())[0]) == pytest.approx(DX.probabilities["dvt"])


@pytest.mark.parametrize("place", [place for place, _ in MODEL.file.probabilities()][::9])
def test_every_number_has_words(place: str) -> None:
    assert "_" not in number_label(MODEL.file, place)


def test_the_whole_network_has_every_variable_and_every_link() -> None:
    ax = plot_network(MODEL.file)
    assert {node.label for node in MODEL.file.variables.values()} <= set(texts(ax))
    arrows = [patch for patch in ax.patches if isinstance(patch, FancyArrowPatch)]
    assert len(arrows) == len(link_strengths(MODEL.file)) + len(dependences(MODEL.file))


def test_risk_factors_lead_to_those_that_depend_on_them() -> None:
    own = {(parent, name) for name, risk in MODEL.file.risks.items() for row in risk.given for parent in row.when}
    assert {("age", "sport"), ("sex", "pregnancy"), ("age", "pregnancy")} <= own
    among_causes = [arrow for arrow in link_strengths(MODEL.file) if set(arrow) <= set(MODEL.causes)]
    dashed = [patch for patch in arrows_of(plot_network(MODEL.file)) if patch.get_linestyle() == "--"]
    assert len(dashed) == len(own) + len(among_causes)
    left = min(patch.get_window_extent().x0 for patch in dashed)
    assert left < min(patch.get_window_extent().x0 for patch in dashed[: len(among_causes)])


def test_known_causes_and_unsure_answers_are_drawn_as_such() -> None:
    dx = MODEL.diagnose({"meniscal_tear": False, "bakers_cyst": "ruptured", "calf_pain": "present:0.8", "fever": True})
    ax = dx.plot.network(known_only=True)
    assert {"Meniscal tear: no", "Baker's cyst: burst cyst", "Calf pain: unsure"} <= set(texts(ax))
    told = {patch.get_linestyle() for patch in arrows_of(ax)}
    assert told == {"-", ":", "--"}


@pytest.mark.slow
def test_lines_are_told_apart_in_grey() -> None:
    frame = MODEL.simulate(150, seed=3, with_causes=True)
    legend = kb.evaluate(MODEL, frame, baselines=True, bootstrap=2).plot.roc().get_legend()
    assert legend is not None
    styles = [(line.get_linestyle(), line.get_marker()) for line in legend.get_lines()]
    assert len(styles) == len(set(styles)) > 2


def test_ranges_of_several_numbers_do_not_lie_on_each_other() -> None:
    table = DX.sensitivity()
    ax = plot_curves(table, list(table.index[:3]), model=MODEL.file)
    lanes = [(bar.get_y(), bar.get_y() + bar.get_height()) for bar in bars(ax)]
    assert [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in bars(ax)] == [
        pytest.approx((row["low"], row["high"])) for _, row in table.iloc[:3].iterrows()
    ]
    assert all(below[1] < above[0] < 0 for above, below in pairwise(lanes))


def test_a_stronger_link_is_wider() -> None:
    strengths = link_strengths(MODEL.file)
    own = sorted(p for arrow, p in strengths.items() if "dvt" in arrow and arrow[0] not in MODEL.causes[:-1])
    ax = plot_network(MODEL.file, focus="dvt")
    widths = sorted(patch.get_linewidth() for patch in arrows_of(ax) if patch.get_linestyle() != "--")
    assert widths == pytest.approx([link_width(p) for p in own])
    assert len(set(widths)) > 10
    legend = ax.get_legend()
    assert legend is not None
    assert [line.get_linewidth() for line in legend.get_lines()] == [link_width(p) for p in (0.01, 0.1, 0.5, 0.9)]


def test_evidence_is_bold_where_present_and_crossed_out_where_absent() -> None:
    ax = DX.plot.network(known_only=True)
    weights = {text.get_text(): text.get_fontweight() for text in ax.texts}
    assert weights["Calf pain"] == "bold"
    assert weights["Locking: no"] == "normal"
    assert "Fever" not in weights
    assert [line.get_marker() for line in ax.lines].count("x") == 2
    assert f"Deep vein thrombosis  {percent(DX.probabilities['dvt'])}" in weights


def test_the_heat_map_sorts_by_alarm_and_writes_names_while_there_is_room() -> None:
    scores = scored(30)
    ax = plot_cases(scores, model=MODEL.file)
    cells = np.asarray(ax.collections[0].get_array()).reshape(30, -1)
    order = scores.assign(rank=scores["dvt_alarm"].map(LEVELS.index)).sort_values(["rank", "dvt"], ascending=False)
    assert cells[:, MODEL.causes.index("dvt")].tolist() == order["dvt"].tolist()
    assert ticks(ax) == order["case_id"].astype(str).tolist()
    assert ticks(plot_cases(scored(100), model=MODEL.file)) == []


def test_alarm_levels_add_up_in_every_group_the_unknown_included() -> None:
    scores = scored(90)
    groups = pd.Series(["b", "a", None] * 30)
    ax = plot_alarm_levels(scores, groups, model=MODEL.file)
    assert ticks(ax) == ["a (n=30)", "b (n=30)", "unknown (n=30)"]
    totals = np.reshape([bar.get_width() for bar in bars(ax)], (len(LEVELS), 3)).sum(axis=0)
    assert totals.tolist() == pytest.approx([1, 1, 1])
    share = (scores["dvt_alarm"][1::3] == "caution").mean()
    assert bars(ax)[2 * 3].get_width() == pytest.approx(share)


def test_categories_keep_their_order_and_empty_ones_stay_empty() -> None:
    bands = pd.Series(pd.Categorical(["old"] * 5 + ["young"] * 5, categories=["young", "middle", "old"]))
    assert ticks(plot_alarm_levels(scored(10), bands, model=MODEL.file)) == ["young (n=5)", "middle (n=0)", "old (n=5)"]


@pytest.mark.parametrize(
    ("draw", "error"),
    [
        (lambda: plot_network(MODEL.file, focus="dtv"), UnknownNameError),
        (lambda: DX.plot.curves(["causes.dvt.leek"]), UnknownNameError),
        (lambda: DX.plot.explanation("dtv"), UnknownNameError),
        (lambda: plot_cases(pd.DataFrame({"dvt": [0.1]}), model=MODEL.file), UnknownColumnError),
        (lambda: plot_alarm_levels(pd.DataFrame({"dvt": [0.1]}), ["a"], model=MODEL.file), UnknownColumnError),
    ],
    ids=["focus", "number", "target", "scores", "levels"],
)
def test_what_is_not_there_is_refused_by_name(draw: Callable[[], Axes], error: type[Exception]) -> None:
    with pytest.raises(error, match="no "):
        draw()


# What all of them keep to


@pytest.mark.slow
@pytest.mark.parametrize("name", PLOTS)
def test_no_label_is_cut_off(name: str) -> None:
    ax = drawn(name).ax
    figure = figure_of(ax)
    figure.draw_without_rendering()
    whole = figure.bbox
    legend = ax.get_legend()
    labels: list[Any] = [*ax.texts, ax.title, *(legend.get_texts() if legend else [])]
    if ax.axison:
        labels += [*ax.get_xticklabels(), *ax.get_yticklabels(), ax.xaxis.label, ax.yaxis.label]
    (left, right), (bottom, top) = sorted(ax.get_xlim()), sorted(ax.get_ylim())
    for text in labels:
        x, y = text.get_position()
        outside = ax.axison and (
            (text in ax.get_xticklabels() and not left <= x <= right)
            or (text in ax.get_yticklabels() and not bottom <= y <= top)
        )
        if not text.get_text() or not text.get_visible() or outside:
            continue
        box = text.get_window_extent()
        inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= whole.width + 1 and box.y1 <= whole.height + 1
        assert inside, f"'{text.get_text()}' at {box} in {whole.width:g} x {whole.height:g}"


@pytest.mark.parametrize("name", PLOTS)
def test_plots_draw_into_the_axes_they_are_given_and_change_no_style(name: str) -> None:
    assert isinstance(drawn(name).ax, Axes)
    assert not drawn(name).restyled
    assert drawn(name).figures == 1


def test_a_model_and_an_evaluation_draw_themselves() -> None:
    assert "Fever" in texts(MODEL.plot_network(focus="dvt"))
    result = evaluated(MODEL)
    titles = [draw().get_title(loc="left") for draw in (result.plot.calibration, result.plot.roc)]
    assert all("Deep vein thrombosis" in title for title in titles)
    assert result.plot.calibration("meniscal_tear").get_title(loc="left") == "Meniscal tear"
    assert "net benefit" in result.plot.decision_curve().get_ylabel()


@pytest.mark.slow
@pytest.mark.parametrize("name", PLOTS)
def test_beside_other_plots_axes_of_the_caller_are_used_and_keep_their_room(name: str) -> None:
    figure, places = plt.subplots(2, 2, figsize=(15, 10), layout="constrained")
    own = places[0, 1]
    assert PLOTS[name](DX, MODEL, own) is own
    assert plt.get_fignums() == [figure.number]
    figure.draw_without_rendering()
    room = own.get_window_extent()
    assert room.width > 0.22 * figure.bbox.width
    assert room.height > 0.22 * figure.bbox.height
    for text in own.texts:  # what is written within the axes stays there
        box = text.get_window_extent()
        if own.axison and text.get_text() and box.width:
            assert box.x0 >= room.x0 - 2, text
            assert box.x1 <= room.x1 + 2, text


@pytest.mark.parametrize("name", KINDS)
def test_in_the_dark_no_line_and_no_mark_is_dark(name: str) -> None:
    with plt.style.context("dark_background"):
        ax = PLOTS[name](DX, MODEL, None)
        lines = [
            line.get_color() for line in ax.lines if line.get_color() != ax.get_facecolor()
        ]  # but those around others
        colours = lines + [label.get_color() for label in ax.get_yticklabels()]
        light = [float(np.dot(to_rgb(colour), (0.2126, 0.7152, 0.0722))) for colour in colours]
    assert all(shade > 0.12 for shade in light)


@pytest.mark.parametrize(
    "name", ["posterior", *(pytest.param(n, marks=pytest.mark.slow) for n in ("explanation", "questions", "tornado"))]
)
def test_with_the_large_letters_of_a_talk_rows_keep_apart(name: str) -> None:
    with mpl.rc_context({"font.size": 18, "ytick.labelsize": 16.5, "axes.labelsize": 18}):
        ax = PLOTS[name](DX, MODEL, None)
        figure_of(ax).draw_without_rendering()
    boxes = sorted((label.get_window_extent() for label in ax.get_yticklabels()), key=lambda box: float(box.y0))
    assert all(above.y0 >= below.y1 - 1 for below, above in pairwise(boxes))
    assert boxes[0].x0 >= 0


def test_in_a_grid_the_large_letters_of_a_talk_get_as_small_as_they_must() -> None:
    with mpl.rc_context({"font.size": 18, "axes.titlesize": 18, "xtick.labelsize": 16.5, "ytick.labelsize": 16.5}):
        figure, places = plt.subplots(2, 2, figsize=(14, 10), layout="constrained")
        for name, ax in zip(("posterior", "explanation", "tornado", "questions"), places.flat, strict=True):
            PLOTS[name](DX, MODEL, ax)
        assert mpl.rcParams["font.size"] == 18
        roomy = PLOTS["posterior"](DX, MODEL, plt.subplots(figsize=(14, 8))[1])
    figure.draw_without_rendering()
    for ax in places.flat:
        labels = sorted((label.get_window_extent() for label in ax.get_xticklabels()), key=lambda box: float(box.x0))
        assert all(left.x1 < right.x0 for left, right in pairwise(labels))
        assert ax.get_window_extent().width > 0.2 * figure.bbox.width
        for text in (*ax.texts, ax.xaxis.label, getattr(ax, "_left_title")):  # noqa: B009  (matplotlib names no other way)
            assert text.get_window_extent().x1 <= figure.bbox.width + 1, text
    assert roomy.get_yticklabels()[0].get_fontsize() == 16.5


def test_a_network_keeps_its_labels_where_a_later_plot_narrows_it() -> None:
    figure, places = plt.subplots(2, 2, figsize=(9, 7), layout="constrained")
    first = plot_network(MODEL.file, focus="dvt", ax=places[0, 1])
    PLOTS["posterior"](DX, MODEL, places[1, 1])
    figure.draw_without_rendering()
    assert max(text.get_window_extent().x1 for text in first.texts) <= figure.bbox.width + 1


@pytest.mark.parametrize(
    "name", ["posterior", *(pytest.param(n, marks=pytest.mark.slow) for n in ("tornado", "roc", "decision_curve"))]
)
def test_a_legend_covers_nothing_of_its_plot(name: str) -> None:
    ax = PLOTS[name](DX, MODEL, plt.subplots(2, 2, figsize=(15, 10), layout="constrained")[1][0, 1])
    figure_of(ax).draw_without_rendering()
    legend = ax.get_legend()
    assert legend is not None
    assert legend.get_window_extent().y1 <= ax.xaxis.label.get_window_extent().y0 + 1


@pytest.mark.parametrize("name", ["posterior", "network_of_a_case", "tornado", "alarm_levels"])
def test_plots_export_as_vectors_with_their_words(name: str) -> None:
    ax = drawn(name).ax
    file = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "none"}):
        figure_of(ax).savefig(file, format="svg")
    root = ElementTree.fromstring(file.getvalue())
    tags = [element.tag.rsplit("}")[-1] for element in root.iter()]
    assert "image" not in tags
    assert tags.count("text") > 5


def test_alarm_levels_are_told_apart_in_grey() -> None:
    light = [np.dot(to_rgb(LEVEL_COLOURS[level]), (0.2126, 0.7152, 0.0722)) for level in LEVELS]
    assert all(lower - higher > 0.09 for lower, higher in pairwise(light))


@pytest.mark.parametrize("name", KINDS)
def test_plots_look_as_they_did(name: str) -> None:
    # the example of another model, whose numbers change less than those of the article's
    figure = figure_of(PLOTS[name](ankle_case(), ANKLE, None))
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=60)
    with Image.open(file) as picture:
        now = picture.convert("L").resize(SMALL, Image.Resampling.LANCZOS)
    path = BASELINES / f"{name}.png"
    if os.environ.get("KNEEBAYES_NEW_BASELINES"):
        path.parent.mkdir(exist_ok=True)
        now.save(path, optimize=True)
    with Image.open(path) as picture:
        difference = np.asarray(now, dtype=float) - np.asarray(picture, dtype=float)
    error = float(np.sqrt((difference**2).mean()))
    assert error < TOLERANCE, (
        f"{name} differs from {path.name} by {error:.1f}: look at it, and if it is as meant, "
        "run the tests once with KNEEBAYES_NEW_BASELINES=1"
    )
