"""The language part: training data in, understandings out. Knows nothing of `bot`."""
