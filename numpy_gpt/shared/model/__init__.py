"""What a model is without its mathematics: its config, the one list of names, initial values, checks of inputs."""
