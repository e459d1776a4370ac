"""Timelines for https://ui.perfetto.dev."""
