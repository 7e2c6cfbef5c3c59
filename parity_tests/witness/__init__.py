"""The third witness: the model that ships, in 50 digits, by scalars that know nothing of NumPy, torch or backward."""
