"""Journeys through graphs in graphs."""
