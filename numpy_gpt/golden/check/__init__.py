"""Whether each array of a port follows from its own earlier ones, and which mistake explains one that does not."""
