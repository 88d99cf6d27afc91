"""A table or file of cases to a table or file of posteriors.

Public: `score_file` and its `ScoreSummary` (`score_file`), `MappedReader`, `open_reader` and what they give
(`readers`), `open_writer` (`writers`), `Scorer` and what it gives of a table (`scorer`).
"""
