"""What a run leaves on disk: tensor files, checkpoints, run directories and metrics."""
