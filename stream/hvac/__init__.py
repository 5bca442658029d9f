"""The HVAC app: will this unit fail soon, and why?

    hvac.frames.v1 ──────▶ decode ─▶ update: chain.py   order of each unit's frames, duplicates, what came too late
    hvac.edge_alerts.v1 ─▶           update: state.py   rows, waves: the j-th frame of every unit in the batch
                                     score              samples to minutes, models.hvac.monitor judges each minute ─▶ health
                                     decide             models.hvac.episodes: raise once, clear once ─────────────▶ alerts
                                     poison ──────────────────────────────────────────────────────────────────▶ hvac.dead.v1

    key       site/unit, on hvac.frames.v1, hvac.edge_alerts.v1, hvac.health.v1, hvac.alerts.v1
    remembers one row a unit and partition: the monitor's windows and open episodes, the place in the chain of frames;
              beside it a row for historical frames, which are scored in silence
    state     hvac.state.v1, compacted: snapshots that carry the offsets they cover
    knows     hvac.layouts.v1, read to its end before the first frame and again when a frame names an unknown layout
    forgets   a unit from which nothing came for `evict_days` of Kafka's time (evict.py): its open alerts are closed and say
              why, its row is given to the next new unit, and if it comes back it starts anew
    run       python -m stream hvac --settings FILE

A unit takes 7.8 kB of memory, twice that if it has sent historical frames, and 1 to 4 kB of a snapshot.

Promises: live state and the set of alerts are the same for every order of arrival within the wait (5 s of Kafka's time) and
any number of duplicates; a restart, however rude, changes neither; every record is folded, historical, a duplicate, or a
dead letter. No promise: that an output is sent once only. It has the same id each time.
"""
