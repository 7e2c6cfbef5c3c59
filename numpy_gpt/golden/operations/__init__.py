"""One operation a file: its arrays forward, below them backward, and last the mistakes that ports make in it."""
