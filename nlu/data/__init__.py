"""Reads and checks training data and the knowledge base; no torch."""
