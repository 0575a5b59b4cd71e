"""Types in the states of orders.py, which are only found through their schemas."""

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from pydantic import BaseModel


class Grade(Enum):
    FINE = "fine"
    POOR = "poor"


class Spot(NamedTuple):
    row: int
    shelf: int


@dataclass
class Item:
    name: str
    grade: Grade
    spot: Spot


@dataclass
class Rare(Item):
    """Named by no schema, but a subclass of a type that one names."""

    year: int = 1900


class Address(BaseModel):
    street: str
    grade: Grade = Grade.FINE


@dataclass
class Basket:
    items: list[Item] = field(default_factory=list)
    to: "Address | None" = None


@dataclass
class Undeclared:
    """Named by no schema at all."""

    text: str


@dataclass
class Told:
    """The result of a task, which no state contains."""

    basket: Basket
