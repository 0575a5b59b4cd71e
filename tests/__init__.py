"""Tests through the public surface: real graphs, real worker processes, and the console in a real terminal."""
