"""A table or file of cases to a table or file of posteriors.

Public: `score_file` and its `ScoreSummary` (`score_file`), `open_reader` and what it gives (`readers`), `open_writer`
(`writers`), `Scorer` and what it gives of a table (`scorer`).
"""
