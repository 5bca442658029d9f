"""Load: fleets of up to 100,000 units as the frames that their gateways would send, straight into Kafka or MQTT.

    base days ──▶ fleet.py ──▶ disorder.py ──▶ command.py ──▶ kafka_sink.py or mqtt_sink.py
    simulated     numbered     repeated, late,  at its pace   acknowledged ──▶ ledger.py
    plants        frames       damaged

Fleet and disorder are pure and seeded: equal words, equal bytes. The ledger says what the broker has taken, and knows
nothing of whoever reads it.
"""
