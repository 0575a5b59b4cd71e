"""Hundreds of runs of every pause, a crowd of reviewers, and things that die: afterwards the books must balance."""
