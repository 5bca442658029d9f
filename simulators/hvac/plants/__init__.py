"""Simulated plants for whole fleets: a year of 1,000 units at 5-minute steps within minutes, seeded.

plant.py          make(...) -> Plant: steps, points, truth, repair, meters, comfort; Machine: what each kind writes
surroundings.py   weather by site and climate, calendar, who is in the building
faults.py         families of each kind, FaultPlan, severities at an instant
wear.py           lives of parts, used up by running and stress, equal for every policy of maintenance
sensing.py        sensors: offset, noise, bias, drift, stuck, swapped, lost; the controller sees the faulty value
"""
