"""What the tests share: the comparator, strategies, training runs in lockstep."""
