"""``kneebayes`` and ``python -m kneebayes``: the command line, which can be stopped while it is imported or set up."""

import sys


def main() -> None:
    """Run the command line."""
    try:
        from kneebayes.ui.cli import main as run

        run()
    except KeyboardInterrupt:
        if sys.stderr is not None:
            print("kneebayes: stopped", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
