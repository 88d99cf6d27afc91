"""Exact inference: from coded evidence to posteriors.

Public to the other rooms: `CompiledModel` (`network`), evidence (`evidence`), tables and the vector of numbers
(`tables`, `parameters`), expected counts (`counts`), one case under many versions of the numbers (`versions`).
"""
