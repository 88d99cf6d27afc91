"""CSV that is broken, odd or meant to do harm: what the header says, what the text is, and what stands in cells."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa

from tests.hostile.making import CASES, CELLS, HEADER, Run, case, row, table

GOOD = row("a") + row("b", "B")
MEGABYTES_10 = 10_000_000
ACCEPTED_AGES = ("67.0", "6.7e1", "067", " 67 ", "+67", "67.", "6700e-2")
REFUSED_AGES = (
    "\uff16\uff17",
    "\u0666\u0667",
    "1 967",
    "0x43",
    "6_7",
    "67y",
    "-67",
    "inf",
    "1e999",
    "111",
    "2001-02-03",
    "12:30",
    "=67",
)
UNKNOWN_AGES = ("", "nan", "NA", "n/a", "NULL", "unknown", " ")
IDS = (
    "=1+1", "+1", "-1+2", "@SUM(A1:A9)", '=HYPERLINK("http://x","y")', "=cmd|' /C calc'!A0", "\tx", "007", "1e5",
    "2020-01-01", "🦵💥", "👩🏽‍⚕️", "a\u200bb", "\u202egnp.exe", "e\u0301", "é", " a ", "NaN", "None", "a\0b",
    "\x1b[2J", "😀" * 300, "a;b", 'a"b', "a,b", "'", "\u2028", "<script>", "../../x", "%s%n",
)  # fmt: skip


def text(name: str, content: str | bytes, ids: Sequence[str] | None = None, *options: str) -> None:
    """Take a file of this content into the corpus."""

    def make(folder: Path) -> Run:
        table(folder, content)
        return Run((*Run.arguments, *options), ids)

    made(name, make)


def made(name: str, make: Callable[[Path], Run | None]) -> None:
    """Take a function into the corpus, under a name of its own."""
    make.__name__ = name
    case(make)


def quoted(value: str) -> str:
    """Write a cell in quotes."""
    return '"' + value.replace('"', '""') + '"'


def column(name: str, values: Sequence[str]) -> str:
    """Write a file with a column of these values, beside what case A has; ids are numbers."""
    others = {key: value for key, value in CELLS["A"].items() if key != name}
    rows = (f"{i},{quoted(value)}," + ",".join(others.values()) for i, value in enumerate(values))
    return f"case_id,{name}," + ",".join(others) + "\n" + "".join(f"{line}\n" for line in rows)


# Encodings

text("plain", HEADER + GOOD + row("n", "N"), "abn")
text("utf16_with_mark", (HEADER + GOOD).encode("utf-16"))
text("utf16_big_endian", b"\xfe\xff" + (HEADER + GOOD).encode("utf-16-be"))
text("utf16_without_mark", (HEADER + GOOD).encode("utf-16-le"))
text("utf32", (HEADER + GOOD).encode("utf-32"))
text("utf8_mark", "\ufeff" + HEADER + GOOD, "ab")
text("utf8_mark_twice", "\ufeff\ufeff" + HEADER + GOOD)
text("latin1_cell", (HEADER + row("é") + GOOD).encode("latin-1"), "ab")
text("latin1_header", (HEADER.replace("age", "âge") + GOOD).encode("latin-1"))
text("ebcdic", (HEADER + GOOD).encode("cp500"))
text("overlong_utf8", HEADER.encode() + b"\xc0\xaf" + row("").encode() + GOOD.encode(), "ab")
text("surrogate_utf8", HEADER.encode() + b"\xed\xa0\x80" + row("").encode() + GOOD.encode(), "ab")
text(
    "every_private_character_and_a_bad_byte",
    HEADER.encode() + "".join(map(chr, range(0xE000, 0xF900))).encode() + row("").encode() + b"\xff" + row("").encode(),
)

# Line ends

text("crlf", (HEADER + GOOD).replace("\n", "\r\n"), "ab")
text("returns_alone", (HEADER + GOOD).replace("\n", "\r"), "ab")
text(
    "mixed_line_ends",
    HEADER + row("a") + row("b", "B").replace("\n", "\r\n") + row("c").replace("\n", "\r") + row("d"),
    "abcd",
)
text("no_last_line_end", (HEADER + GOOD).rstrip("\n"), "ab")
text("blank_lines", "\n\r\n" + HEADER + "\n\n" + row("a") + "\n" * 1000 + row("b", "B") + "\n\n", "ab")
text("line_of_blanks", HEADER + row("a") + "   \n" + row("b", "B"), "ab")
text("unicode_line_ends_are_text", HEADER + row("a\u2028b") + row("c\x85d", "B"), ["a\u2028b", "c\x85d"])

# NULs

text("nul_in_header", HEADER.replace("age", "a\0ge") + GOOD)
text("nul_in_value", HEADER + row("a") + "b,6\x007,,,\n")
text("nul_block_at_the_end", HEADER + GOOD + "\0" * 70_000, "ab")
text("only_nuls", "\0" * 70_000)

# Quotes

text("quotes_everywhere", HEADER + '"a","67","male","present","present"\n', "a")
text("doubled_quotes", HEADER + row(quoted('a "x",')) + row("b", "B"), ['a "x",', "b"])
text("ids_that_run_over_lines", HEADER + row(quoted("x\ny")) + row(quoted("x\ry")) + row(quoted("x\r\n")) + GOOD, "ab")
NOTES = HEADER.replace("\n", ",note\n") + GOOD.replace("\n", ',"hot,\r\n\n""red"""\n')
text("notes_that_run_over_lines", NOTES, "ab", "--ignore", "note")
text("quote_inside_a_field", HEADER + row('5" scar') + row("b", "B"), ['5" scar', "b"])
text("quote_never_closed", HEADER + row("a") + '"b,30\n' + row("c"))
text("quote_closed_much_later", HEADER + row('"a') + row("b", "B") + row('c"') + row("d"), "d")
text("quote_open_in_header", 'case_id,"age,sex\n' + GOOD)
text("text_after_a_quote", HEADER + row('"a"x') + row("b", "B"), ["ax", "b"])
text("nothing_but_quotes", HEADER + '"' * 60_000 + "\n" + GOOD)
text("quotes_of_16_mb", HEADER + GOOD * 9_000 + 'x,"' + ('""' * 20_000 + "\n") * 420)
text("single_quotes_are_text", HEADER + row("'a,b'"))

# Sizes

text("id_of_10_mb", HEADER + "x" * MEGABYTES_10 + ",old,m,maybe,perhaps\n" + GOOD, "ab")
text("id_of_10_mb_scored", HEADER + row("x" * MEGABYTES_10) + row("b", "B"), ["x" * MEGABYTES_10, "b"])
text("digits_of_10_mb", HEADER + "x," + "9" * MEGABYTES_10 + ",,,\n" + GOOD, "ab")
text("word_of_10_mb", HEADER + "x,,," + "present:1;" * 1_000_000 + ",\n" + GOOD, "ab")
text("row_of_40_mb", HEADER + "x" * 40_000_000)
WIDE = [f"true_{i}" for i in range(10_000)]
text("columns_10000", ",".join(["case_id", *WIDE]) + "\n" + "".join(f"{i}" + ",x" * 10_000 + "\n" for i in range(40)))
text("columns_10000_and_blank_lines", ",".join(["case_id", *WIDE]) + "\n" + "\n" * 1_000_000)
text("columns_10000_unknown", ",".join(["case_id", *(f"x{i}" for i in range(10_000))]) + "\n")
text("other_words_in_every_cell", HEADER + "".join(f"{i},old,man,da,nein\n" for i in range(5_000)))

# Headers

text("empty_file", "")
text("blank_file", " \n\n")
text("mark_alone", "\ufeff")
text("header_only", HEADER)
text("header_missing", GOOD)
text("name_twice", HEADER.replace("sex", "age") + GOOD)
text("name_twice_but_for_blanks", HEADER.replace("sex", " age ") + GOOD)
text("name_blank", HEADER.replace("sex", "") + GOOD)
text("header_in_capitals", HEADER.upper() + GOOD)
text("header_with_blanks", HEADER.replace(",", " ,\t") + GOOD, "ab")
text("header_with_zero_width_space", HEADER.replace("age", "age\u200b") + GOOD)
text("header_in_cyrillic_letters", HEADER.replace("age", "\u0430ge") + GOOD)
text("unknown_column", HEADER.replace("\n", ",colour\n") + "a,67,male,present,present,red\n")
text("column_misspelt", HEADER.replace("calf_pain", "calf_pian") + GOOD)
text("formula_as_a_name", HEADER.replace("sex", "=1+1") + GOOD)
text("semicolons", (HEADER + GOOD).replace(",", ";"))
text("tabs", (HEADER + GOOD).replace(",", "\t"))
text("bars", (HEADER + GOOD).replace(",", "|"))
text("semicolons_below", HEADER + GOOD.replace(",", ";"))
text("separator_line_of_excel", "sep=,\n" + HEADER + GOOD)

# Rows

text("trailing_commas", HEADER.replace("\n", ",\n") + GOOD.replace("\n", ",\n"))
text("trailing_comma_in_rows", HEADER + GOOD.replace("\n", ",\n"))
text("ragged_rows", HEADER + "x,67\n" + row("a") + "y,1,2,3,4,5,6\nz\n" + row("b", "B"), "ab")
text("same_id_again", HEADER + row("a") + row("a", "B") + row("b", "B"), "ab")
text("ids_empty", HEADER + row("") + row("", "B"), ["", ""])

# Values

text("ages_as_spreadsheets_write_them", column("age", ACCEPTED_AGES))
text("ages_that_are_none", column("age", REFUSED_AGES))
text("ages_unknown", "case_id,age\n" + "".join(f"{i},{age}\n" for i, age in enumerate(UNKNOWN_AGES)))
text("age_with_thousands_separator", HEADER + 'x,"1,067",male,,\n' + 'y,"67,0",male,,\n' + row("a"), "a")
text("yes_in_many_ways", column("calf_pain", ("yes", "YES", "True", "1", "1.0", " present ", "present:1")))
text(
    "yes_in_ways_that_are_none",
    column("calf_pain", ("j", "x", "01", "1e0", "\uff11", "2", "да", "present:2", ":", "=1")),
)
text("ids_that_do_things", HEADER + "".join(row(quoted(name)) for name in IDS), IDS)
text("ids_that_do_things_refused", HEADER + "".join(f"{quoted(name)},old,,,\n" for name in IDS) + row("a"), "a")
text("contradiction", "case_id,sex,pregnancy\nx,male,pregnant\ny,female,\n", "y")

# Compression


def packed(name: str, content: bytes, ending: str, ids: Sequence[str] | None = None) -> None:
    """Take a compressed file into the corpus."""

    def make(folder: Path) -> Run:
        table(folder, content, f"cases.csv.{ending}")
        return Run(("score", f"cases.csv.{ending}", *Run.arguments[2:]), ids)

    made(name, make)


def zstd(content: bytes) -> bytes:
    """Compress."""
    return bytes(pa.Codec("zstd").compress(content))


def gz(content: bytes) -> bytes:
    """Compress, without the time, so that the bytes are always the same."""
    return gzip.compress(content, mtime=0)


WHOLE = (HEADER + GOOD).encode()
LONG = (HEADER + "".join(row(f"c{i}") for i in range(3_000))).encode()
packed("gzip_sound", gz(WHOLE), "gz", "ab")
packed("gzip_of_two_members", gz(WHOLE[:40]) + gz(WHOLE[40:]), "gz", "ab")
packed("gzip_truncated", gz(LONG)[:-9], "gz")
packed("gzip_without_its_end", gz(LONG)[:-4], "gz")
packed("gzip_of_another_checksum", gz(LONG)[:-8] + b"\0" * 4 + gz(LONG)[-4:], "gz")
packed("gzip_with_rubbish_after", gz(LONG) + b"rubbish", "gz")
packed("gzip_twice", gz(gz(WHOLE)), "gz")
packed("gzip_by_name_only", WHOLE, "gz")
packed("gzip_empty", b"", "gz")
packed("gzip_bomb_of_blank_lines", gz(HEADER.encode() + b"\n" * 60_000_000), "gz")
packed("gzip_bomb_of_one_row", gz(HEADER.encode() + b"0" * 60_000_000), "gz")
packed("zstd_sound", zstd(WHOLE), "zst", "ab")
packed("zstd_truncated", zstd(LONG)[:-9], "zst")
packed("zstd_by_name_only", WHOLE, "zst")
packed("zstd_of_a_window_of_2_gb", b"\x28\xb5\x2f\xfd\x00\xa8" + b"\x01\x00\x00", "zst")
text("gzip_named_csv", gz(WHOLE))
text("zstd_named_csv", zstd(WHOLE))
text("excel_named_csv", b"PK\x03\x04" + bytes(100))
text("parquet_named_csv", b"PAR1" + bytes(100))
text("json_named_csv", '{"case_id": "a", "age": 67}\n')
text("html_named_csv", "<!DOCTYPE html>\n<html><body>Not found</body></html>\n")
assert CASES
