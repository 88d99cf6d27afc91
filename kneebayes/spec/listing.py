"""What a model contains, in plain text and as tables: for reading, reviewing and filling in."""

from __future__ import annotations

import csv
import io
import re
import textwrap
from collections import Counter
from collections.abc import Iterator

from kneebayes.spec.model_spec import ModelSpec, Probability

WIDTH = 100
NUMBERS = (
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    "fourteen", "fifteen", "sixteen",
)  # fmt: skip
SOURCES, ALONE = ("claim", "literature", "fitted"), "judgement alone"


def describe(model: ModelSpec) -> str:
    """List causes, risk factors and findings with their states and questions, in model order within each group."""
    lines = [f"{model.title} ({model.name} {model.version})", *_wrapped(model.population, ""), ""]
    for title, names in (("Causes", model.causes), ("Risk factors", model.risks), ("Findings", model.findings)):
        lines.append(f"{title} ({len(names)})")
        used = {model.variables[name].group for name in names}
        for group in [g for g in model.groups if g in used]:
            members = [name for name in names if model.variables[name].group == group]
            if len(used) > 1:
                lines += ["", f"  {model.groups[group]}"]
            for name in members:
                lines += _entry(model, name)
                for column, part in model.answer_inputs.items():
                    if part.variable == name:
                        head = f"{column}: {' | '.join(part.states)} (part of {name})"
                        lines += _wrapped(head, "    ", hang="        ")
                        lines += _wrapped(f"{part.label}. {part.question}", "        ")
        lines.append("")
    lines += _wrapped(
        "Values are the states above; for absent | present also yes/no, true/false, 1/0. Leave out or leave empty what "
        "is not known: it is never taken as absent.",
        "",
    )
    return "\n".join([*lines, model.disclaimer])


def numbers(model: ModelSpec) -> Iterator[tuple[str, Probability]]:
    """Every number that somebody chose, with its place in the file: the network's, then the alarm's thresholds."""
    yield from model.probabilities()
    for name, threshold in model.alarm.thresholds.items():
        yield f"alarm.thresholds.{name}", threshold


def miscounted(model: ModelSpec) -> str | None:
    """Say where the title counts the causes wrongly, as one does that was taken over from a model with others."""
    numbers = rf"\b({'|'.join(NUMBERS)}|\d+) causes\b"
    for word in re.findall(numbers, model.title, re.IGNORECASE):
        said = NUMBERS.index(word.lower()) + 1 if word.lower() in NUMBERS else int(word)
        if said != len(model.causes):
            return f"title: says '{word} causes', but the model has {len(model.causes)}: give it a title of its own"
    return None


def size(model: ModelSpec) -> str:
    """Say how large a model is, and what its numbers rest on: one that rests on two sources counts for both."""
    n_edges = sum(len(model.parents(name)) for name in model.variables)
    chosen = [[part.strip() for part in number.basis.split(";")] for _, number in numbers(model)]
    kinds = ([kind for kind in SOURCES if any(p.startswith(kind) for p in parts)] or [ALONE] for parts in chosen)
    counts = Counter(kind for own in kinds for kind in own)
    by_basis = ", ".join(f"{counts[kind]} {kind}" for kind in (*SOURCES, ALONE) if counts[kind])
    return (
        f"{len(model.risks)} risk factors, {len(model.causes)} causes, {len(model.findings)} findings, "
        f"{n_edges} edges, {len(chosen)} numbers ({by_basis})"
    )


def sources_text(model: ModelSpec) -> str:
    """Print every number with its range, basis and reason as an aligned table, then the size of the model."""
    table = [("place", "p", "range", "basis", "why")]
    for place, number in numbers(model):
        low, high = number.range
        table.append((place, f"{number.p:g}", f"{low:g} to {high:g}", number.basis, number.why))
    widths = [max(len(row[column]) for row in table) for column in range(4)]
    lines = ["  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[4]]) for row in table]
    return "\n".join([*lines, "", size(model)])


def sources_csv(model: ModelSpec) -> str:
    """Print every number with its range, basis and reason as CSV: place, p, low, high, basis, why."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("place", "p", "low", "high", "basis", "why"))
    writer.writerows((place, n.p, *n.range, n.basis, n.why) for place, n in numbers(model))
    return text.getvalue()


def _entry(model: ModelSpec, name: str) -> list[str]:
    variable = model.variables[name]
    values = " | ".join(variable.states)
    for column, numeric in model.numeric_inputs.items():
        amount = f"{numeric.minimum:g} to {numeric.maximum:g} {numeric.unit}"
        if column == name:
            values = f"{amount}, or {values}"
        elif numeric.variable == name:
            values += f"; or {column}: {amount}"
    named = {state: label for state, label in variable.state_labels.items() if label != state}
    meaning = f" ({'; '.join(f'{state}: {label}' for state, label in named.items())})" if named else ""
    about = f"{variable.label}. {variable.question}{meaning}"
    head = f"{name}: {values}"
    return [*_wrapped(head, "    ", hang="        "), *_wrapped(about, "        ")]


def _wrapped(text: str, indent: str, *, hang: str | None = None) -> list[str]:
    after = indent if hang is None else hang
    return textwrap.wrap(
        text, WIDTH, initial_indent=indent, subsequent_indent=after, break_long_words=False, break_on_hyphens=False
    )
