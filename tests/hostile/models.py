"""Model files that are broken, odd or meant to do harm."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests.hostile.making import Run, table
from tests.hostile.texts import made

ANKLE = Path(__file__).parents[2] / "examples" / "ankle.yaml"
TEXT = ANKLE.read_text(encoding="utf-8")
ARGUMENTS = ("score", "cases.csv", "--model", "model.yaml", *Run.arguments[2:])
NUMBER = {"p": 0.3, "range": [0.1, 0.5], "basis": "judgement", "why": "as an example"}
EXTENDS = 'extends: {}\nname: mine\nversion: "1"\n'


class Plain(yaml.CSafeDumper):
    """Without aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write twice what is there twice."""
        return True


def text(name: str, content: str | bytes, files: dict[str, str] | None = None) -> None:
    """Take a model of this text into the corpus."""

    def make(folder: Path) -> Run:
        table(folder, "case_id,age\na,67\n")
        for other, said in {"model.yaml": content, **(files or {})}.items():
            table(folder, said, other)
        return Run(ARGUMENTS)

    made(f"model_{name}", make)


def edited(name: str, edit: Callable[[dict[str, Any]], object]) -> None:
    """Take a sound model into the corpus, with something changed."""
    content = copy.deepcopy(yaml.safe_load(TEXT))
    edit(content)
    text(name, yaml.dump(content, Dumper=Plain, sort_keys=False, width=1000))


def replaced(name: str, old: str, new: str) -> None:
    """Take a sound model into the corpus, with some text changed."""
    assert old in TEXT
    text(name, TEXT.replace(old, new, 1))


def links(parents: list[str]) -> dict[str, Any]:
    """Link to these parents."""
    return {name: {"present": NUMBER} for name in parents}


def more_causes(content: dict[str, Any], n: int) -> None:
    """Add causes."""
    for i in range(n):
        content["causes"][f"cause_{i}"] = {**content["causes"]["gout"], "links": {}}


def states_of_a_cause(content: dict[str, Any], n: int) -> None:
    """Give three causes many states."""
    names = [f"s{i}" for i in range(n)]
    small = {**NUMBER, "p": 0.5 / n, "range": [0.0, 0.5]}
    for cause in ("sprain", "fracture", "gout"):
        content["causes"][cause] |= {
            "states": ["absent", *names],
            "split": dict.fromkeys(names[1:], small),
            "links": {},
        }
    for finding in content["findings"].values():
        finding["links"] = {}


def parents_of_a_risk(content: dict[str, Any], n: int) -> None:
    """Let a risk factor depend on many."""
    risks = content["risks"]
    for i in range(n):
        risks[f"risk_{i}"] = risks["twist"]
    when = {f"risk_{i}": ["absent", "present"] for i in range(n)}
    risks["late"] = {
        **{k: v for k, v in risks["twist"].items() if k != "prior"},
        "given": [{"when": when, "prior": {"present": NUMBER}}],
    }


def cycle(content: dict[str, Any]) -> None:
    """Let two causes cause each other."""
    content["causes"]["gout"]["links"] = links(["sprain"])
    content["causes"]["sprain"]["links"] = links(["gout"])


def flags(content: dict[str, Any]) -> None:
    """Raise more red flags than there are bits."""
    for i in range(70):
        content["findings"][f"finding_{i}"] = {**content["findings"]["red_and_hot"], "links": {}}
    content["red_flags"] = [
        {"any_of": {f"finding_{i}": "present"}, "reason": f"x{i}", "basis": "judgement"} for i in range(70)
    ]


text("sound", TEXT)
text("utf16", TEXT.encode("utf-16"))
text("latin1", TEXT.replace("Ankle", "Änkle").encode("latin-1"))
text("utf8_mark", "\ufeff" + TEXT)
text("crlf", TEXT.replace("\n", "\r\n"))
text("nul", TEXT + "\0")
text("empty", "")
text("truncated", TEXT[: len(TEXT) // 2])
text("twice_over", TEXT + "---\n" + TEXT)
text("binary", bytes(range(256)) * 8)
text("csv", "case_id,age\na,67\n")
text("alias_bomb", "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30)))
text("alias_to_itself", "a: &a [*a]\n")
text("merge_key", "a: &a {p: 1}\nb: {<<: *a}\n")
text("python_tag", "name: !!python/object/apply:os.system ['touch harmed']\n")
text("unknown_tag", TEXT.replace("name: ankle", "name: !secret ankle"))
text("key_twice", TEXT + "title: Another\n")
text("nested_deep", "[" * 100_000)
text("nested_deep_in_blocks", "".join(" " * i + f"k{i}:\n" for i in range(2_000)))
text("a_million_values", "a: [" + "0," * 1_000_000 + "]\n")
text("of_9_mb", TEXT + "#" * 9_000_000)
text("integer_of_5000_digits", TEXT.replace("format: 1", "format: " + "9" * 5_000))
text("date_that_is_none", TEXT.replace('version: "1.0"', "version: 2024-13-45"))
replaced("unknown_key", "format: 1\n", "format: 1\nexec: true\n")
replaced("of_another_format", "format: 1\n", "format: 2\n")
replaced("probability_over_1", "p: 0.35, range: [0.25, 0.45]", "p: 1.35, range: [0.25, 1.45]")
replaced("probability_negative", "p: 0.35, range: [0.25, 0.45]", "p: -0.35, range: [-0.45, 0.45]")
replaced("probability_nan", "p: 0.35, range: [0.25, 0.45]", "p: .nan, range: [.nan, .nan]")
replaced("probability_infinite", "p: 0.35, range: [0.25, 0.45]", "p: .inf, range: [0.25, .inf]")
replaced("probability_in_quotes", "p: 0.35", 'p: "0.35"')
replaced("probability_as_truth", "p: 0.35, range: [0.25, 0.45]", "p: yes, range: [no, yes]")
replaced("probability_without_source", "basis: judgement, why: a third of those who ask are 55 or older", "why: x")
replaced("probability_outside_its_range", "p: 0.35, range: [0.25, 0.45]", "p: 0.5, range: [0.25, 0.45]")
replaced("band_nan", "at_least: 55", "at_least: .nan")
replaced("maximum_infinite", "maximum: 110", "maximum: .inf")
replaced("name_with_a_path", "name: ankle", "name: ../ankle")
replaced("variable_named_case_id", "red_and_hot:", "case_id:")
replaced("link_to_nobody", "{twist: {present: {p: 0.5", "{twisted: {present: {p: 0.5")
replaced("link_to_no_state", "{twist: {present: {p: 0.5", "{twist: {presnt: {p: 0.5")
text("states_unknown", TEXT.replace("younger", "unknown"))
replaced("states_empty", "states: [younger, older]", "states: []")
replaced("key_misspelt", "title: ", "titel: ")
replaced("per_cent", "p: 0.35", "p: 35%")
replaced("claim_of_nobody", "basis: judgement", "basis: claim 9999")
replaced("source_of_nobody", "basis: judgement", 'basis: "literature: Nobody 2020"')
replaced("name_of_a_result", "red_and_hot:", "fracture_high:")
text("extends_nul", EXTENDS.format('"mo\\0del.yaml"'))
edited("cycle", cycle)
edited("cause_of_itself", lambda content: content["causes"]["gout"].update(links=links(["gout"])))
edited("causes_20", lambda content: more_causes(content, 16))
edited("states_121", lambda content: states_of_a_cause(content, 120))
edited("prior_of_40_parents", lambda content: parents_of_a_risk(content, 40))
edited("flags_70", flags)
edited(
    "nothing_is_possible",
    lambda content: content["findings"]["ankle_pain"].update(leak={**NUMBER, "p": 0.0, "range": [0.0, 0.1]}, links={}),
)
edited("cost_nan", lambda content: content["risks"]["twist"].update(cost=math.nan))
edited("labels_that_take_over_the_screen", lambda content: content.update(disclaimer="\x1b[2J\x1b]0;owned\x07"))
text("extends_shipped", EXTENDS.format("posterior_knee_pain"))
text("extends_itself", EXTENDS.format("model.yaml"))
text(
    "extends_in_a_circle",
    EXTENDS.format("b.yaml"),
    {
        "b.yaml": EXTENDS.format("c.yaml").replace("mine", "b"),
        "c.yaml": EXTENDS.format("./model.yaml").replace("mine", "c"),
    },
)
text("extends_a_chain_of_300", EXTENDS.format("m1.yaml"), {
    f"m{i}.yaml": EXTENDS.format(f"m{i + 1}.yaml").replace("mine", f"m{i}") for i in range(1, 300)
})  # fmt: skip
text("extends_what_is_missing", EXTENDS.format("../../../../../../nowhere/x.yaml"))
text("extends_a_password_file", EXTENDS.format("../../../../../../etc/passwd"))
text("extends_a_path_among_the_shipped", EXTENDS.format("../models/posterior_knee_pain"))
text("extends_what_is_no_model", EXTENDS.format("secret.yaml"), {"secret.yaml": "password: hunter2\n"})
text("extends_a_list", EXTENDS.format("[a, b]"))


def special(name: str, make: Callable[[Path], object]) -> None:
    """Take into the corpus what stands in the place of a model file."""

    def made_there(folder: Path) -> Run:
        table(folder, "case_id,age\na,67\n")
        make(folder / "model.yaml")
        return Run(ARGUMENTS)

    made(f"model_{name}", made_there)


special("is_a_folder", Path.mkdir)
special("is_a_pipe", os.mkfifo)
special("is_missing", lambda path: None)
special("is_dev_zero", lambda path: path.symlink_to("/dev/zero"))
special("is_dev_null", lambda path: path.symlink_to("/dev/null"))
special("is_a_link_to_itself", lambda path: path.symlink_to(path.name))
special("is_a_sound_link", lambda path: path.symlink_to(ANKLE))
