"""The web widget and the demo page: static files that run in the visitor's browser."""
