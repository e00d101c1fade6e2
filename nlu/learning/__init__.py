"""What becomes training data of conversations: redaction first, then what is worth a person's look."""
