"""The causal average in four versions, from a loop to self-attention."""
