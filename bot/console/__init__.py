"""Pages for people: sign in, see who waits, talk to customers, look at the model."""
