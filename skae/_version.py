"""The version of skae, which needs no metadata of an installation."""

__version__ = "0.1.0"
