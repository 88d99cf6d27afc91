"""A CSV file of cases to which cases are added one at a time."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path

from kneebayes.errors import FileFormatError
from kneebayes.model import ModelFile
from kneebayes.vocabulary import CASE_ID

__all__ = ["CaseFile"]


class CaseFile:
    """A CSV file to add cases to; it need not be there yet.

    Parameters
    ----------
    path : str or pathlib.Path
        Must end in .csv.
    model : ModelFile
        Whose variables are the columns.

    Raises
    ------
    FileFormatError
        If cases can't be added to the file: it is not plain CSV, or lacks
        columns of the model. Better known before an interview than after.
    """

    def __init__(self, path: str | Path, model: ModelFile) -> None:
        self.path = Path(path).expanduser()
        self.model = model
        if self.path.suffix.lower() != ".csv":
            raise FileFormatError(f"{self.path}: cases are added to plain CSV: give a name that ends in .csv")
        if not self.path.parent.is_dir():
            raise FileFormatError(f"{self.path}: there is no folder {self.path.parent}")
        self.columns()

    def columns(self) -> list[str]:
        """Read the columns of the file, or name those that it will have.

        Returns
        -------
        list of str
            In order.

        Raises
        ------
        FileFormatError
            As for the class.
        """
        every = [CASE_ID, *dict.fromkeys([*self.model.inputs, *self.model.variables])]
        if self.path.exists() and not self.path.is_file():
            raise FileFormatError(f"{self.path}: is no ordinary file: give a name that ends in .csv")
        try:
            if not self.path.exists() or self.path.stat().st_size == 0:
                return every
            with self.path.open(encoding="utf-8-sig", newline="") as stream:
                header = next(csv.reader(stream), [])
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise FileFormatError(f"{self.path}: can't read its header: {error}") from error
        lacking = [name for name in (*self.model.risks, *self.model.findings) if name not in header]
        if lacking:
            more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
            raise FileFormatError(
                f"{self.path}: has no column {', '.join(lacking[:3])}{more}: give a new file, or one that "
                "`kneebayes template` wrote"
            )
        if len(set(header)) < len(header):
            raise FileFormatError(f"{self.path}: a column stands twice in its header")
        return header

    def append(self, case: Mapping[str, object], case_id: str) -> None:
        """Add a case in one write, so that a file never holds half of it.

        Parameters
        ----------
        case : mapping of str to object
            Values by column; what is not named is left empty.
        case_id : str
            What to call it, if the file has a column for that.

        Raises
        ------
        FileFormatError
            If the file has no column for a value, or can't be written.
        """
        header = self.columns()
        homeless = [name for name in case if name not in header]
        if homeless:
            raise FileFormatError(f"{self.path}: has no column {', '.join(homeless)}")
        row = [case_id if name == CASE_ID else case.get(name, "") for name in header]
        try:
            with self.path.open("a+b", buffering=0) as stream:
                stream.seek(0)
                start = stream.readline()
                end = "\r\n" if start.endswith(b"\r\n") else "\n"
                text = io.StringIO()
                writer = csv.writer(text, lineterminator=end)
                if not start:
                    writer.writerow(header)
                else:
                    stream.seek(-1, io.SEEK_END)
                    text.write("" if stream.read(1) == b"\n" else end)
                writer.writerow(row)
                size = stream.seek(0, io.SEEK_END)
                rest = text.getvalue().encode("utf-8")
                try:
                    while rest:
                        rest = rest[stream.write(rest) :]
                    os.fsync(stream.fileno())
                except OSError:
                    os.truncate(self.path, size)  # a full disk has taken the first half
                    raise
        except OSError as error:
            raise FileFormatError(f"{self.path}: can't add a case: {error}") from error
