"""Tests of handcalc; README.md says what belongs here."""
