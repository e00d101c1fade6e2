"""The dialogue: what the assistant does next, as pure functions of what was said before."""
