"""Walls around what runs: each instance in a room of its own, with only the doors that the file declares.

A room has its own network, processes and view of the files, and a user of its own. `inside` is what the launcher does
(a script without imports of ours), `view` says which files a room sees, `links` and `rules` are what the kernel is told
as bytes, `router` is the network between the rooms, `walls` puts them together for one application.
"""
