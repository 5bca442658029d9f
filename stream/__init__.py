"""Stream apps on Faust: batches of records in, scores and alerts out.

app.py says what an app is; runtime.py runs one on Kafka, replay.py over records without it.
"""
