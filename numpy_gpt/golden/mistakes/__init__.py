"""The mistakes that need a file of their own; those of smaller operations stand below them, in ``operations``."""
