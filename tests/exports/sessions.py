"""What somebody types for the ten most usual exports, at most three commands each.

Between the first command and the second a person edits the draft; what the draft did not say by itself is printed by
``python -m tests.exports.sessions``.
"""

from __future__ import annotations

import contextlib
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from typer.testing import CliRunner

from kneebayes.cases.mapping import CaseMapping, Column, word
from kneebayes.ui.cli import app
from tests.exports.make import EXPORTS, Export

__all__ = ["USUAL", "edited", "session"]

MAPPING = "mapping.yaml"
USUAL = (
    "plain_english",
    "semicolons_and_decimal_commas",
    "cp1252_umlauts",
    "unicode_text_of_excel",
    "excel_title_above",
    "excel_with_days_and_numbers",
    "redcap_raw",
    "redcap_labelled",
    "symptoms_in_one_column",
    "spss",
)


def edited(draft: str, edits: Any) -> dict[str, Any]:
    """Do to a draft what a person does: change columns, decide what was unsure, say what else is ignored.

    A draft is YAML of words.
    """
    content = {name: value for name, value in yaml.load(draft, Loader=yaml.BaseLoader).items() if value}
    for section, edit in edits.items():
        if isinstance(edit, dict):
            merged = {**content.get(section, {}), **edit}
            content[section] = {name: value for name, value in merged.items() if value is not None}
        else:
            content[section] = edit
    columns, ignored = content.get("columns", {}), content.get("ignore", [])
    chosen = edits.get("columns", {})
    content["columns"] = {n: column for n, column in columns.items() if n in chosen or n not in edits.get("ignore", ())}
    content["ignore"] = ignored if isinstance(ignored, str) else [name for name in ignored if name not in chosen]
    unsure = content.pop("unsure", {})
    left = {} if ignored == "others" else {n: c for n, c in unsure.items() if n not in chosen and n not in ignored}
    return content | ({"unsure": left} if left else {})


def changes(draft: str, made: Export) -> dict[str, Any]:
    """Find what of the edits the draft does not say by itself."""
    content = yaml.load(draft, Loader=yaml.BaseLoader)
    drafted = CaseMapping.of({"columns": content.get("columns") or {}}).columns or {}
    wanted = CaseMapping.of({"columns": made.edits.get("columns", {})}).columns or {}
    columns = {n: made.edits["columns"][n] for n, column in wanted.items() if said(drafted.get(n)) != said(column)}
    other = {section: edit for section, edit in made.edits.items() if section != "columns"}
    return ({"columns": columns} if columns else {}) | other


def said(column: Column | None) -> dict[str, Any]:
    """Give what a column of a mapping says, whatever the case of its words."""
    content = {} if column is None else column.model_dump(exclude_defaults=True)
    values = content.get("values") or {}
    return content | ({"values": {word(value): ours for value, ours in values.items()}} if values else {})


def written(content: Any) -> str:
    """Write YAML as a person would, without references."""
    dumper = type("Plain", (yaml.SafeDumper,), {"ignore_aliases": lambda self, data: True})
    return yaml.dump(content, Dumper=dumper, sort_keys=False, allow_unicode=True)


def session(made: Export) -> Iterator[tuple[str, str, int]]:
    """Type the commands in the folder of an export, editing between; give each with what it prints and how it ends."""
    for command in (
        ["map", made.file, *made.read],
        ["map", made.file, "--check", MAPPING],
        ["score", made.file, "--map", MAPPING, "-o", "posteriors.csv", "--rejects", "rejects.csv"],
    ):
        run = CliRunner().invoke(app, command)
        yield f"kneebayes {shlex.join(command)}", run.output, run.exit_code
        if command[:2] == ["map", made.file] and "--check" not in command:
            draft = Path(MAPPING).read_text(encoding="utf-8")
            Path(MAPPING).write_text(written(edited(draft, made.edits)), encoding="utf-8")
            changed = changes(draft, made)
            yield f"edit {MAPPING}", written(changed) if changed else "nothing to change", 0


def main() -> None:
    """Print the sessions."""
    for name in USUAL:
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            made = EXPORTS[name](Path(folder))
            print(f"## {name}: {made.file}\n")
            for command, output, code in session(made):
                print(f"$ {command}\n{output.rstrip()}{f'  [exit code {code}]' if code else ''}\n")


if __name__ == "__main__":
    main()
