"""A table or file of cases to a table or file of posteriors."""
