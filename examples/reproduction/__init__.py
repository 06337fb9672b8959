"""The systems of the tutorials, on their data, beside plain Keras; run by ``reproduce.py``."""
