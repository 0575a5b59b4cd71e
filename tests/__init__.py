"""Tests, through the public surface: real graphs, the real worker process, the console in a real terminal."""
