"""The doors: one file a channel."""
