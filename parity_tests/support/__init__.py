"""What the tests share: the comparator, strategies, trainings in lockstep. No test of a package."""
