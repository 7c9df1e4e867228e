"""A page on this computer to try methods on: drop a recording, move parameters, listen, look, take the code away.

`controls`, `code` and `curve` are functions of values alone; `work` is done by a process of its own, which `jobs`
starts, watches and ends; `page` shows with NiceGUI what they say; `server` and `guard` let nobody in but the browser of
this computer that was given the key.
"""
