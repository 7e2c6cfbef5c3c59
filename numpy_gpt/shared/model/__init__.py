"""A model without its mathematics: its config, the one list of names, initial values, and checks of inputs."""
