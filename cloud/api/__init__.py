"""The HTTP side: JSON under `/v1`, the event stream, health checks; the pages of `cloud/dashboard` stand beside it."""
