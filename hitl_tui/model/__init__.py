"""The nouns of the console, in LangGraph's and LangChain's own terms. Facts only: frozen, without I/O."""

from hitl_tui.model.actions import ROUTES, SOURCES, Action, Answer, Confidence, DecisionKind, Outcome, digest_of, effect_of
from hitl_tui.model.activity import Endorsement, Escalation, Look, Notice
from hitl_tui.model.actors import Actor, ActorKind, person_key, same_person
from hitl_tui.model.attention_checks import Attention
from hitl_tui.model.autonomy import Evidence, Held, Level, LevelChange, Levels, Standing
from hitl_tui.model.feedback import Feedback, Rating, Subject
from hitl_tui.model.history import Entry, Logged, Recalled, Remembered
from hitl_tui.model.interrupts import Attempt, Context, Message, Pause, PauseKind
from hitl_tui.model.lessons import Lesson, LessonState
from hitl_tui.model.reviews import (
    UNTIL_HANDED_BACK,
    Ban,
    Decision,
    PartialApproval,
    Past,
    Progress,
    Review,
    ReviewRow,
    ReviewState,
    Sent,
    Version,
)
from hitl_tui.model.runs import Agent, Event, Run, RunOptions, RunState, Worker
from hitl_tui.model.takeovers import Call, HandBack, Head, TakeOver
from hitl_tui.model.values import Json
from hitl_tui.model.verdicts import Facts, Risk, Routed, RuleCount, Verdict, worst

__all__ = [
    "ROUTES", "SOURCES", "UNTIL_HANDED_BACK", "Action", "Actor", "ActorKind", "Agent", "Answer", "Attempt", "Attention", "Ban", "Call",
    "Confidence", "Context", "Decision", "DecisionKind", "Endorsement", "Entry", "Escalation", "Event", "Evidence", "Facts", "Feedback",
    "HandBack", "Head", "Held", "Json", "Lesson", "LessonState", "Level", "LevelChange", "Levels", "Logged", "Look", "Message",
    "Notice", "Outcome", "PartialApproval", "Past", "Pause", "PauseKind", "Progress", "Rating", "Recalled", "Remembered", "Review",
    "ReviewRow", "ReviewState", "Risk", "Routed", "RuleCount", "Run", "RunOptions", "RunState", "Sent", "Standing", "Subject",
    "TakeOver", "Verdict", "Version", "Worker", "digest_of", "effect_of", "person_key", "same_person", "worst",
]  # fmt: skip
