import sys

sys.exit("no API key")
