"""What a training run leaves on disk: checkpoints, metrics, and the run directory that contains them."""
