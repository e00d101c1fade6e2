"""The conversation log in SQL: the one truth about what was said, answered and still has to be."""
