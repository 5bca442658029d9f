"""Any stream app on Apache Spark: the same cores, run by Structured Streaming from Kafka or in batch over Parquet.

    Kafka ──▶ live.py   a micro-batch ─▶ one group a partition ─▶ share.py ─▶ Partition.process ─▶ Kafka
                        state: snapshots of changed rows in Spark's own state store, committed with the input offsets
    Parquet ─▶ batch.py one task a partition, in the order of the log ─▶ share.py ─▶ Partition.process ─▶ Parquet

Promises: state and outputs are those of the worker and of stream/replay.py for the same log, bit for bit (a dead letter's
time of burial excepted); a query that is stopped or killed goes on from its checkpoint as if nothing had happened. No
promise: that an output is sent once only. A micro-batch that is run again sends the same messages with the same ids again.
Apps know nothing of it: an app is handed over as a `Recipe`.
"""
