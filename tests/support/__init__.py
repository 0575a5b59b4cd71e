"""Shared test support: sandboxes with worker processes, fake clock and servers, terminal drivers, and the cost recorder."""
