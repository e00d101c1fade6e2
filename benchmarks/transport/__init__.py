"""The transport's figures, measured on the real service in processes of its own: `python -m benchmarks.transport`."""
