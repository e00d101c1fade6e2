"""The tests, and what they share: a running service, the demo's model, a browser, a database."""
