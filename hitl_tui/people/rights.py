"""What people may do, and as whom somebody acts. Pure; every refusal is a sentence."""

from __future__ import annotations

from hitl_tui.errors import NotAllowed, Refused
from hitl_tui.model import DOES, Actor, Identified, People, Role, person_key

ASK = "ask somebody who may change people.toml: `hitl-tui people list`"
NOT_ADMITTED = "nobody can do that while people.toml has a mistake"


def identify(people: People, wanted: str, login: str, is_pinned: bool = False) -> Actor:
    """The person who acts, by the name that was given and the operating system's user.

    Args:
        people: those of the home.
        wanted: the name given with `--reviewer` or in config.toml; empty for the login.
        login: the operating system's user.
        is_pinned: whether the session was started for this name, and cannot choose another.

    Raises:
        Refused: the name is somebody else's than the login's, and people.toml does not say `trust_names = true`.
    """
    name = wanted or login
    is_login = people.same_person(name, login)
    if people.is_checked and not people.problem and not is_login and not people.trust_names and not is_pinned:
        raise Refused(
            f"you are logged in as {login}, and {name} is somebody else",
            "leave --reviewer and `reviewer` in config.toml out; with `trust_names = true` in people.toml any name is believed",
        )
    person = people.find(name)
    how = Identified.PINNED if is_pinned else Identified.LOGIN if is_login else Identified.NAMED
    return Actor(person.name if person else name, identified=how)


def refusal(people: People, name: str, role: Role) -> NotAllowed | None:
    """Why somebody may not do what a role is for; None if they may."""
    if people.may(name, role):
        return None
    if people.problem:
        return NotAllowed(f"{NOT_ADMITTED}: {people.problem}", "`hitl-tui people check` says more")
    if people.find(name) is None:
        return NotAllowed(f"{name} is not in people.toml, and may only look", ASK)
    return NotAllowed(f"{name} may not {DOES[role]}: people.toml does not give them the role {role}", ASK)


def refusal_of_call(people: People, name: str, decider: str, what: str) -> NotAllowed | None:
    """Why somebody may not decide what a rule sends to a group or person; None if they may. `what` names it: `12#1`."""
    if refused := refusal(people, name, Role.DECIDE):
        return refused
    if people.is_meant(name, decider):
        return None
    members = people.members(decider)
    names = sorted(one.name for one in people.persons if one.key in members)
    if not names:
        return NotAllowed(f"nobody of people.toml is meant by {decider}, which alone decides {what}", ASK)
    who = decider if [person_key(decider)] == [person_key(one) for one in names] else f"{decider} ({', '.join(names)})"
    return NotAllowed(f"only {who} decides {what}, and {name} is not of them", "escalate it, or comment on it")
