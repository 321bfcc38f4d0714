"""Shared by all rooms: settings, errors, files."""
