"""Servers that run as our own children, with their data in one folder: nothing to install."""
