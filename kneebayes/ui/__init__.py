"""The command line, the interview in a terminal, the explorer in a notebook and on a page of its own."""
