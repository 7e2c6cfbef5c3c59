"""What the benchmark commands share: their parser, conditions, interleaved timing, the memory model."""
