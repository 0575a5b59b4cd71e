"""The insights view (F4): statistics of decisions and reviewers."""
