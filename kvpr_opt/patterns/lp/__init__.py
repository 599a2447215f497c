"""The linear program over patterns: master, interior point method and pricing."""
