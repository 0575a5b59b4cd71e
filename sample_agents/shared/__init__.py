"""What several sample agents use."""
