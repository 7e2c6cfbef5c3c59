"""The command line of both twins: the parser, one file a command, and what the commands print."""
