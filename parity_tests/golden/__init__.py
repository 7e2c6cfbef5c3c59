"""Tests of golden packs and of their checker, with a port by another hand and the mistakes planted in it."""
