"""Messaging providers, played on this machine: strict about what they are sent, and able to fail in every way."""
