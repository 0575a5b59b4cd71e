"""The command line: which command is in which module, and what a list of all says of it. Nothing else is imported until one is called."""

from __future__ import annotations

import click

from hitl_tui import __version__
from hitl_tui.cli.command_group import Front

FAMILIES = {
    "console": {"console": "The console (what runs without a command)."},
    "worker": {"worker": "Run agents without a console."},
    "agents": {"agents": "List agents; TARGETs are loaded first, so that what they hold is known here."},
    "runs": {
        "launch": "Queue a run of AGENT with TEXT, or with JSON input.",
        "runs": "List runs, newest first.",
        "retry": "Let a failed or cancelled run go on from its checkpoint.",
        "cancel": "End a run; what it asked becomes stale.",
    },
    "takeovers": {
        "take-over": "Act as the agent: the run waits until you hand it back, and nobody else can decide its reviews.",
        "hand-back": "Hand a run back: the agent continues from what you did.",
        "discard": "Discard the takeover: the run stays as it was, and your changes are deleted.",
    },
    "reviews": {
        "queue": "List what waits for a decision, oldest first.",
        "show": "Show a review (12) or a run (r3) whole.",
        "decide": "Decide a review, or one action of it: 12 or 12#0.",
        "undo": "Take back what you said last of a review, before its grace time is over.",
        "claim": "Have a review for a while: nobody else decides it, and its escalation goes no further.",
        "release": "Give a review back that you claimed.",
        "escalate": "Put a review before somebody else; a claim of yours on it is given back.",
    },
    "history": {"history": 'List what was decided, newest first: all, or what fits FILTER, like "agent:mail* decided:reject since:7d".'},
    "rate": {"rate": "Give a decision (12#0), a run (r3) or a line of its trace (r3#7) a thumb, or take yours back."},
    "policy": {"policy": "What goes on by itself, what asks, what a person takes over: policy.toml in the home, or in a project's folder."},
    "autonomy": {"autonomy": "How far each agent's tool goes by itself: lists the levels with their evidence, and sets them."},
    "stats": {"stats": "What the decisions say: rates and times, what is edited and why it is rejected, calibration, and how people read."},
    "audit": {"audit": "The chained log of everything that was launched, asked and decided."},
    "export": {"export": "Write what people decided into FILE (which must be new) as training data, with a manifest beside it."},
    "lessons": {"lessons": "What people's rejections and corrections come to: agents read the lessons that somebody accepted."},
    "doctor": {"doctor": "Check versions, paths, the databases, stuck rows, and that each target loads."},
    "prune": {
        "prune": "Delete old threads whole: their checkpoints, traces, contexts, logs and work folders, and runs that never asked anybody.",
    },
}


@click.group(cls=Front, package=__name__, families=FAMILIES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hitl-tui")
def main() -> None:
    """Review what LangGraph agents are about to do.

    Without a command: the console, on the agents of TARGETs (a langgraph.json, a folder holding one, file.py:graph, or
    package.module:graph), or on the sample agents.
    """
