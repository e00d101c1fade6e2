"""What a customer said is removed: because they asked for it, or because it is old."""
