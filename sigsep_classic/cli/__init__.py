"""The command line: one file a verb, each imported when it is the one asked for.

``main`` picks the verb and holds the one error handler; ``work`` does one file, ``pool`` does many.
Nothing here imports NumPy before a verb has work for it, so that ``--help`` costs what starting Python costs.
"""
