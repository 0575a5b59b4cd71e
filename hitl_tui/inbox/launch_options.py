"""Context and configuration of a launch: checked for the agent, and merged with those of an assistant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from hitl_tui.errors import Refused
from hitl_tui.model import Agent, Assistant, Json, RunOptions

CONFIG_KEYS = ("configurable", "recursion_limit", "tags", "metadata")
"""The parts of LangGraph's `RunnableConfig` that a launch may set."""
RESERVED = ("thread_id", "checkpoint_id", "checkpoint_ns", "checkpoint_map")
RESERVED_PREFIXES = ("__pregel_", "hitl_")
"""Keys under `configurable` that say where and how a run runs."""


def check(agent: Agent | None, context: Json, config: Json, partly: bool = False) -> None:
    """Check context and config for an agent; None stands for one that is not known yet. `partly`: required fields may be missing.

    Raises:
        Refused: the context does not fit the agent's context schema, or the config is none that LangGraph takes.
    """
    if agent is not None and (agent.context_schema is not None or context is not None):
        _check_context(agent, context, partly)
    if config is not None:
        _check_config(config)


def check_limits(limits: Sequence[str]) -> None:
    """Check the limits of a launch.

    Raises:
        Refused: one of them cannot be read.
    """
    if limits:
        from hitl_tui.policy.limits import check as check_all

        check_all(limits)


def merged(options: RunOptions, assistant: Assistant) -> RunOptions:
    """A launch's options on top of an assistant's: its own values win, key by key."""
    return replace(options, context=_over(assistant.context, options.context), config=_over_config(assistant.config, options.config))


def _check_context(agent: Agent, context: Json, partly: bool) -> None:
    from hitl_tui import validation

    if agent.context_schema is None:
        raise Refused(f"{agent.name} takes no context: its graph has no context_schema", "leave --context out, or use --config")
    schema = agent.context_schema
    if partly and isinstance(schema, dict):
        schema = {key: value for key, value in schema.items() if key != "required"}
    if problem := validation.schema_problem({} if context is None else context, schema):
        raise Refused(f"the context does not fit {agent.name}: {problem}", "correct its context")
    fields = schema.get("properties") if isinstance(schema, dict) else None
    if isinstance(fields, dict) and isinstance(context, dict) and (unknown := context.keys() - fields.keys()):
        raise Refused(f"the context of {agent.name} has no {', '.join(sorted(unknown))}", f"it has {', '.join(fields)}")


def _check_config(config: Json) -> None:
    if not isinstance(config, dict):
        raise Refused("the config is not an object", 'write it as {"configurable": {"name": value}}')
    for name in config:
        if name not in CONFIG_KEYS:
            raise Refused(
                f"LangGraph's config has no {name} that a launch could set",
                f'it has {", ".join(CONFIG_KEYS)}; what nodes read goes into {{"configurable": {{"{name}": …}}}}',
            )
    configurable, limit = config.get("configurable", {}), config.get("recursion_limit", 1)
    if not isinstance(configurable, dict) or not isinstance(config.get("metadata", {}), dict):
        raise Refused("configurable and metadata are objects", 'write {"configurable": {"name": value}}')
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        raise Refused("recursion_limit is not a number of steps", "give a whole number from 1 on")
    if not isinstance(tags := config.get("tags", []), list) or not all(isinstance(tag, str) for tag in tags):
        raise Refused("tags is not a list of texts", 'write ["one", "two"]')
    for name in configurable:
        if name in RESERVED or name.startswith(RESERVED_PREFIXES):
            raise Refused(f"hitl-tui sets {name} itself", "leave it out; --thread continues a thread")


def _over(below: Json, above: Json) -> Json:
    """Two objects, the second one's keys on top; anything else replaces."""
    return {**below, **above} if isinstance(below, Mapping) and isinstance(above, Mapping) else below if above is None else above


def _over_config(below: Json, above: Json) -> Json:
    whole = _over(below, above)
    if not isinstance(below, Mapping) or not isinstance(above, Mapping):
        return whole
    both = {part: _over(below[part], above[part]) for part in ("configurable", "metadata") if part in below and part in above}
    return {**whole, **both}
