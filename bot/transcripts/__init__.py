"""What customers said, from the conversation log and from transcripts of elsewhere, kept for learning."""
