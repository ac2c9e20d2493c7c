"""
The event feed: what happened, in one order for every reader, page by page or as a stream.

Positions are given by one writer at a time after the events are committed, so a reader that
goes on from its cursor misses nothing that committed late.
"""
