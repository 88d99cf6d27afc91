"""What is said of one case: posteriors, alarm, explanation, what to ask next, how sure."""
