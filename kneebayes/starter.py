"""A first model file to start one's own from."""

from __future__ import annotations

import os
import re
from pathlib import Path

from kneebayes.errors import ModelFileError

__all__ = ["start_model", "starter_text"]

TEMPLATE = Path(__file__).with_name("starter.yaml")
ENDINGS = (".yaml", ".yml")


def starter_text(name: str) -> str:
    """Write a small model file with comments.

    Parameters
    ----------
    name : str
        Of the model: small letters, digits and _, a letter first.

    Returns
    -------
    str
        YAML of a model that is complete and consistent.

    Raises
    ------
    ModelFileError
        If the name is not one.

    Examples
    --------
    >>> from kneebayes.modelfile import parse_model
    >>> parse_model(starter_text("sore_elbow")).name
    'sore_elbow'
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ModelFileError(f"model name '{name[:60]}': write small letters, digits and _, a letter first: sore_elbow")
    return re.sub(r"\bNAME\b(?! \()", name, TEMPLATE.read_text(encoding="utf-8"))


def start_model(path: str | os.PathLike[str]) -> Path:
    """Write a first model file.

    Parameters
    ----------
    path : str or path-like
        Where to, as ``sore_elbow`` or ``models/sore_elbow.yaml``; the last
        part without its ending is the name of the model.

    Returns
    -------
    pathlib.Path
        Of the file.

    Raises
    ------
    ModelFileError
        If the file is there already, its name is no name for a model, or it
        can't be written.
    """
    path = Path(path)
    if path.suffix not in ENDINGS:
        path = path.with_name(f"{path.name}.yaml")
    text = starter_text(path.stem)
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        raise ModelFileError(f"{path}: is there already; take another name, or remove it first") from None
    except OSError as error:
        raise ModelFileError(f"{path}: can't write the model file: {error}") from error
    return path
