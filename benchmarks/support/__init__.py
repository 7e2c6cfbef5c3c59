"""What the commands share: their parser and output, the environment, timing, child processes, the memory model."""
