"""Values that travel as JSON."""

from __future__ import annotations

from typing import Any, TypeAlias

Json: TypeAlias = Any
"""Anything `json.loads` returns."""
