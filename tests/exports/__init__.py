"""Exports as hospitals make them, and headers as clinicians write them: what of them is read, and how."""
