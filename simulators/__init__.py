"""Simulated plants that speak the real protocols, and the demo that runs all of Plenum on one.

Of ours they import `models.contracts` only; the demo starts the other parts as processes, as a user would.
"""
