"""Trains and scores models, and writes the reports."""
