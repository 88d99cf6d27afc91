"""What a model is: its file, read, checked, written and described.

Public: `ModelSpec` and what it is made of (`model_spec`), `read_model`, `parse_model`, `write_model`
and the JSON Schema (`yaml_io`), and the listing (`listing`).
"""
