"""Other programs' forms of the network and its results: exchange formats, pgmpy, FHIR."""
