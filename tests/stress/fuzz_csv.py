"""Coverage-guided fuzzing of the way from CSV text to posteriors.

    python -m venv fuzz && fuzz/bin/pip install atheris -e . && fuzz/bin/python -m tests.stress.fuzz_csv FOLDER 600

FOLDER keeps the inputs that reached something new, and the seconds are how long
to go on; what libFuzzer knows besides may follow (``-runs=0`` only replays). An
input that breaks a promise ends the run, and is left in FOLDER as ``crash-...``.

Each input is a body under a header that the model knows, or a whole file. The
sizes of pieces are shrunk, so that few bytes make many. What must hold:

- nothing but a KneeBayesError is raised;
- rows are the same whether read in many small pieces or in one;
- the compiled splitter, where it does not pass, and Python's own csv module read what pyarrow reads;
- the counts add up, output and rejects are CSV with a line for each, and no
  temporary file is left;
- a row that is scored has the same numbers as alone in a file.
"""

from __future__ import annotations

import csv
import io
import os
import tempfile
from pathlib import Path
from typing import Any

from tests.stress.fuzzing import fuzz

HEADER = b"case_id,age,sex,calf_pain,unilateral_leg_swelling,duration_days\n"
SEEDS = (
    b"c1,67,male,present,yes,3\nc2,,,,,\nc3,old,,,,\n",
    b'"c,1",67,"male",1,0,\r\n"c\n2",5,female,absent,unknown,100\r\n',
    b"c1,1e1,MALE,True,false,0.5\rc2,-1,,,,\rc1,3,,,,\r",
    b"\n\n=1+1,50,,present:0.8,,\n\xff,1,,,,\nc\xc3\xa9,2,x\n",
    b'c1,"67""",,,,\nc2,6"7,,,,\nc3,"open',
    b"\0,\0,,,,\n,,,,,\n,nan,N/A,null,<NA>,inf\n",
)
SMALL = {"FIRST_BYTES": 128, "MIN_PIECE_BYTES": 24, "MAX_PIECE_BYTES": 24, "MAX_ROW_BYTES": 1 << 11}
INSTRUMENTED = ("scoring.readers", "scoring.score_file", "scoring.writers", "cases.coding", "cases.problems")
MOST_ALONE = 3
ROUNDING = 1e-12


class Promises:
    """What an input is tried with."""

    def __init__(self) -> None:
        import kneebayes
        from kneebayes import errors
        from kneebayes.scoring import readers

        self.readers = readers
        self.model = kneebayes.load_model()
        self.error = errors.KneeBayesError
        self.large = {name: getattr(readers, name) for name in SMALL}
        self.folder = Path(tempfile.mkdtemp(prefix="fuzz_csv_", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))

    def __call__(self, data: bytes) -> None:
        """Try one input."""
        if not data:
            return
        how, body = data[0], data[1:]
        content = body if how & 1 else HEADER + body
        try:
            whole = self.rows(content, self.large)
        except self.error:
            whole = None
        try:
            cut = self.rows(content, SMALL)
        except self.error as error:
            cut = None
            if whole is not None and "bytes" not in str(error) and "never closed" not in str(error):
                raise AssertionError(f"refused in pieces only: {error}") from error
        if cut is not None:
            assert cut == whole, f"in pieces {cut}, in one {whole}"
        if whole is not None:
            self.as_python_reads(content, whole)
        if not how & 12:  # slower by far
            self.end_to_end(content)

    def rows(self, content: bytes, sizes: dict[str, int]) -> tuple[Any, ...]:
        """Read a file: names, rows that could be read with their numbers, rows refused."""
        for name, size in sizes.items():
            setattr(self.readers, name, size)
        source = self.readers._CsvReader("fuzz.csv", io.BytesIO(content), None, chunk_rows=1)
        good, bad, n_read = [], [], 0
        for piece in source.pieces():
            part = source.parse(piece)
            columns = [part.table[name].to_pylist() for name in source.names]
            good += [
                (n_read + int(at), *row) for at, row in zip(part.positions, zip(*columns, strict=True), strict=True)
            ]
            bad += [(n_read + problem.row, problem.column) for problem in part.problems]
            n_read += part.n_read
        assert n_read == len(good) + len({row for row, _ in bad})
        return source.names, good, sorted(bad)

    def as_python_reads(self, content: bytes, found: tuple[Any, ...]) -> None:
        """Compare with Python's csv module."""
        names, good, bad = found
        try:
            text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
            # Any line end may end a row, and an empty line is none.
            rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=False) if row]
        except (UnicodeDecodeError, csv.Error):
            return
        if "\n" not in text[: SMALL["FIRST_BYTES"]] and "\r" in text:
            return  # read as of an old Mac: returns within quotes become line feeds
        place = names.index("case_id") if "case_id" in names else None
        right = [len(row) == len(names) and (place is None or not set(row[place]) & {"\n", "\r"}) for row in rows[1:]]
        expected = [(i, *row) for i, row in enumerate(rows[1:]) if right[i]]
        assert good == expected, f"read {good}, but Python's csv {expected}"
        assert [row for row, _ in bad] == [i for i, is_right in enumerate(right) if not is_right]

    def score(self, content: bytes, name: str) -> tuple[Any, list[list[str]], list[list[str]]] | None:
        """Score a file into files, and read them."""
        source, target, rejects = (self.folder / f"{name}{kind}.csv" for kind in ("", "_out", "_rejects"))
        source.write_bytes(content)
        for path in (target, rejects):
            path.unlink(missing_ok=True)
        try:
            counts = self.model.score_file(source, target, rejects=rejects, chunk_rows=1)
        except self.error:
            assert not target.exists()
            assert not rejects.exists()
            assert not list(self.folder.glob(".*"))
            return None
        assert not list(self.folder.glob(".*"))
        tables: list[list[list[str]]] = []
        for path in (target, rejects):
            with path.open(encoding="utf-8", newline="") as stream:
                tables.append(list(csv.reader(stream, strict=True)))
        return counts, tables[0], tables[1]

    def end_to_end(self, content: bytes) -> None:
        """Score the file, and some of its rows alone."""
        for name, size in SMALL.items():
            setattr(self.readers, name, size)
        scored = self.score(content, "all")
        if scored is None:
            return
        counts, out, rejects = scored
        assert counts.read == counts.scored + counts.rejected
        assert len(out) - 1 == counts.scored
        assert len({row[0] for row in rejects[1:]}) == counts.rejected
        assert all(len(row) == len(out[0]) for row in out)
        names, good, _ = self.rows(content, self.large)
        refused = {int(row[0]) for row in rejects[1:]}
        accepted = [row[1:] for row in good if row[0] + 1 not in refused]
        assert len(accepted) == counts.scored
        for cells, line in list(zip(accepted, out[1:], strict=True))[:MOST_ALONE]:
            text = io.StringIO(newline="")
            csv.writer(text, quoting=csv.QUOTE_ALL).writerows([names, cells])
            alone = self.score(text.getvalue().encode("utf-8"), "alone")
            assert alone is not None
            for name, one, other in zip(out[0], alone[1][1], line, strict=True):
                said = f"{name} alone {one}, in the file {other}"
                if name in self.model.network.columns:  # engines, chosen by the size of a file, agree but for rounding
                    assert abs(float(one) - float(other)) < ROUNDING, said
                else:
                    assert one == other, said


def main() -> None:
    """Fuzz."""
    seeds = {f"seed_{i}_{how[0]}": how + seed for i, seed in enumerate(SEEDS) for how in (b"\0", b"\2")}
    seeds |= {f"seed_{i}_file": b"\3" + HEADER + seed for i, seed in enumerate(SEEDS)}
    fuzz(Promises(), seeds, INSTRUMENTED, ["-timeout=60", "-rss_limit_mb=2000", "-max_len=4000", "-len_control=20"])


if __name__ == "__main__":
    main()
