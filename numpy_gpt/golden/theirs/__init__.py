"""What a port wrote: its files, its names, and the checks that its arrays fit the pack."""
