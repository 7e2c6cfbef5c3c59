"""The commands about attention, one file each."""
