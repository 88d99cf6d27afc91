"""Reading model files: plain, safe YAML, or a ModelFileError that says where."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from yaml.composer import ComposerError
from yaml.scanner import ScannerError

from kneebayes import KneeBayesError
from kneebayes.errors import ModelFileError
from kneebayes.spec import yaml_io
from kneebayes.spec.yaml_io import MAX_BYTES, model_path, parse_model, read_model
from tests.spec.test_model_spec import REFUSED, edit, small


def text_of(content: object) -> str:
    class Plain(yaml.SafeDumper):
        def ignore_aliases(self, data: object) -> bool:
            return True

    return yaml.dump(content, Dumper=Plain, sort_keys=False)


def test_reads_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(text_of(small()), encoding="utf-8")
    model = read_model(str(path))
    assert model.causes["cyst"].links["tear"]["present"].p == 0.5
    assert model == parse_model(path.read_text())


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_names_file_place_and_reason(case: str) -> None:
    path, value, place, reason = REFUSED[case]
    content = small()
    edit(path, value)(content)
    with pytest.raises(ModelFileError) as caught:
        parse_model(text_of(content), source="mine.yaml")
    said = str(caught.value)
    assert said.startswith("mine.yaml: ")
    assert place in said
    assert reason in said
    assert "Value error" not in said


TEXTS = {
    "alias": ("a: &x [1, 2]\nb: *x\n", "line 1", "aliases are not allowed"),
    "alias_bomb": (
        "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 20)),
        "line",
        "aliases",
    ),
    "alias_to_itself": ("&a [*a]", "line 1", "aliases are not allowed"),
    "merge_key": ("base: &b {p: 1}\nother:\n  <<: *b\n", "line 1", "aliases are not allowed"),
    "repeated_key": ("format: 1\nname: a\nname: b\n", "line 3", "'name' stands twice"),
    "repeated_inner_key": ("causes:\n  dvt:\n    leak: 1\n    leak: 2\n", "line 4", "'leak' stands twice"),
    "python_call": ("a: !!python/object/apply:os.system ['true']", "line 1", "could not determine a constructor"),
    "python_name": ("a: !!python/name:os.system", "line 1", "could not determine a constructor"),
    "custom_tag": ("a: !secret x", "line 1", "could not determine a constructor"),
    "not_yaml": ("a: [1, 2", "line", "not a safe YAML file"),
    "colon_in_a_text": ("why: a swollen leg: a clot", "line 1", "put a text that holds a colon"),
    "tab_indent": ("a:\n\tb: 1", "line 2", "not a safe YAML file"),
    "control_character": ("a: \0", "position 3", "not a safe YAML file"),
    "two_documents": ("a: 1\n---\nb: 2", "line 2", "not a safe YAML file"),
    "list_as_key": ("? [a]\n: 1", "line 1", "unhashable"),
    "date_that_is_none": ("version: 2024-13-45", "mine.yaml", "month must be in 1..12"),
    "number_too_long": ("format: " + "9" * 5000, "mine.yaml", "4300"),
    "nested_brackets": ("[" * 200_000, "line 1", "over 100 deep"),
    "nested_dashes": ("- " * 200_000, "line 1", "over 100 deep"),
    "nested_braces": ("{a: " * 50_000 + "}" * 50_000, "line 1", "over 100 deep"),
    "nested_over_our_limit": ("[" * 101 + "]" * 101, "line 1", "over 100 deep"),
    "nested_over_that_of_the_newest_pyyaml": ("[" * 2_000 + "]" * 2_000, "line 1", "over 100 deep"),
    "nested_blocks": ("".join(" " * i + f"k{i}:\n" for i in range(2_000)), "line 101", "over 100 deep"),
    "nested_after_what_takes_many_bytes": ("# äöü\n\U0001f9b5: " + "[" * 3_000, "line 2", "over 100 deep"),
    "undefined_alias": ("a: *x", "line 1", "aliases are not allowed"),
    "tag_that_the_text_does_not_fit": ("a: !!bool maybe", "mine.yaml", "not a model file"),
    "empty": ("", "model", "write keys"),
    "only_a_comment": ("# nothing\n", "model", "write keys"),
    "list": ("- a\n- b\n", "model", "write keys"),
    "scalar": ("hello", "model", "write keys"),
}


@pytest.mark.parametrize("case", TEXTS)
def test_text_that_is_no_model_is_refused(case: str) -> None:
    text, place, reason = TEXTS[case]
    with pytest.raises(ModelFileError) as caught:
        parse_model(text, source="mine.yaml")
    said = str(caught.value)
    assert said.startswith("mine.yaml")
    assert place in said
    assert reason in said


MARK = yaml.Mark("mine", 300, 0, 300, None, 0)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        pytest.param(ScannerError(None, None, "exceeded maximum nesting depth", MARK), "over 100 deep", id="depth"),
        pytest.param(ComposerError(None, None, "too many nodes", None), "not a safe YAML file", id="no_place"),
        pytest.param(yaml.YAMLError("a limit of its own"), "not a safe YAML file", id="anything_of_yaml"),
        *(
            pytest.param(kind("x"), "not a model file", id=kind.__name__)
            for kind in (KeyError, AttributeError, OverflowError, RecursionError, TypeError, ValueError)
        ),
    ],
)
def test_whatever_pyyaml_raises_the_words_are_ours(
    monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    class Failing(yaml_io._Loader):
        def get_single_node(self) -> None:
            raise error

    monkeypatch.setattr(yaml_io, "_Loader", Failing)
    content = "[" * 400 if reason == "over 100 deep" else "a: 1"
    with pytest.raises(ModelFileError, match=reason) as caught:
        parse_model(content, source="mine.yaml")
    assert str(caught.value).startswith("mine.yaml: ")


def test_a_hundred_levels_are_not_too_deep() -> None:
    with pytest.raises(ModelFileError, match="write keys"):
        parse_model("[" * 100 + "]" * 100)


@pytest.mark.parametrize("power", ["1e-3", "1E-3", "+1e-03", "1.0e-3", ".1e-2", "0.00001e2"])
def test_a_power_of_ten_is_a_number_however_it_is_written(power: str) -> None:
    content = small()
    content["causes"]["cyst"]["leak"] |= {"p": 0.001, "range": [0.0001, 0.05]}
    text = text_of(content)
    assert "p: 0.001" in text
    assert parse_model(text.replace("p: 0.001", f"p: {power}")) == parse_model(text)


def test_yes_and_no_without_quotes_are_told_from_texts() -> None:
    content = small()
    content["causes"]["cyst"]["states"] = [False, True]
    with pytest.raises(ModelFileError, match=r"causes\.cyst\.states\.0: .*: YAML takes yes, no, .*put them in quotes"):
        parse_model(text_of(content))


def test_a_link_without_the_state_it_is_of_gets_the_right_form() -> None:
    content = small()
    finding = next(name for name, own in content["findings"].items() if own.get("links"))
    links = content["findings"][finding]["links"]
    cause = next(iter(links))
    links[cause] = dict(content["findings"][finding]["leak"])
    place = rf"findings\.{finding}\.links\.{cause}: a link stands under the state .*\{{present: \{{p: "
    with pytest.raises(ModelFileError, match=place) as error:
        parse_model(text_of(content))
    assert str(error.value).count("a link stands") == 1


def test_what_is_missing_is_described() -> None:
    content = small()
    del next(iter(content["findings"].values()))["group"]
    with pytest.raises(ModelFileError, match="group: Field required: One of groups"):
        parse_model(text_of(content))


def test_a_python_tag_runs_nothing(tmp_path: Path) -> None:
    target = tmp_path / "made"
    with pytest.raises(ModelFileError):
        parse_model(f"a: !!python/object/apply:os.mkdir ['{target}']")
    assert not target.exists()


def test_a_key_may_come_again_in_another_mapping() -> None:
    with pytest.raises(ModelFileError) as caught:
        parse_model("a: {name: 1}\nb: {name: 2}\n")
    assert "stands twice" not in str(caught.value)


def test_many_problems_are_counted_not_all_listed() -> None:
    content = small()
    for finding in content["findings"].values():
        finding["leak"] = {}
    with pytest.raises(ModelFileError, match=r"\(and 7 more\)"):
        parse_model(text_of(content))


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        pytest.param("latin.yaml", "title: Bäker".encode("latin-1"), "utf-8", id="not_utf8"),
        pytest.param("big.yaml", b"#" * (MAX_BYTES + 1), f"over the limit of {MAX_BYTES}", id="too_large"),
        pytest.param("none.yaml", None, "No such file", id="missing"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, content: bytes | None, reason: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelFileError) as caught:
        read_model(path)
    assert str(path) in str(caught.value)
    assert reason in str(caught.value)


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="can't read the model file"):
        read_model(tmp_path)


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root reads everything")
def test_a_file_without_permission_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "closed.yaml"
    path.write_text("a: 1")
    path.chmod(0)
    with pytest.raises(ModelFileError, match="can't read the model file"):
        read_model(path)


def test_an_unknown_shipped_model_says_which_there_are() -> None:
    with pytest.raises(ModelFileError) as caught:
        model_path("posterior_knee_pian")
    assert "Did you mean 'posterior_knee_pain'?" in str(caught.value)


def test_the_error_is_a_value_error_and_of_the_family() -> None:
    assert issubclass(ModelFileError, KneeBayesError)
    assert issubclass(ModelFileError, ValueError)


def test_the_shipped_model_has_a_reason_for_every_number() -> None:
    model = read_model(model_path("posterior_knee_pain"))
    numbers = dict(model.probabilities())
    assert len(numbers) > 300
    for place, number in numbers.items():
        assert number.range[0] <= number.p <= number.range[1], place
        assert len(number.why) > 5, place
