"""The page of a trace: its content, and the formats in which it is written."""
