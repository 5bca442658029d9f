"""Simulated air handlers that answer Modbus TCP: the physics in pure files, the protocol and the process at the rim.

    weather ─┐
    people ──┼─▶ world (mixing, coils, fan, zone, controls) ─▶ sensors ─▶ registers ─▶ emit ─▶ Modbus TCP
    faults ──┘                                                              serve keeps the time and takes orders

`world.Fleet` is what training and tests use; `python -m simulators hvac` is the same plant as a process.
"""
