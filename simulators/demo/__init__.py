"""A whole site on one machine: the demo and the replay start every process of Plenum, and judge what came out.

It starts the other parts as programs and speaks to them over their protocols, so it imports none of them.
"""
