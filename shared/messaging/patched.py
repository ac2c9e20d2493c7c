"""
Imported first by every worker process: makes the standard library cooperative.

Nothing of psycopg may be imported before, or its waits would block all greenlets.
"""

import os

os.environ["PSYCOPG_WAIT_FUNC"] = "wait_selector"

import eventlet

eventlet.monkey_patch()
