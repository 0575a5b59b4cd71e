"""The command line: every verb with its module, which is imported when it is called. To add a verb, enter it in `SECTIONS` here.

The verb is the function of that name in `cli/<module>.py`; what it does to the store is a method in `inbox/`.
"""

from __future__ import annotations

import click

from hitl_tui import __version__
from hitl_tui.cli.command_group import LazyGroup

SECTIONS = {
    "Review": {
        "console": ("console", "Open the console (the default)."),
        "queue": ("reviews", "List open reviews, oldest first."),
        "show": ("reviews", "Show a review (12) or a run (r3) in full."),
        "decide": ("reviews", "Decide a review (12), or one call of it (12#1)."),
        "undo": ("reviews", "Take back your last decision on a review."),
        "claim": ("reviews", "Claim a review, so that nobody else decides it."),
        "release": ("reviews", "Release a review that you claimed, or a stuck run (r3)."),
        "escalate": ("reviews", "Escalate a review to another person or group."),
    },
    "Runs": {
        "agents": ("agents", "List the agents that can be launched."),
        "run": ("foreground_run", "Run an agent here, and ask each pause at the prompt."),
        "launch": ("runs", "Queue runs of an agent."),
        "assistants": ("assistants", "Keep named sets of context and configuration."),
        "runs": ("runs", "List runs, newest first."),
        "retry": ("runs", "Continue a failed or cancelled run from its checkpoint."),
        "cancel": ("runs", "Cancel a run."),
        "take-over": ("takeovers", "Take a run over and act as the agent."),
        "hand-back": ("takeovers", "Hand a run back to the agent."),
        "confirm": ("takeovers", "Confirm a hand-back of somebody else."),
        "discard": ("takeovers", "Discard a takeover."),
        "pause": ("agents", "Pause all agents, or one."),
        "resume": ("agents", "Let paused agents go on: all of them, or one."),
        "moved": ("agents", "Say that a project's folder was moved."),
        "worker": ("worker", "Run agents without a console."),
    },
    "Team": {
        "service": ("service", "Print a systemd unit that runs the agents of the TARGETs."),
        "serve": ("serve", "Show the console in browsers."),
        "web-link": ("serve", "Print a link that lets a person in."),
        "ssh-session": ("ssh_session", "Serve a reviewer who connects over SSH."),
    },
    "Policy": {
        "policy": ("policy", "Write, check, explain and replay policy.toml."),
        "drill": ("drill", "Find bad calls that the policy would let run."),
        "grant": ("grants", "Let calls like one of a review (12#1) run without asking."),
        "grants": ("grants", "List grants, and the calls that used one."),
        "revoke": ("grants", "End a grant."),
        "autonomy": ("autonomy", "List and set the autonomy level of each tool."),
        "lessons": ("lessons", "List, accept and export lessons for the agents."),
    },
    "Data": {
        "history": ("history", "List decisions, newest first."),
        "stats": ("stats", "Show approval rates, times, calibration and reviewers."),
        "practice": ("practice", "Practise finding bad calls."),
        "rate": ("rate", "Rate a decision, a run or a message (thumbs up / down)."),
        "export": ("export", "Export decisions as training data."),
        "audit": ("audit", "Verify and export the audit log."),
    },
    "Upkeep": {
        "people": ("people", "List, add, remove and check the people who may decide."),
        "doctor": ("doctor", "Check the installation, the databases and the agents."),
        "prune": ("prune", "Delete the threads of old runs."),
        "completion": ("completion", "Print a script that completes commands in a shell."),
    },
}


@click.group(
    cls=LazyGroup,
    package=__name__,
    sections=SECTIONS,
    subcommand_metavar="[TARGET]... | COMMAND",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="hitl-tui")
def main() -> None:
    """Review what LangGraph agents are about to do.

    Without a command, the console opens on the agents of the TARGETs: a
    langgraph.json, a folder with one, file.py:graph or package.module:graph.
    Without a TARGET, it opens on the langgraph.json of the current folder, else
    on the sample agents.
    """
