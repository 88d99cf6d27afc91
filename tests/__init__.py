"""Tests that are the reference of what kneebayes does."""
