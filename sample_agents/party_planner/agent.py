"""The party planner: three free questions, as graphs ask them that know nothing of a console. No model is needed.

ask_guests ──▶ choose_room ──▶ book

- `ask_guests` takes a number: neither true nor false answers it, so there is no key for yes and no.
- `choose_room` lists its answers, and takes the `id` of one.
- `book` takes `{"approved": true}`, which it tells nobody: the `[[answer]]` section of `policy.toml` says what approve and reject send.
"""

from langchain_core.messages import AIMessage
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import interrupt

ROOMS = {"attic": ("The attic", 12), "hall": ("The hall", 80), "garden": ("The garden", 200)}
"""Id → title and seats."""


class State(MessagesState, total=False):
    """The conversation and the party."""

    guests: int
    room: str


def ask_guests(state: State) -> dict[str, int]:
    question = "How many guests come?"
    while True:
        answer = str(interrupt(question)).strip()
        if answer.isdecimal() and 0 < int(answer) <= 200:
            return {"guests": int(answer)}
        question = f"How many guests come? A number from 1 to 200, please, not {answer!r}."


def choose_room(state: State) -> dict[str, str]:
    fitting = {id_: room for id_, room in ROOMS.items() if room[1] >= state["guests"]}
    options = [{"id": id_, "title": title, "description": f"{seats} seats"} for id_, (title, seats) in fitting.items()]
    return {"room": interrupt({"question": f"Which room for {state['guests']} guests?", "options": options})}


def book(state: State) -> dict[str, list[AIMessage]]:
    title, _ = ROOMS[state["room"]]
    answer = interrupt({"question": "Book it?", "room": title, "guests": state["guests"]})
    if answer["approved"]:
        return {"messages": [AIMessage(f"{title} is booked for {state['guests']} guests.")]}
    return {"messages": [AIMessage(f"Nothing is booked: {answer['reason'] or 'no reason was given'}.")]}


builder = StateGraph(State)
builder.add_node("ask_guests", ask_guests)
builder.add_node("choose_room", choose_room)
builder.add_node("book", book)
builder.add_edge(START, "ask_guests")
builder.add_edge("ask_guests", "choose_room")
builder.add_edge("choose_room", "book")
builder.add_edge("book", END)

agent = builder.compile(name="party_planner")
