"""The command line, the interview in a terminal, the explorer in a notebook and on a page of its own."""

STOP_BELOW = 0.05  # probability of a change; tests/benchmarks/questions.py shows what it costs and saves
