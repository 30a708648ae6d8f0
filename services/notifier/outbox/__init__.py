"""Notices that wait: kept in Redis, sent, tried again, and marked when they ended."""
