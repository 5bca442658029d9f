"""The pages: rendered here, escaped here, kept live by the event stream; no build step, nothing from elsewhere."""
