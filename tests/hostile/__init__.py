"""Hostile and broken inputs: what makes each, and in ``expected.csv`` what must come of it."""
