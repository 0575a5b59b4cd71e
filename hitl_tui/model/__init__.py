"""The nouns of the console, in LangGraph's and LangChain's own terms. Facts only: frozen, without I/O."""

from hitl_tui.model.actions import (
    ROUTES,
    SOURCES,
    Action,
    Answer,
    AnswerTemplate,
    Confidence,
    DecisionKind,
    Outcome,
    because,
    call_id,
    calls_told,
    digest_of,
    effect_of,
    has_digest,
)
from hitl_tui.model.activity import Endorsement, Escalation, Notification, ReviewView, Viewing
from hitl_tui.model.actors import PROGRAM, Actor, ActorKind, Identified, person_key, same_person
from hitl_tui.model.attention_checks import AttentionCheck
from hitl_tui.model.autonomy import Evidence, Level, LevelChange, Levels, ToolAutonomy, ToolLevel
from hitl_tui.model.feedback import Feedback, Rating, Subject
from hitl_tui.model.grants import Grant, GrantUse, Scope
from hitl_tui.model.history import AuditEntry, HistoryDetails, HistoryEntry, HistoryRow
from hitl_tui.model.interrupts import Attempt, Context, Message, Pause, PauseKind
from hitl_tui.model.lessons import Lesson, LessonState
from hitl_tui.model.people import DOES, EVERYBODY, USUAL_ROLES, People, Person, PersonKey, Role
from hitl_tui.model.remarks import Opinion, Reading, Reason, Remark, RemarkSource, reading_of
from hitl_tui.model.reviews import (
    UNTIL_HANDED_BACK,
    BlockedCall,
    CallVariant,
    Decision,
    PartialApproval,
    PastDecision,
    Progress,
    ProposalVersion,
    QueueFacts,
    Review,
    ReviewOutcome,
    ReviewRow,
    ReviewState,
    Submission,
)
from hitl_tui.model.runs import (
    NOT_RESPONDING_S,
    UNCHECKED_SCHEMA,
    Agent,
    AgentPause,
    Assistant,
    Event,
    Lease,
    MovedThread,
    Run,
    RunFailure,
    RunOptions,
    RunState,
    Worker,
    graph_of,
)
from hitl_tui.model.takeovers import Call, HandBack, RunHead, Takeover, TakeoverPlan
from hitl_tui.model.values import Json
from hitl_tui.model.verdicts import Facts, Risk, Routed, RuleCount, Verdict, worst

__all__ = [
    "DOES", "EVERYBODY", "NOT_RESPONDING_S", "PROGRAM", "ROUTES", "SOURCES", "UNCHECKED_SCHEMA", "UNTIL_HANDED_BACK", "USUAL_ROLES",
    "Action", "Actor", "ActorKind", "Agent", "AgentPause", "Answer", "AnswerTemplate", "Assistant", "Attempt", "AttentionCheck",
    "AuditEntry", "BlockedCall", "Call", "CallVariant", "Confidence", "Context", "Decision", "DecisionKind", "Endorsement",
    "Escalation", "Event", "Evidence", "Facts", "Feedback", "Grant", "GrantUse", "HandBack", "HistoryDetails", "HistoryEntry", "HistoryRow",
    "Identified", "Json", "Lease", "Lesson", "LessonState", "Level", "LevelChange", "Levels", "Message", "MovedThread", "Notification",
    "Opinion", "Outcome", "PartialApproval", "PastDecision", "Pause", "PauseKind", "People", "Person", "PersonKey", "Progress",
    "ProposalVersion", "QueueFacts", "Rating", "Reading", "Reason", "Remark", "RemarkSource", "Review", "ReviewOutcome", "ReviewRow",
    "ReviewState", "ReviewView", "Risk", "Role", "Routed", "RuleCount", "Run", "RunFailure", "RunHead", "RunOptions", "RunState",
    "Scope", "Subject", "Submission", "Takeover", "TakeoverPlan", "ToolAutonomy", "ToolLevel", "Verdict", "Viewing", "Worker",
    "because",
    "call_id", "calls_told", "digest_of", "effect_of", "graph_of", "has_digest", "person_key", "reading_of", "same_person", "worst",
]  # fmt: skip
