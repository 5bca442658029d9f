"""Simulated plants for whole fleets: a year of 1,000 units at 5-minute steps within minutes, seeded.

    surroundings ──weather, people──▶ ┌─────────┐ ──what is true──▶ sensing ──▶ Plant.points()
    faults, wear ──severities───────▶ │ machine │ ──watts, zones──▶ meters, comfort
                                      └─────────┘

    plant.py          make(...) -> Plant: step, points, truth, repair, meters, comfort
    machine.py        what each kind of machine writes: one step, and what came of it
    surroundings.py   weather by site and climate, calendar, who is in the building
    faults.py         families of each kind, FaultPlan, severities at an instant
    wear.py           lives of parts, used up by running and stress, equal for every policy of maintenance
    sensing.py        sensors: offset, noise, bias, drift, stuck, swapped, lost; the controller sees the faulty value
    thermostat.py, rooms.py, boxes.py, coil.py, probes.py      rooms and terminals, coils at rest, exact lags
    air_handler.py    single-zone and multi-zone VAV (air_handler_sizes.py, air_path.py, duct.py)
    fan_coil.py, vav_box.py
    rooftop.py, heat_pump.py, chiller.py      with refrigerant (cycle.py, refrigerant.py) and building.py, gauges.py
    boiler.py
    lesson.py         readings over stretches of a year

A step is any from 15 to 300 s: physics is taken at rest with exact lags, loops as well tuned. `simulators.hvac.world` is
the finer plant that runs at 15 s, with loops as they are; the demo stands on it.
"""
