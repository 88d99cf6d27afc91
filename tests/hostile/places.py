"""Places where nothing can be read or written, or shouldn't be; files of other programs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tests.hostile.making import HEADER, Run, table
from tests.hostile.texts import GOOD, made

BOMB = '<!DOCTYPE smile [<!ENTITY a0 "x">{}]><smile version="1.0" id="n"><nodes><cpt id="&a29;"/></nodes></smile>'
FOREIGN = (
    '<!DOCTYPE smile [<!ENTITY a SYSTEM "secret.txt">]><smile version="1.0" id="n"><nodes><cpt id="n">'
    '<state id="x"/><state id="y"/><probabilities>&a;</probabilities></cpt></nodes></smile>'
)


def scoring(
    name: str, prepare: Callable[[Path], object], *arguments: str, ids: str | None = None, stdin: str = "/dev/null"
) -> None:
    """Take the scoring of sound cases into the corpus, in a folder with something else in it."""

    def make(folder: Path) -> Run:
        table(folder, HEADER + GOOD)
        prepare(folder)
        return Run(("score", *arguments), ids, stdin)

    made(f"place_{name}", make)


def importing(name: str, file: str, content: str | bytes) -> None:
    """Take the import of another program's network into the corpus."""

    def make(folder: Path) -> Run:
        table(folder, content, file)
        (folder / "secret.txt").write_text("hunter2")
        return Run(("import", file, "-o", "model.yaml"))

    made(f"network_{name}", make)


def nothing(folder: Path) -> None:
    """Leave the folder as it is."""


def out(path: str) -> tuple[str, ...]:
    """Score into a path."""
    return ("cases.csv", "-o", path)


scoring("input_missing", nothing, "none.csv", "-o", "out.csv")
scoring("input_is_a_folder", lambda f: (f / "d.csv").mkdir(), "d.csv", "-o", "out.csv")
scoring("input_of_no_ending", lambda f: (f / "cases.csv").rename(f / "cases"), "cases", "-o", "out.csv")
scoring("input_is_a_link", lambda f: (f / "link.csv").symlink_to("cases.csv"), "link.csv", "-o", "out.csv", ids="ab")
scoring("input_is_a_dangling_link", lambda f: (f / "link.csv").symlink_to("none.csv"), "link.csv", "-o", "out.csv")
scoring("input_is_a_link_to_itself", lambda f: (f / "link.csv").symlink_to("link.csv"), "link.csv", "-o", "out.csv")
scoring("input_is_dev_null", nothing, "/dev/null", "-o", "out.csv")
scoring("input_is_dev_zero", nothing, "/dev/zero", "-o", "out.csv")
scoring("input_is_standard_input", nothing, "-", "-o", "out.csv", ids="ab", stdin="cases.csv")
scoring(
    "input_is_memory_of_a_process", lambda f: (f / "link.csv").symlink_to("/proc/self/mem"), "link.csv", "-o", "out.csv"
)
scoring(
    "input_has_a_name_of_odd_bytes",
    lambda f: (f / "cases.csv").rename(f / "\udcff.csv"),
    "\udcff.csv",
    "-o",
    "out.csv",
    ids="ab",
)
scoring("output_is_the_input", nothing, *out("cases.csv"))
scoring("output_is_the_input_another_way", lambda f: (f / "d").mkdir(), *out("d/../cases.csv"))
scoring("output_is_a_link_to_the_input", lambda f: (f / "out.csv").symlink_to("cases.csv"), *out("out.csv"))
scoring("output_is_a_hard_link_to_the_input", lambda f: os.link(f / "cases.csv", f / "out.csv"), *out("out.csv"))
scoring("output_is_a_folder", lambda f: (f / "out.csv").mkdir(), *out("out.csv"))
scoring("output_is_a_dangling_link", lambda f: (f / "out.csv").symlink_to("real.csv"), *out("out.csv"), ids="ab")
scoring("output_is_a_link_into_nowhere", lambda f: (f / "out.csv").symlink_to("none/real.csv"), *out("out.csv"))
scoring("output_is_a_link_to_itself", lambda f: (f / "out.csv").symlink_to("out.csv"), *out("out.csv"))
scoring("output_in_no_folder", nothing, *out("none/out.csv"))
scoring("output_below_a_file", nothing, *out("cases.csv/out.csv"))
scoring("output_where_nobody_may_write", nothing, *out("/proc/out.csv"))
scoring("output_of_no_ending", nothing, *out("out"))
scoring("output_of_another_ending", nothing, *out("out.xlsx"))
scoring("output_of_a_long_name", nothing, *out("o" * 251 + ".csv"))
scoring("output_of_too_long_a_name", nothing, *out("o" * 252 + ".csv"))
scoring("output_of_an_empty_name", nothing, *out(""))
scoring("output_is_always_full", nothing, *out("/dev/full"))
scoring("rejects_are_the_output", nothing, *out("out.csv"), "--rejects", "./out.csv")
scoring("rejects_are_the_input", nothing, *out("out.csv"), "--rejects", "cases.csv")
scoring("rejects_are_a_folder", lambda f: (f / "r.csv").mkdir(), *out("out.csv"), "--rejects", "r.csv")
scoring("rejects_are_parquet", nothing, *out("out.csv"), "--rejects", "r.parquet")
scoring("rejects_in_no_folder", nothing, *out("out.csv"), "--rejects", "none/r.csv")
scoring("kept_column_is_of_the_output", nothing, *out("out.csv"), "--keep", "dvt")

importing("bif_of_bytes", "n.bif", bytes(range(256)))
importing("xdsl_bomb", "n.xdsl", BOMB.format("".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 30))))
importing("xdsl_that_reads_another_file", "n.xdsl", FOREIGN)
importing("json_nested_deep", "n.json", "[" * 100_000)
importing("json_of_another_kind", "n.json", '{"a": NaN}')
importing(
    "uai_of_a_huge_table",
    "n.uai",
    "BAYES\n40\n" + "2 " * 40 + "\n1\n40 " + " ".join(map(str, range(40))) + "\n\n2\n0.5 0.5\n",
)
importing("uai_of_negative_counts", "n.uai", "BAYES\n-3\n2 2 2\n-1\n")
importing("net_of_rubbish", "n.net", "net {}\nnode a { states = (" + '"x" ' * 10_000)
