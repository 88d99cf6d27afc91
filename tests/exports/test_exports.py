"""Every export of the corpus: drafted, edited as a person would, and scored to the posteriors of what is known."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pandas as pd
import pytest
import yaml

from kneebayes.cases.drafting import Drafter
from kneebayes.cases.mapping import CaseMapping, Reading
from kneebayes.errors import KneeBayesError
from kneebayes.model import Model, load_model
from kneebayes.scoring.readers import read_cases, sniff
from tests.exports.make import EXPORTS, KNOWN, PATIENTS, Export
from tests.exports.sessions import USUAL, edited, session

ONE_OF_A_KIND = ("semicolons_and_decimal_commas", "excel_with_days_and_numbers", "redcap_raw", "symptoms_in_one_column")
SCHEMA = jsonschema.Draft202012Validator(json.loads(CaseMapping.schema_text()))


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model()


@pytest.fixture(scope="module")
def drafter(model: Model) -> Drafter:
    return Drafter(model.scorer.coder)


def named(options: Sequence[str]) -> dict[str, Any]:
    """Turn options of `kneebayes map` into what stands under ``read`` in a mapping."""
    given = {name.removeprefix("--"): value for name, value in zip(options[::2], options[1::2], strict=True)}
    return {name: value.split(",") if name == "header" else value for name, value in given.items()}


def drafted(drafter: Drafter, path: Path, options: Sequence[str]) -> str:
    """Draft the mapping of a file."""
    found = sniff(str(path))
    reading = Reading.model_validate(found.model_dump() | named(options))
    cases = read_cases(str(path), (), reading)
    return drafter.draft(cases.table, cases.labels, reading).text


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('als0<\rs0\n"c\n"""\xff,,', 3),
        ('a report\n"of two\nlines"\nid,age\n1,2\n', 4),
        ('"id\n(own)",age\n1,2\n', 1),
        ("Who,,What,\nid,age,pop,limp\n1,2,y,n\n", 2),
        ("id,,note,\n1,2,3,4\n5,6,7,8\n", 1),
    ],
    ids=["names_quoted_open", "title_of_two_lines", "names_of_two_lines", "names_below_groups", "names_missing"],
)
def test_a_header_is_found_below_rows_of_several_lines(text: str, line: int, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(text, encoding="latin-1", newline="")
    assert (sniff(str(tmp_path / "x.csv")).header or (1,)) == (line,)


def score(model: Model, folder: Path, made: Export, mapping: Mapping[str, Any] | None) -> tuple[Any, Any, Any]:
    """Score a file by a mapping: the summary, the posteriors and the rejects, each by ``case_id``."""
    out, rejects = folder / "out.csv", folder / "rejects.csv"
    summary = model.score_file(folder / made.file, out, mapping=mapping, rejects=rejects, quiet=True)
    scores, refused = (
        pd.read_csv(path, dtype={"case_id": str}, keep_default_na=False).set_index("case_id") for path in (out, rejects)
    )
    return summary, scores, refused


@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_gives_the_posteriors_of_what_is_known_or_names_the_remedy(
    name: str, model: Model, drafter: Drafter, tmp_path: Path
) -> None:
    made = EXPORTS[name](tmp_path)
    if made.refused:
        with pytest.raises(KneeBayesError) as error:
            refuse(model, tmp_path, made)
        assert made.refused in str(error.value)
        return
    draft = drafted(drafter, tmp_path / made.file, made.read)
    for content in (yaml.safe_load(draft), {k: v for k, v in made.edits.items() if v is not None}):
        assert [error.message for error in SCHEMA.iter_errors(json.loads(json.dumps(content, default=str)))] == []
    mapping = edited(draft, made.edits)
    summary, scores, rejects = score(model, tmp_path, made, mapping)
    assert set(scores.index) == set(made.known)
    wanted = model.score(pd.DataFrame(list(made.known.values()), index=list(made.known), dtype=object))
    columns = [*model.causes, "none_of_these"]
    pd.testing.assert_frame_equal(
        scores.loc[wanted.index, columns].astype(float), wanted[columns], check_names=False, rtol=0, atol=1e-9
    )
    assert scores.loc[wanted.index, "dvt_alarm"].tolist() == wanted["dvt_alarm"].tolist()
    assert set(rejects.index) == set(made.rejected)
    for case_id, words in made.rejected.items():
        assert words in "; ".join(rejects.loc[[case_id], "reason"])
    assert (summary.scored, summary.rejected) == (len(made.known), len(made.rejected))


def refuse(model: Model, folder: Path, made: Export) -> None:
    """Do what a person first does with a file: score it, or where a mapping is given, score it by that."""
    given = {**made.edits, "read": named(made.read)}
    score(model, folder, made, given if len(given) > 1 or given["read"] else None)


def test_the_corpus_is_large_and_its_patients_tell_answers_apart(model: Model) -> None:
    assert len(EXPORTS) >= 40
    scores = model.score(pd.DataFrame(list(KNOWN.values()), index=list(KNOWN), dtype=object))
    assert scores["dvt"].round(6).nunique() == len(PATIENTS)
    # turning an answer round, or a man into a woman, would show in a posterior
    for case_id, known in KNOWN.items():
        for column, value in known.items():
            if isinstance(value, bool):
                other = model.score(pd.DataFrame([{**known, column: not value}], dtype=object))
                assert abs(other["dvt"].iloc[0] - scores.loc[case_id, "dvt"]) > 1e-6, (case_id, column)


@pytest.mark.parametrize("cell", ["x" * 300_000, "x\0y"], ids=["long", "nul"])
def test_no_cell_stops_the_look_at_how_a_file_is_written(cell: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    path.write_text(f"case_id,age\n{cell},67\ny,25\n", encoding="utf-8")
    assert sniff(str(path)) == Reading()


@pytest.mark.parametrize("name", [n if n in ONE_OF_A_KIND else pytest.param(n, marks=pytest.mark.slow) for n in USUAL])
def test_the_most_usual_exports_need_three_commands(
    name: str, model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = EXPORTS[name](tmp_path)
    done = list(session(made))
    assert [code for _, _, code in done] == [0] * len(done), done
    assert len([command for command, _, _ in done if command.startswith("kneebayes")]) <= 3
    scores = pd.read_csv("posteriors.csv", dtype={"case_id": str}).set_index("case_id")
    wanted = model.score(pd.DataFrame(list(made.known.values()), index=list(made.known), dtype=object))
    assert scores.loc[wanted.index, "dvt"].tolist() == pytest.approx(wanted["dvt"].tolist(), abs=1e-9)
