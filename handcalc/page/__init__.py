"""The page of a trace: what it says, and the formats in which it is written."""
