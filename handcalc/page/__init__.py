"""What the page of a trace says, and its formats."""
