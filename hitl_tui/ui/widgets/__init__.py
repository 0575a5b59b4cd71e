"""Widgets that know nothing of reviews: virtual list, text view, header, tabs, key bar."""
