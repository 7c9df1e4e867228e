"""Everything that can go wrong with files, processes and arrays.

`table.CONDITIONS` says which condition is tested for which verb, and where; ``python -m tests.faults.table`` prints it.
"""
