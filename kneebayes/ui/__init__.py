"""The command line, the interview in a terminal, the explorer in a notebook."""
