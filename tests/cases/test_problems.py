"""What may be said of a row, and to whom."""

from __future__ import annotations

import string

import pytest

from kneebayes.cases.problems import Kind, Problem, Refusal, why

# What the model, the header or the file says, and no single cell does.
OPEN = {"allowed", "model", "names", "other", "n_fields", "n_names", "n_lines", "remedy"}


def facts(form: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(form) if name}


@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.name)
def test_what_may_be_said_anywhere_has_no_place_for_what_a_cell_holds(kind: Kind) -> None:
    assert facts(kind.value[-1]) <= OPEN
    assert len(kind.value) in (1, 2)


def test_no_two_kinds_are_one() -> None:
    assert len(Kind) == len(Kind.__members__) == len({kind.value for kind in Kind})


def test_facts_that_look_like_places_are_left_as_they_are() -> None:
    said = why(Kind.VALUE, value="{allowed}{0}", column="age", allowed="{value}", hint="")
    assert said.text == "'{allowed}{0}' is not allowed for age: give {value}, or nothing if unknown."
    assert said.plain == "not allowed: give {value}, or nothing if unknown"


def test_a_problem_says_where_it_is() -> None:
    refusal = Refusal(Kind.LIKELIHOODS_0, column="calf_pain", allowed="one of absent, present")
    problem = Problem(3, "calf_pain", "absent:0, present:0", refusal.why)
    assert str(problem) == (
        "row 3, column 'calf_pain': the likelihoods for calf_pain are all 0: one of its states must be possible"
    )
    assert f"{problem.place}: {problem.plain}" == (
        "row 3, column 'calf_pain': not allowed: give one of absent, present, or nothing if unknown"
    )
    whole_row = Problem(4, "", "c1,2", why(Kind.FIELDS, n_fields=2, n_names=3))
    assert str(whole_row) == "row 4: the row has 2 fields and the header 3"
    assert whole_row.plain == whole_row.reason
