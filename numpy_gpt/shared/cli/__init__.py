"""The command line of both programs: the parser, one file per command, progress and tables."""
