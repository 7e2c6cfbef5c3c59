"""The recorder's own proof: what is written down is replayed bit for bit, and what cannot be is refused."""
