"""The command line of both programs: the parser, one file a command, progress and tables."""
