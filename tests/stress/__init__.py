"""Long experiments, run by hand: what the test suite has no time for."""
