"""`python -m hitl_tui` is the command line."""

from hitl_tui.cli import main

if __name__ == "__main__":
    main()
