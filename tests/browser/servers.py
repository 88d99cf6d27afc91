"""The explorer, JupyterLab and Notebook, started for a test on this machine, and the browser that looks at them."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
START = 60.0  # seconds within which a server must answer
STOP = 10.0


@contextmanager
def served(folder: Path, *command: str) -> Iterator[str]:
    """Run a server of this Python on a free port until the block ends.

    Parameters
    ----------
    folder : pathlib.Path
        Of its settings and its log.
    *command : str
        Arguments of Python; ``PORT`` stands for the port.

    Yields
    ------
    str
        Its address.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {name: str(folder / name.lower()) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR")}
    environment = {**os.environ, **own, "PYTHONPATH": str(ROOT)}
    arguments = [sys.executable, *(word.replace("PORT", str(port)) for word in command)]
    log = folder / "server.log"
    with log.open("w", encoding="utf-8") as said:
        server = subprocess.Popen(arguments, cwd=folder, env=environment, stdout=said, stderr=subprocess.STDOUT)
        try:
            until = time.monotonic() + START
            while not _answers(port):
                if server.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"{command[1]} did not start:\n{log.read_text(encoding='utf-8')[-3000:]}")
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            try:
                server.wait(STOP)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


@contextmanager
def shell(folder: Path, *facts: str) -> Iterator[str]:
    """Run ``kneebayes explore`` with some facts until the block ends, and give the address that it tells."""
    with served(folder, "-m", "kneebayes", "explore", "--no-browser", "--port", "PORT", *facts):
        log = folder / "server.log"
        while "(Ctrl+C" not in (said := log.read_text(encoding="utf-8")):
            time.sleep(0.05)
        yield said.split("explorer is at ")[1].split()[0]


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1.0).close()
    except OSError:
        return False
    return True
