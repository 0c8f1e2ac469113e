"""What `scripts/docs` makes of the code."""
