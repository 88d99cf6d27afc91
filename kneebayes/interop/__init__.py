"""Other programs' forms of the network and its results.

Public: `export` and `import_model` for the exchange formats (`exchange`), `to_pgmpy` and the slow `Reference`
(`pgmpy`), resources of FHIR (`fhir`), forms (`forms`). `Model` and `Diagnosis` offer all but the last.
"""
