"""The runs view (F2): runs and their traces."""
