"""Checking a port: does each of its arrays follow from its own earlier ones, and if not, which mistake explains it?"""
