"""``python -m kneebayes`` is the ``kneebayes`` command."""

from kneebayes.cli import main

if __name__ == "__main__":
    main()
