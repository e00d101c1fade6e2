"""`frontdesk outbox` and `frontdesk dead`: what did not arrive, and what was not answered, for a person to decide."""
