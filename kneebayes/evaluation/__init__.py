"""How the model does on labelled cases, beside others, as tables and a report."""
