"""A model file that extends another: merged by key, checked as a whole, refused with the place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import kneebayes as kb
from kneebayes.errors import ModelFileError
from kneebayes.spec.yaml_io import DEFAULT_MODEL, merged, model_path, parse_model, read_model
from tests.oracles import number
from tests.spec.test_model_spec import small
from tests.spec.test_yaml_io import text_of

Content = dict[str, Any]


def write(folder: Path, name: str, /, **content: Any) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(text_of({"name": name, "version": "1", **content}), encoding="utf-8")
    return path


@pytest.fixture
def parent(tmp_path: Path) -> Content:
    content = small()
    (tmp_path / "parent.yaml").write_text(text_of(content), encoding="utf-8")
    return content


def test_a_child_that_adds_nothing_is_its_parent_by_another_name(parent: Content, tmp_path: Path) -> None:
    child = read_model(write(tmp_path, "child", extends="parent.yaml"))
    assert child.name == "child"
    assert child.model_dump(exclude={"name", "version"}) == read_model(tmp_path / "parent.yaml").model_dump(
        exclude={"name", "version"}
    )


def test_a_child_adds_variables_links_rules_and_questions(parent: Content, tmp_path: Path) -> None:
    first = parent["alarm"]["cause"]
    words = {"label": "New", "question": "New?", "group": next(iter(parent["groups"]))}
    rule = {"level": "emergency", "when": {"new_sign": "present"}, "reason": "a new sign", "basis": "judgement"}
    path = write(
        tmp_path,
        "child",
        extends="parent.yaml",
        risks={"new_risk": {**words, "prior": {"present": number(0.1)}}},
        causes={first: {"links": {"new_risk": {"present": number(0.2)}}}},
        findings={"new_sign": {**words, "leak": number(0.05), "links": {first: {"present": number(0.3)}}}},
        alarm={"key_questions": ["new_risk"], "rules": [rule]},
        general_care=["Walk."],
        references={"New 2026": "A study."},
    )
    old, new = read_model(tmp_path / "parent.yaml"), read_model(path)
    assert list(new.risks) == [*old.risks, "new_risk"]
    assert list(new.findings) == [*old.findings, "new_sign"]
    assert list(new.causes[first].links) == [*old.causes[first].links, "new_risk"]
    assert new.causes[first].leak == old.causes[first].leak
    assert new.alarm.key_questions == (*old.alarm.key_questions, "new_risk")
    assert new.alarm.rules[:-1] == old.alarm.rules
    assert new.alarm.rules[-1].reason == "a new sign"
    assert new.general_care == (*old.general_care, "Walk.")
    assert new.references["New 2026"] == "A study."
    assert kb.Model(new).diagnose({"new_sign": True}).alarm.level == "emergency"


def test_a_number_is_replaced_with_all_that_belongs_to_it(parent: Content, tmp_path: Path) -> None:
    cause = parent["alarm"]["cause"]
    bare = write(tmp_path, "bare", extends="parent.yaml", causes={cause: {"leak": {"p": 0.25}}})
    with pytest.raises(ModelFileError, match=rf"bare.yaml, merged with what it extends: causes.{cause}.leak.range"):
        read_model(bare)
    whole = write(tmp_path, "whole", extends="parent.yaml", causes={cause: {"leak": number(0.25)}})
    assert read_model(whole).causes[cause].leak.p == 0.25


def test_null_takes_away(parent: Content, tmp_path: Path) -> None:
    cause = next(name for name, node in parent["causes"].items() if node.get("links"))
    risk = next(iter(parent["causes"][cause]["links"]))
    path = write(tmp_path, "child", extends="parent.yaml", causes={cause: {"links": {risk: None}}})
    assert risk not in read_model(path).causes[cause].links
    wrong = write(tmp_path, "wrong", extends="parent.yaml", causes={cause: {"links": {f"{risk}s": None}}})
    with pytest.raises(ModelFileError, match=rf"causes.{cause}.links.{risk}s: taken away.*Did you mean '{risk}'"):
        read_model(wrong)


@pytest.mark.parametrize(
    ("place", "entry", "same", "other"),
    [
        (
            "interactions",
            {"target": "a", "when": {"r": ["x"]}, "link": 1},
            {"target": "a", "when": {"r": "x"}, "link": 2},
            {"target": "a", "when": {"r": ["y"]}, "link": 3},
        ),
        ("red_flags", {"reason": "a", "any_of": 1}, {"reason": "a", "any_of": 2}, {"reason": "b", "any_of": 3}),
        ("general_care", "rest", "rest", "walk"),
    ],
)
def test_lists_grow_and_the_same_entry_is_replaced_in_place(place: str, entry: Any, same: Any, other: Any) -> None:
    first = {place: ["before", entry, "after"]}
    assert merged(first, {place: [same]}) == {place: ["before", same, "after"]}
    assert merged(first, {place: [other, same]}) == {place: ["before", same, "after", other]}


def test_states_and_care_are_replaced_not_joined() -> None:
    parent = {"causes": {"a": {"states": ["absent", "present"], "care": ["rest"]}}}
    child = {"causes": {"a": {"states": ["absent", "small", "large"], "care": ["walk"]}}}
    assert merged(parent, child) == child


def test_what_is_merged_is_left_as_it_was() -> None:
    parent, child = {"a": {"b": 1}, "general_care": ["rest"]}, {"a": {"c": 2}, "general_care": ["walk"]}
    merged(parent, child)
    assert parent == {"a": {"b": 1}, "general_care": ["rest"]}
    assert child == {"a": {"c": 2}, "general_care": ["walk"]}


def test_extending_goes_on_over_generations_each_from_its_own_folder(parent: Content, tmp_path: Path) -> None:
    cause = parent["alarm"]["cause"]
    (tmp_path / "deeper").mkdir()
    write(
        tmp_path / "deeper", "child", extends="../parent.yaml", title="A child", causes={cause: {"leak": number(0.2)}}
    )
    grandchild = read_model(write(tmp_path, "grandchild", extends="deeper/child.yaml", version="7"))
    assert (grandchild.title, grandchild.causes[cause].leak.p, grandchild.version) == ("A child", 0.2, "7")


def test_a_cycle_is_refused_and_shown(tmp_path: Path) -> None:
    write(tmp_path, "a", extends="b.yaml")
    write(tmp_path, "b", extends="c.yaml")
    write(tmp_path, "c", extends="b.yaml")
    with pytest.raises(ModelFileError, match=r"a\.yaml: extends: a cycle, \S*b.yaml -> \S*c.yaml -> \S*b.yaml$"):
        read_model(tmp_path / "a.yaml")
    with pytest.raises(ModelFileError, match=r"cycle, \S*self.yaml -> \S*self.yaml"):
        read_model(write(tmp_path, "self", extends="./self.yaml"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"extends": "posterior_knee_pian"}, r"extends: no model .* Did you mean 'posterior_knee_pain'"),
        ({"extends": "missing.yaml"}, "missing.yaml: can't read the model file"),
        ({"extends": ["a", "b"]}, r"extends: names one model, not \['a', 'b'\]"),
        ({"extends": ""}, "extends: names one model, not ''"),
        ({"extends": None}, "extends: names one model, not None"),
        ({"extends": "list.yaml"}, "list.yaml is no model file"),
        ({"extends": DEFAULT_MODEL, "version": None}, "version: missing"),
        ({"extends": DEFAULT_MODEL, "name": None}, "name: missing"),
        ({"extends": DEFAULT_MODEL, "name": DEFAULT_MODEL}, "is that of .*, which it extends"),
        ({"extends": DEFAULT_MODEL, "symptoms": {}}, "merged with what it extends: symptoms: is not permitted"),
        ({"extends": DEFAULT_MODEL, "risks": []}, "merged with what it extends: risks: write keys"),
        ({"extends": DEFAULT_MODEL, "causes": {"dvt": {"links": {"smokre": {}}}}}, "'smokre' is not among"),
    ],
)
def test_what_cannot_be_extended_is_refused_with_file_and_place(tmp_path: Path, content: Content, said: str) -> None:
    (tmp_path / "list.yaml").write_text("- a\n", encoding="utf-8")
    with pytest.raises(ModelFileError, match=said) as caught:
        read_model(write(tmp_path, "child", **content))
    assert str(tmp_path) in str(caught.value)


def test_a_text_may_extend_what_ships_but_no_path() -> None:
    model = parse_model(f"extends: {DEFAULT_MODEL}\nname: mine\nversion: '1'\n")
    assert model.causes == read_model(model_path(DEFAULT_MODEL)).causes
    with pytest.raises(ModelFileError, match=r"mine: extends: 'other.yaml' is a path"):
        parse_model("extends: other.yaml\nname: mine\nversion: '1'\n", source="mine")


def test_what_is_no_model_is_not_named_among_those_that_ship() -> None:
    with pytest.raises(ModelFileError, match=r"which has \['posterior_knee_pain', 'posterior_knee_pain_extended'\]"):
        kb.load_model("shoulder")
