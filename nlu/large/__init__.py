"""A knowledge base of so many passages that a message is compared in full with a few articles alone."""
