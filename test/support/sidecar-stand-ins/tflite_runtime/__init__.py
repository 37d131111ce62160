"""Stands for TensorFlow Lite for Python 2.14, as far as its documentation says how it behaves."""

__version__ = "2.14.0"
