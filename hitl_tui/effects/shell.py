"""Splits a shell script into the simple commands that it runs, or says that it cannot. No shell is run. Pure.

tree-sitter parses the script with its grammar of bash, which is imported when it is first needed. Its tree is not believed: only kinds
of nodes on a list are accepted, and each word, gap and separator is checked against the text. What is not understood for certain makes
the whole script one that cannot be split, so that no rule can match it.
"""

from __future__ import annotations

import re
import shlex
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from hitl_tui.effects import programs
from hitl_tui.effects.programs import UNKNOWN, Effects
from hitl_tui.effects.shell_text import HereDocument, NotUnderstood, prepare
from hitl_tui.effects.shell_text import words as names

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

MOST_COMMANDS = 300
DEEPEST = 6
"""Levels of scripts within scripts, such as `sh -c "sh -c …"`."""
NESTED = 60
"""Levels of a script's tree."""


@dataclass(frozen=True, slots=True)
class Command:
    """One simple command of a script."""

    program: str
    """As it is written, without quotes; empty for a redirection alone."""
    arguments: tuple[str | None, ...]
    """None for one that is known only when the command runs: an expansion, a pattern of file names, what xargs adds."""
    text: str
    """The command as it is written, on one line."""
    under: tuple[str, ...] = ()
    """Programs that start it, the outermost first, such as sudo and sh."""
    effects: Effects = UNKNOWN
    """What it does, with its redirections; `writes` is true for a redirection into a file."""
    written: tuple[str, ...] = ()
    """Files that its output is redirected into; `?` for a name that is known only when it runs."""


@dataclass(frozen=True, slots=True)
class Script:
    """The commands of a script in the order they are written, or why it cannot be split."""

    commands: tuple[Command, ...] = ()
    problem: str = ""
    """A clause; empty if the script was split. Then there are no commands."""


@lru_cache(256)
def parse(script: str) -> Script:
    """Split a script into its commands. Never raises; takes a few milliseconds at most, and the first call also imports the grammar."""
    try:
        return Script(tuple(_split(script, (), 0)))
    except NotUnderstood as error:
        return Script(problem=str(error))
    except RecursionError:
        return Script(problem="it is nested too deeply")
    except Exception:  # noqa: BLE001 - a bug here, or in the parser, must not let a command run
        return Script(problem="it could not be read")


@lru_cache(256)
def parse_words(words: tuple[str, ...]) -> Script:
    """The same for a program and its arguments that are run without a shell, as `["git", "status"]`."""
    reader = _Reader(b"", {}, (), 0)
    try:
        if not words:
            raise NotUnderstood("it names no program")
        if any("\0" in word for word in words):
            raise NotUnderstood("it holds characters that cannot be seen")
        reader.run([_Word(word, shlex.quote(word)) for word in words], "")
    except (NotUnderstood, RecursionError) as error:
        return Script(problem=str(error) or "it is nested too deeply")
    return Script(tuple(reader.found))


_LOCK = threading.Lock()


@cache
def _parser() -> Parser:
    try:
        import tree_sitter  # imports take milliseconds: neither before the first frame nor for who never sees a command
        import tree_sitter_bash
    except ImportError as error:
        raise NotUnderstood("tree-sitter is not installed") from error

    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_bash.language()))


def _split(script: str, under: tuple[str, ...], depth: int) -> list[Command]:
    if depth > DEEPEST:
        raise NotUnderstood("it has scripts within scripts that go too deep")
    prepared = prepare(script)
    with _LOCK:  # a parser is not to be used by two threads at once
        root = _parser().parse(prepared.text.encode()).root_node
    if root.has_error:
        raise NotUnderstood("it is not plain shell syntax")
    reader = _Reader(prepared.text.encode(), dict(prepared.documents), under, depth)
    reader.statements(root, 0)
    return reader.found


@dataclass(frozen=True, slots=True)
class _Word:
    value: str | None
    text: str
    is_open: bool = False
    """Whether it may become no word or several: an expansion without quotes, a pattern."""


@dataclass(frozen=True, slots=True)
class _Redirects:
    written: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    input: HereDocument | None = None

    def plus(self, other: _Redirects) -> _Redirects:
        return _Redirects(self.written + other.written, self.hosts + other.hosts, other.input or self.input)


_NO_REDIRECTS = _Redirects()
_EXPANSION = "it has an expansion that is not plain"
_REDIRECTION = "it has a redirection that is not understood"
_STATEMENTS = names(
    "program list pipeline command redirected_statement subshell compound_statement negated_command if_statement elif_clause else_clause "
    "for_statement while_statement do_group case_statement case_item test_command variable_assignment declaration_command unset_command "
    "comment"
)
"""Kinds of nodes that are, or hold, statements."""
_SEPARATORS = names("; & && || | |& ;; ( ) { } if then elif else fi for while until do done case esac in ! ;;& ;&")
_GAP = re.compile(rb"[ \t]*")
_WIDE_GAP = re.compile(rb"[ \t\n]*")
_PLAIN_WORD = re.compile(r"(?:[^\s\\'\"$`;&|<>()#!{}\[\]*?~^]|\\[^\n]|(?<!^)#|[{}\[\]*?~!^])+")
_PATTERN = re.compile(r"(?<!\\)(?:\\\\)*(?:[*?\[~]|\{.*(?:,|\.\.))", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_UNARY = names("-a -b -c -d -e -f -g -h -k -p -r -s -u -w -x -L -N -O -S -G -n -z")
_BINARY = names("= == != -nt -ot -ef < >")
_NUMBERS = names("-eq -ne -lt -le -gt -ge")


class _Reader:
    """Walks the tree of one script, and collects its commands."""

    def __init__(self, source: bytes, documents: dict[str, HereDocument], under: tuple[str, ...], depth: int) -> None:
        self._source = source
        self._documents = documents
        self._under = under
        self._depth = depth
        self.found: list[Command] = []

    def _text(self, node: Node) -> str:
        return self._source[node.start_byte : node.end_byte].decode("utf-8", "replace")

    def _add(self, command: Command) -> None:
        self.found.append(command)
        if len(self.found) > MOST_COMMANDS:
            raise NotUnderstood(f"it has more than {MOST_COMMANDS} commands")

    def run(self, words: Sequence[_Word], text: str) -> None:
        """Take in one command by its words."""
        self._run(words, (), _NO_REDIRECTS, self._under, text or " ".join(word.text for word in words), 0)

    # Statements

    def statements(self, node: Node, level: int, redirects: _Redirects = _NO_REDIRECTS) -> None:
        """Read everything below a node that holds statements."""
        if level > NESTED:
            raise NotUnderstood("it is nested too deeply")
        kind = node.type
        if kind not in _STATEMENTS:
            raise NotUnderstood(f"it has {_described(kind)}")
        match kind:
            case "command":
                self._command(node, level, redirects)
            case "redirected_statement":
                self._redirected(node, level, redirects)
            case "test_command":
                self._test(node, level, redirects)
            case "variable_assignment":
                self._assignment(node, level)
            case "declaration_command" | "unset_command":
                self._declaration(node, level, redirects)
            case "comment":
                self._comment(node)
            case _:
                self._block(node, level, redirects)

    def _block(self, node: Node, level: int, redirects: _Redirects) -> None:
        self._check_gaps(node, _WIDE_GAP)
        self._check_separated(node)
        named = [child for child in node.children if child.is_named]
        last = named[-1] if node.type in ("list", "pipeline", "negated_command") else None  # the grammar gives a list what is its last's
        for child in node.children:
            if not child.is_named:
                if child.type not in _SEPARATORS and child.type != "\n":
                    raise NotUnderstood(f"it has {child.type!r} where commands are separated")
                self._check_reserved(child)
            elif child.type in _STATEMENTS:
                self.statements(child, level + 1, _NO_REDIRECTS if last and child.start_byte != last.start_byte else redirects)
            elif node.type == "for_statement" and child.type == "variable_name":
                self._check_variable(self._text(child))
            elif node.type == "for_statement" or (node.type in ("case_statement", "case_item") and child.type != "ERROR"):
                if child.type == "extglob_pattern":
                    if not re.fullmatch(r"[\w.*?/-]+", self._text(child)):
                        raise NotUnderstood("it has a case with patterns that are not plain")
                else:
                    self._word(child, level + 1)
            else:
                raise NotUnderstood(f"it has {_described(child.type)}")

    def _check_gaps(self, node: Node, allowed: re.Pattern[bytes]) -> None:
        """Nothing but blanks may stand between the parts of a node."""
        at = node.start_byte
        for child in node.children:
            if not allowed.fullmatch(self._source, at, child.start_byte):
                raise NotUnderstood("a part of it is not understood")
            at = child.end_byte
        end = node.end_byte if node.type != "program" else len(self._source)
        if node.type == "program" and node.children and not _WIDE_GAP.fullmatch(self._source, 0, node.children[0].start_byte):
            raise NotUnderstood("a part of it is not understood")
        if (node.children or node.type == "program") and not allowed.fullmatch(self._source, at, end):
            raise NotUnderstood("a part of it is not understood")

    def _check_reserved(self, node: Node) -> None:
        """A reserved word is one only where it is a word of its own: bash reads `!ls` and `{ls` as names of programs."""
        around = self._source[max(0, node.start_byte - 1) : node.start_byte] + self._source[node.end_byte : node.end_byte + 1]
        if node.type.strip(";&|()") and around.strip(b" \t\n;&|()<>`"):
            raise NotUnderstood(f"{node.type} stands where a command begins")

    def _check_separated(self, node: Node) -> None:
        """Between two statements stands a line break or a separator."""
        before: Node | None = None
        for child in node.children:
            if not child.is_named:
                before = None if child.type in _SEPARATORS or child.type == "\n" else before
            elif child.type in _STATEMENTS:
                ends_itself = child.type == "case_item" and before and self._source[: before.end_byte].endswith((b";;", b";&"))
                apart = before is None or b"\n" in self._source[before.end_byte : child.start_byte]
                if not apart and not ends_itself and child.type != "comment":
                    raise NotUnderstood("two commands are not separated")
                before = child

    def _comment(self, node: Node) -> None:
        begin = self._source[node.start_byte - 1 : node.start_byte] if node.start_byte else b"\n"
        if begin not in (b" ", b"\t", b"\n", b";", b"&", b"|", b"(", b")") or b"\n" in self._source[node.start_byte : node.end_byte]:
            raise NotUnderstood("it has a # that may be no comment")
        if self._source[node.end_byte : node.end_byte + 1] not in (b"", b"\n"):
            raise NotUnderstood("it has a # that may be no comment")

    def _redirected(self, node: Node, level: int, redirects: _Redirects) -> None:
        self._check_gaps(node, _GAP)
        body, more, own = None, list[_Word](), redirects
        for child in node.children:
            if child.type in ("file_redirect", "herestring_redirect"):
                redirect, words = self._redirect(child, level + 1)
                own, more = own.plus(redirect), more + words
            elif body is None and child.is_named:
                body = child
            else:
                raise NotUnderstood(f"it has {_described(child.type)}")
        if body is None:
            self._simple(more, [], own, self._text(node)) if more else self._only_redirected(own, self._text(node))
        elif body.type == "command":
            self._command(body, level + 1, own, more)
        elif more or body.type in ("variable_assignment", "comment", "program"):
            raise NotUnderstood(_REDIRECTION)
        else:
            count = len(self.found)
            self.statements(body, level + 1, own)
            if len(self.found) == count or (body.type not in ("list", "pipeline", "negated_command") and (own.written or own.hosts)):
                self._only_redirected(own, self._text(node))

    def _only_redirected(self, redirects: _Redirects, text: str) -> None:
        if redirects.written or redirects.hosts:
            effects = Effects(bool(redirects.written), False, bool(redirects.hosts), redirects.hosts)
            self._add(Command("", (), _one_line(text), self._under, effects, redirects.written))

    def _command(self, node: Node, level: int, redirects: _Redirects, more: Sequence[_Word] = ()) -> None:
        self._check_gaps(node, _GAP)
        words, variables, own = list[_Word](), list[str](), redirects
        self._check_words_apart(node)
        for child in node.children:
            if child.type == "variable_assignment":
                if words:
                    raise NotUnderstood("an assignment stands among its arguments")
                variables.append(self._assignment(child, level + 1))
            elif child.type in ("file_redirect", "herestring_redirect"):
                redirect, after = self._redirect(child, level + 1)
                own, words = own.plus(redirect), words + after
            elif child.type == "command_name":
                if len(child.children) != 1:
                    raise NotUnderstood("the name of a command is not plain")
                words.append(self._word(child.children[0], level + 1))
            else:
                words.append(self._word(child, level + 1))
        self._simple([*words, *more], variables, own, self._text(node))

    def _check_words_apart(self, node: Node) -> None:
        children = node.children
        for before, after in pairwise(children):
            if before.end_byte == after.start_byte and after.type not in ("file_redirect", "herestring_redirect"):
                raise NotUnderstood("two words of it are not apart")

    def _simple(self, words: list[_Word], variables: Sequence[str], redirects: _Redirects, text: str) -> None:
        """Take in one command, and those that it starts."""
        if not words:
            self._only_redirected(redirects, text)
            return
        self._run(words, variables, redirects, self._under, text, 0)

    def _run(
        self, words: Sequence[_Word], variables: Sequence[str], redirects: _Redirects, under: tuple[str, ...], text: str, level: int
    ) -> None:
        first = words[0].value
        if first is None:
            raise NotUnderstood("which program runs is known only when it runs")
        if level > DEEPEST:
            raise NotUnderstood("it has commands that start commands, too deep")
        arguments = [word.value for word in words[1:]]
        programs.check_builtin(first, arguments)
        harmless = ("IFS",) if first == "read" else ()  # `IFS= read` says how it splits, and nothing of what runs
        odd = [name for name in variables if name not in harmless and not programs.HARMLESS_VARIABLE.fullmatch(name)]
        if any(programs.PROGRAM_VARIABLE.fullmatch(name) or not _NAME.fullmatch(name) for name in odd):
            raise NotUnderstood("it sets a variable that changes which programs run")
        if first == "exec" and not arguments:
            raise NotUnderstood("exec redirects everything after it")
        effects = programs.effects_of(first, arguments, bool(odd))
        self._check_open(first, words)
        actions = programs.starts(first, arguments)
        shell = programs.shell_call(first, arguments)
        if (actions and programs.only_starts(first, arguments)) or (shell and not shell.is_file):  # it does what the commands do
            effects = replace(effects, writes=effects.writes or False, deletes=effects.deletes or False, network=effects.network or False)
        writes = True if redirects.written else effects.writes
        network = True if redirects.hosts else None if "?" in redirects.written and not effects.network else effects.network
        effects = Effects(writes, effects.deletes, network, effects.hosts + redirects.hosts)
        line = _one_line(text if level == 0 else " ".join(word.text for word in words))
        self._add(Command(first, tuple(arguments), line, under, effects, redirects.written))
        below = (*under, first)
        for one in actions:
            inner = [_replaced(word, one.placeholder) for word in words[1:][one.begin : one.end]]
            if inner:
                extra = [_Word(None, "…", True)] if one.gets_more else []
                self._run([*inner, *extra], [*variables, *one.variables], _Redirects(input=redirects.input), below, text, level + 1)
        if programs.base_name(first) == "xargs" and not actions:
            self._add(Command("echo", (None,), "echo …", below, programs.effects_of("echo", ())))
        if shell and not shell.is_file:
            self._shell(first, shell.script, redirects, below, arguments)

    def _check_open(self, program: str, words: Sequence[_Word]) -> None:
        """Refuse programs that take commands to start, or names to calculate with, where such arguments may come from an expansion."""
        name = programs.base_name(program)
        for before, word in pairwise(words):
            if word.value is not None or name not in ("find", "test", "[", "git"):
                continue
            if name == "git":
                if word.is_open and before.value == "-C":  # the folder may be followed by options that start any program
                    raise NotUnderstood("what git does is known only when it runs")
                continue
            if name == "find" and (word.is_open or before.value not in programs.FIND_TESTS) and word.text not in ("{}", "'{}'"):
                raise NotUnderstood("what find starts may be known only when it runs")
            operators = _UNARY | _BINARY | _NUMBERS
            compares = len(words) == 4 and words[2].value in operators
            if name != "find" and (word.is_open or not (compares or before.value in operators)):
                raise NotUnderstood("what it tests may be known only when it runs")

    def _shell(self, name: str, script: str | None, redirects: _Redirects, under: tuple[str, ...], arguments: Sequence[str | None]) -> None:
        if script is None:
            document = redirects.input
            if document is None or (not document.is_literal and re.search(r"[$`\\]", document.text)):
                raise NotUnderstood(f"{name} runs what it reads")
            script = document.text
        for command in _split(script, under, self._depth + 1):
            self._add(command)

    # Words

    def _redirect(self, node: Node, level: int) -> tuple[_Redirects, list[_Word]]:
        """What a redirection does, and the words after it that the grammar counts as its own."""
        self._check_gaps(node, _GAP)
        children = node.children
        if self._source[: node.start_byte].endswith(b"}"):  # `{name}> file` sets a variable
            raise NotUnderstood(_REDIRECTION)
        if children[0].type == "file_descriptor":
            if not self._text(children[0]).isdigit() or children[0].end_byte != children[1].start_byte:
                raise NotUnderstood(_REDIRECTION)
            children = children[1:]
        if any(before.end_byte == after.start_byte for before, after in pairwise(children[1:])):
            raise NotUnderstood("two words of it are not apart")
        sign, words = children[0].type, [self._word(target, level) for target in children[1:]]
        if not words:
            if sign not in (">&-", "<&-"):
                raise NotUnderstood(_REDIRECTION)
            return _NO_REDIRECTS, []
        return self._redirected_to(sign, words[0], level), words[1:]

    def _redirected_to(self, sign: str, target: _Word, level: int) -> _Redirects:
        """What a redirection to or from a target does."""
        value = target.value or ""
        if sign == "<<<":
            return _NO_REDIRECTS if target.value is None else _Redirects(input=HereDocument(value + "\n", True))
        if sign not in ("<", ">", ">>", ">|", "&>", "&>>", "<>", ">&", "<&"):
            raise NotUnderstood(_REDIRECTION)
        if document := self._documents.get(value):
            self._expanded(document, level)
            return _Redirects(input=document)
        if value.startswith(("/dev/tcp/", "/dev/udp/")):
            return _Redirects(hosts=(value.split("/")[3],))
        if value in ("/dev/null", "/dev/stdout", "/dev/stderr") or (sign in (">&", "<&") and re.fullmatch(r"[0-9]+-?|-", value)):
            return _NO_REDIRECTS
        if sign in ("<", "<&"):
            is_known = target.value is not None or target.text.startswith(("<(", ">("))
            return _NO_REDIRECTS if is_known else _Redirects(hosts=("?",))  # bash connects to a host for the file /dev/tcp/…
        return _Redirects((target.value if target.value is not None else "?",))

    def _expanded(self, document: HereDocument, level: int) -> None:
        """Read the commands within a here-document that bash expands."""
        if document.is_literal or not re.search(r"[$`]", document.text):
            return
        if '"' in document.text or "\\" in document.text:
            raise NotUnderstood("a here-document has quotes beside expansions")
        for command in _split(f': "{document.text}"', self._under, self._depth + 1):
            if command.program != ":":
                self._add(command)

    def _word(self, node: Node, level: int) -> _Word:
        """Read a word, and the commands within it."""
        if level > NESTED:
            raise NotUnderstood("it is nested too deeply")
        text = self._text(node)
        match node.type:
            case "word" | "number" | "test_operator":
                return self._plain(node, text)
            case "raw_string":
                return _Word(_matched(r"'([^']*)'", text, "its quotes are not understood"), text)
            case "string":
                return self._string(node, text, level)
            case "concatenation":
                return self._concatenation(node, text, level)
            case "ansi_c_string":  # other shells read it otherwise
                _matched(r"\$'((?:[^'\\]|\\.)*)'", text, "its quotes are not understood")
                return _Word(None, text)
        self._dynamic(node, text, level)
        return _Word(None, text, True)

    def _dynamic(self, node: Node, text: str, level: int) -> None:
        """Check an expansion, and read the commands within it."""
        match node.type:
            case "simple_expansion":
                _matched(r"(\$(?:[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!_-]))", text, _EXPANSION)
            case "expansion":
                self._expansion(node, level)
            case "command_substitution" | "process_substitution":
                self._substitution(node, level)
            case "arithmetic_expansion":
                _matched(r"(\$\(\([0-9+*/%<>=!&|^() \t-]*\)\))", text, "it calculates with names, whose values may be commands")
            case "brace_expression":
                _matched(r"(\{[0-9]+\.\.[0-9]+\})", text, "it has braces that are not understood")
            case kind:
                raise NotUnderstood(f"it has {_described(kind)}")

    def _plain(self, node: Node, text: str) -> _Word:
        if node.children and any(child.type not in ("word", "number") for child in node.children):
            raise NotUnderstood("a word of it is not plain")
        if not _PLAIN_WORD.fullmatch(text):
            raise NotUnderstood("a word of it is not plain")
        if _PATTERN.search(text):
            return _Word(None, text, True)
        return _Word(re.sub(r"\\(.)", r"\1", text), text)

    def _string(self, node: Node, text: str, level: int) -> _Word:
        if not text.startswith('"') or not text.endswith('"') or len(text) < 2:
            raise NotUnderstood("its quotes are not understood")
        at, made, known = node.start_byte + 1, [], True
        for child in node.children[1:-1]:
            made.append(self._source[at : child.start_byte].decode("utf-8", "replace"))
            at = child.end_byte
            if child.type == "string_content":
                made.append(self._text(child))
            else:
                known = False
                self._word(child, level + 1)
        made.append(self._source[at : node.end_byte - 1].decode("utf-8", "replace"))
        outside = "".join(made)
        if not re.fullmatch(r"(?:[^\"\\`$]|\\[^\n]|\$(?![\w({\[@*#?$!'-]))*", outside, re.DOTALL):
            raise NotUnderstood("its quotes are not understood")
        return _Word(re.sub(r'\\([\\"$`])', r"\1", outside) if known else None, text)

    def _concatenation(self, node: Node, text: str, level: int) -> _Word:
        at, parts = node.start_byte, list[_Word]()
        for child in node.children:
            if child.start_byte != at:
                raise NotUnderstood("the parts of a word are not understood")
            at = child.end_byte
            if not child.is_named:
                raise NotUnderstood("the parts of a word are not understood")
            parts.append(self._word(child, level + 1))
        if at != node.end_byte or re.search(r"\$[\"']", text) or _PATTERN.search(text):
            if at != node.end_byte or '$"' in text:
                raise NotUnderstood("the parts of a word are not understood")
            return _Word(None, text, True)
        values = [part.value for part in parts]
        known = None if any(value is None for value in values) else "".join(value or "" for value in values)
        return _Word(known, text, any(part.is_open for part in parts))

    _EXPANSIONS = frozenset(("${", "}", ":-", "-", ":+", "+", "#", "##", "%", "%%", "variable_name", "special_variable_name"))

    def _expansion(self, node: Node, level: int) -> None:
        text = self._text(node)
        signs = [child.type for child in node.children if not child.is_named]
        if signs[:1] != ["${"] or signs[-1:] != ["}"] or any(sign not in self._EXPANSIONS for sign in signs):
            raise NotUnderstood(_EXPANSION)
        if not re.match(r"\$\{#?(?:[A-Za-z_]\w*|[0-9@*?#])(?:\}|:?[-+]|[#%])", text, re.ASCII):
            raise NotUnderstood(_EXPANSION)
        self._check_gaps(node, _WIDE_GAP)
        for child in node.children:
            if child.type == "regex":
                if not re.fullmatch(r"[\w.*?/:@ -]*", self._text(child)):
                    raise NotUnderstood(_EXPANSION)
            elif child.is_named and child.type not in self._EXPANSIONS:
                self._word(child, level + 1)

    def _substitution(self, node: Node, level: int) -> None:
        text, children = self._text(node), node.children
        if text.startswith("`") and ("\\" in text or text.count("`") != 2 or '"' in text):
            raise NotUnderstood("it has backquotes with quotes in them")
        if text.startswith("$((") or not text.startswith(("$(", "`", "<(", ">(")) or not text.endswith((")", "`")):
            raise NotUnderstood(_EXPANSION)
        self._check_gaps(node, _WIDE_GAP)
        self._check_separated(node)
        for child in children[1:-1]:
            if not child.is_named:
                if child.type not in _SEPARATORS and child.type != "\n":
                    raise NotUnderstood(_EXPANSION)
            elif child.type == "file_redirect":
                redirect, words = self._redirect(child, level + 1)
                if redirect.written or redirect.hosts or words:
                    raise NotUnderstood(_EXPANSION)
            else:
                self.statements(child, level + 1)

    # Variables and tests

    def _check_variable(self, name: str) -> None:
        if not _NAME.fullmatch(name) or not programs.HARMLESS_VARIABLE.fullmatch(name):
            raise NotUnderstood(f"it sets {name[:40]}, which may change how commands run")

    def _assignment(self, node: Node, level: int) -> str:
        """Read the value of an assignment, and return the name."""
        self._check_gaps(node, _GAP)
        children = node.children
        if len(children) not in (2, 3) or children[0].type != "variable_name" or children[1].type not in ("=", "+="):
            raise NotUnderstood("it has an assignment that is not plain")
        if any(before.end_byte != after.start_byte for before, after in pairwise(children)):
            raise NotUnderstood("it has an assignment that is not plain")
        name = self._text(children[0])
        if node.parent is None or node.parent.type != "command":
            self._check_variable(name)
        if not _NAME.fullmatch(name):
            raise NotUnderstood("it has an assignment that is not plain")
        if len(children) == 3:
            self._word(children[2], level + 1)
        return name

    def _declaration(self, node: Node, level: int, redirects: _Redirects) -> None:
        self._check_gaps(node, _GAP)
        self._check_words_apart(node)
        name = self._text(node.children[0])
        words = []
        for child in node.children[1:]:
            if child.type == "variable_assignment":
                words.append(_Word(f"{self._assignment(child, level + 1)}=", self._text(child)))
            elif child.type == "variable_name":
                words.append(_Word(self._text(child), self._text(child)))
            else:
                words.append(self._word(child, level + 1))
        self._simple([_Word(name, name), *words], [], redirects, self._text(node))

    def _test(self, node: Node, level: int, redirects: _Redirects) -> None:
        kind = node.children[0].type
        if kind not in ("[", "[["):
            raise NotUnderstood("it calculates with names, whose values may be commands")
        text = self._text(node)
        if not re.fullmatch(r"\[\s.*\s\]" if kind == "[" else r"\[\[\s.*\s\]\]", text, re.DOTALL) or (kind == "[" and "\n" in text):
            raise NotUnderstood("it has a test that is not understood")
        for leaf in self._test_words(node, level, kind):
            allowed = _UNARY | _BINARY | {"!", "(", ")", "&&", "||", kind, "]", "]]"} | (_NUMBERS | {"-o", "-a"} if kind == "[" else set())
            if leaf not in allowed:
                raise NotUnderstood(f"it has a test with {leaf}, which is not understood")
        count = max(1, len(text.split()) - 2)
        effects = Effects(bool(redirects.written), False, bool(redirects.hosts), redirects.hosts)
        self._add(Command(kind, (None,) * count, _one_line(text), self._under, effects, redirects.written))

    def _test_words(self, node: Node, level: int, kind: str) -> Iterator[str]:
        """The operators of a test; the words are read on the way."""
        self._check_gaps(node, _GAP if kind == "[" else _WIDE_GAP)
        for child in node.children:
            if not child.is_named or child.type == "test_operator":
                text = self._text(child)
                if child.type == "test_operator" and child.parent is not None and len(child.parent.children) == 2 and kind == "[[":
                    yield text if text in _UNARY else f"{text} (unary)"
                else:
                    yield text
            elif child.type in ("unary_expression", "binary_expression", "parenthesized_expression", "negated_command", "test_command"):
                if child.type in ("negated_command", "test_command"):
                    raise NotUnderstood("it has a test that is not understood")
                yield from self._test_words(child, level + 1, kind)
            elif child.type in ("regex",):
                raise NotUnderstood("it has a test with a pattern")
            elif child.type == "extglob_pattern":
                if not re.fullmatch(r"[\w.*?/-]+", self._text(child)):
                    raise NotUnderstood("it has a test with a pattern")
            elif self._word(child, level + 1).is_open and kind == "[":
                raise NotUnderstood("what it tests may be known only when it runs")


def _replaced(word: _Word, placeholder: str) -> _Word:
    """A word of a command that xargs or find starts, whose placeholder stands for something that is not known."""
    return replace(word, value=None) if placeholder and word.value is not None and placeholder in word.value else word


def _matched(pattern: str, text: str, why: str) -> str:
    """The first group of a pattern that a text must match."""
    found = re.fullmatch(pattern, text, re.DOTALL)
    if not found:
        raise NotUnderstood(why)
    return found[1]


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


_KINDS = {
    "function_definition": "a function", "c_style_for_statement": "a loop that calculates", "heredoc_redirect": "an odd here-document",
    "subscript": "an array", "array": "an array", "translated_string": "a text in the user's language",
}  # fmt: skip


def _described(kind: str) -> str:
    return _KINDS.get(kind, f"a part that is not understood ({kind.replace('_', ' ')})")
