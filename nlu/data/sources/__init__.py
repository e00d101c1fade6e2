"""The formats that knowledge comes in: each module reads one of them into articles."""
