"""The third witness: the model that ships, in 50 digits, by scalars without NumPy, torch or backward functions."""
