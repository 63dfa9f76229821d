"""Other people's ways to make and seal a page, each as its documentation says.

`launch` runs what needs an environment of its own: `.venv-peers` (requirements/peers.txt)
and `node/` beside this package. Both are made by `make bench`; what did not install is
named in the table.
"""
