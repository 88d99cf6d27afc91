"""Other programs' forms of the network and its results.

Public: `export` (`export`) and `import_model` (`importing`) for the exchange formats, `to_pgmpy` and the slow
`Reference` (`pgmpy`), resources of FHIR (`fhir`). `Model` and `Diagnosis` offer all of them.
"""
