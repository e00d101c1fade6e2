"""The proof of the first promise: no acknowledged message lost, none answered twice, whatever is killed."""
