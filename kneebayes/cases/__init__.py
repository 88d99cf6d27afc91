"""What people write about cases, as codes.

Public: `Coder` (`coding`), frames to and from Arrow (`frames`), labels and labelled cohorts (`labels`), what may be
wrong with a row and what may be said of it (`problems`).
"""
