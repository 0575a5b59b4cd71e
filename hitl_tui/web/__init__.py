"""The console in a browser: who may enter, the page, and a console process for each page."""
