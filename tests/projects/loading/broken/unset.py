import os

KEY = os.environ["HITL_TEST_NO_SUCH_KEY"]
