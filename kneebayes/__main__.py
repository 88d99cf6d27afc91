"""``python -m kneebayes`` is the ``kneebayes`` command."""

from kneebayes.ui.cli import main

if __name__ == "__main__":
    main()
