"""How well a model does: figures, their intervals, comparisons and reports."""
