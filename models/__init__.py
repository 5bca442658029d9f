"""Contracts and models: what crosses a boundary, and what was learned from data. Imports nothing of ours."""
