"""What is said of a mistake in a model file: where it is, what is near, and what to write."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kneebayes.errors import ModelFileError
from kneebayes.spec.listing import miscounted
from kneebayes.spec.model_spec import ModelSpec
from kneebayes.spec.yaml_io import model_path, parse_model, read_model
from kneebayes.ui.cli import app
from tests.spec.test_model_spec import small

ANKLE = Path(__file__).parents[2] / "examples" / "ankle.yaml"
TEXT = ANKLE.read_text(encoding="utf-8")
NUMBER = "{p: 0.35, range: [0.25, 0.45], basis: judgement,"

MISTAKES = {  # what stands there, what is written in its stead, what must be said, and what the place must be
    "key": ("title:", "titel:", r"titel: .*Did you mean 'title'\?", "titel"),
    "inner_key": (NUMBER, NUMBER.replace("basis", "bassis"), r"older\.bassis: .*Did you mean 'basis'\?", "bassis"),
    "key_of_a_cause": ("recovery:", "recovry:", r"causes\.\w+\.recovry: .*Did you mean 'recovery'\?", "recovry"),
    "per_cent": ("p: 0.35", "p: 35%", r"older\.p: .*'35%': write 0\.35, without quotes", "35%"),
    "per_cent_comma": ("p: 0.35", "p: '3,5 %'", r"older\.p: .*: write 0\.035, without quotes", "'3,5 %'"),
    "quoted": ("p: 0.35", 'p: "0.35"', r"older\.p: .*: write 0\.35, without quotes", '"0.35"'),
    "comma": (
        NUMBER,
        NUMBER.replace("0.35", "0,35"),
        r"older\.35: .*decimal one\? Write 0\.05 with a point",
        "35, range",
    ),
    "range_commas": ("[0.25, 0.45]", "[0,25, 0,45]", r"older\.range: .*\[0\.25, 0\.45\], with points", "range: [0,25"),
    "range_dash": ("[0.25, 0.45]", "0.25-0.45", r"older\.range: .*\[0\.25, 0\.45\], with points", "0.25-0.45"),
    "version": ('version: "1.0"', "version: 1.0", r'version: .*put it in quotes, "1\.0"', "1.0"),
    "source": ("basis: judgement", 'basis: "literature: Nobody"', r"basis: cites 'Nobody'", '"literature: Nobody"'),
    "claim": ("basis: judgement", "basis: claim 9999", r"basis: cites claim 9999, .*no claims", "claim 9999"),
    "group": ("group: you", "group: yuo", r"risks\.age\.group: group 'yuo' .*Did you mean 'you'", "yuo"),
    "state_of_a_link": (
        "{twist: {present:",
        "{twist: {presnt:",
        r"links\.twist: 'presnt' .*'present'",
        "twist: {presnt",
    ),
    "yes_as_a_state": ("{twist: {present:", "{twist: {yes:", r"links\.twist: .*so put them in quotes", "twist: {yes"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_said_with_line_and_column_and_what_to_write(case: str) -> None:
    old, new, said, at = MISTAKES[case]
    assert old in TEXT
    text = TEXT.replace(old, new, 1)
    with pytest.raises(ModelFileError, match=said) as caught:
        parse_model(text, source="mine.yaml")
    [place] = {
        (int(m[1]), int(m[2])) for m in re.finditer(r"\(line (\d+), column (\d+)\)", said_of(caught.value, said))
    }
    start = text.index(at, text.index(new) if at in new else max(0, text.index(new) - 60))
    line = text.count("\n", 0, start) + 1
    assert place == (line, start - text.rfind("\n", 0, start))


def said_of(error: ModelFileError, wanted: str) -> str:
    """Take the one of several problems that speaks of the mistake."""
    return next(part for part in str(error).removeprefix("mine.yaml: ").split("; ") if re.search(wanted, part))


def test_states_no_and_yes_are_to_be_quoted() -> None:
    with pytest.raises(
        ModelFileError, match=r"risks\.\w+\.states\.0: .*so put them in quotes \(line \d+, column \d+\)"
    ):
        parse_model(TEXT.replace("group: story, prior", "group: story, states: [no, yes], prior", 1))


@pytest.mark.parametrize(("p", "value"), [("1e-3", 0.001), ("1E-3", 0.001), ("1.e-3", 0.001), ("+.1e1", 1.0)])
def test_a_power_of_ten_is_taken(p: str, value: float) -> None:
    model = parse_model(TEXT.replace(NUMBER, NUMBER.replace("0.35", p).replace("[0.25, 0.45]", "[1e-4, 1]"), 1))
    assert value in {number.p for _, number in model.probabilities()}


def test_a_mistake_in_what_is_extended_is_found_there(tmp_path: Path) -> None:
    (tmp_path / "parent.yaml").write_text(TEXT.replace("p: 0.35", "p: 35%", 1))
    (tmp_path / "mine.yaml").write_text('extends: parent.yaml\nname: mine\nversion: "1"\npopulaton: x\n')
    with pytest.raises(ModelFileError) as caught:
        read_model(tmp_path / "mine.yaml")
    line = TEXT[: TEXT.index("p: 0.35")].count("\n") + 1
    assert re.search(rf"write 0\.35, without quotes \(line {line}, column \d+ of \S*parent\.yaml\)", str(caught.value))
    assert re.search(r"populaton: .*'population'\? \(line 4, column 1 of \S*mine\.yaml\)", str(caught.value))


@pytest.mark.parametrize("cited", ["claim 15", "claims 3, 15", "claim 0", "judgement; claim 99"])
def test_a_claim_that_is_not_there_is_refused(cited: str) -> None:
    content = small()
    content["causes"]["clot"]["care_basis"] = cited
    with pytest.raises(ValueError, match=r"causes\.clot\.care_basis: cites claim \d+, .* claims 1 to 14"):
        ModelSpec.model_validate(content)


def test_the_claims_of_the_article_are_those_that_its_numbers_cite() -> None:
    path = model_path("posterior_knee_pain")
    cited = re.findall(r"claims? (\d+(?:, \d+)*)", path.read_text(encoding="utf-8"))
    assert max(int(number) for numbers in cited for number in numbers.split(", ")) == read_model(path).claims


def test_a_title_that_counts_other_causes_is_said(tmp_path: Path) -> None:
    path = tmp_path / "ten.yaml"
    more = "\n".join(
        [
            'extends: posterior_knee_pain\nname: ten\nversion: "1"\ncauses:\n  bursitis:\n    label: Bursitis',
            "    question: Have you bursitis?\n    group: diagnosis\n    care: [rest]\n    recovery: soon",
            "    care_basis: judgement\n    leak: {p: 0.01, range: [0.005, 0.02], basis: judgement, why: rare}\n",
        ]
    )
    path.write_text(more)
    done = CliRunner().invoke(app, ["model", "--check", str(path)])
    assert done.exit_code == 0, done.output
    assert "title: says 'Nine causes', but the model has 10: give it a title of its own" in done.output
    path.write_text(more + 'title: "Ten causes of pain behind the knee"\n')
    assert "says" not in CliRunner().invoke(app, ["model", "--check", str(path)]).output
    assert miscounted(read_model(model_path("posterior_knee_pain"))) is None
    assert miscounted(read_model(model_path("extended"))) is None
