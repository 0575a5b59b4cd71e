"""What programs do by their names and arguments: whether they write, delete or use the network, and which of them start others. Pure.

Everything here errs towards `None`, unknown. A program counts as one that does not write only if it is listed, and its arguments hold
nothing that makes it write.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from hitl_tui.effects.shell_text import NotUnderstood
from hitl_tui.effects.shell_text import words as names

Words = Sequence[str | None]
"""Arguments; None for one that is known only when the command runs, and that may be none or several."""

USUAL_FOLDERS = ("/bin/", "/usr/bin/", "/usr/local/bin/", "/sbin/", "/usr/sbin/")
_READS = names(
    "[ [[ : arch basename break cat cd cksum cmp column comm continue cut df diff dirname du echo egrep exit expand expr factor false "
    "fgrep fold free getconf grep groups head hexdump id join jq ls lsblk lscpu md5sum nl nproc numfmt od paste pgrep pidof popd "
    "printenv printf ps pushd pwd readlink realpath return rev seq sha1sum sha224sum sha256sum sha384sum sha512sum shift sleep stat "
    "strings sum tac tail test tr true tty type uname unset unexpand uptime vmstat wait wc which who whoami"
)  # fmt: skip
"""Programs and builtins that change no file whatever their arguments are."""
_WRITES = names(
    "apt apt-get brew bzip2 cargo chgrp chmod chown cp cpio crontab dd dpkg fallocate gunzip gzip install ln make mkdir mkfifo mknod "
    "mktemp mv npm patch pip pip3 rm rmdir rsync scp shred split tee touch truncate unlink unzip wget xz zip"
)
_DELETES = frozenset(("rm", "rmdir", "shred", "unlink"))
_NETWORK = names(
    "apt apt-get aws az brew curl dig docker ftp gcloud gh host kubectl mail nc ncat netcat npm nslookup ping pip pip3 rsync scp sendmail "
    "sftp socat ssh telnet traceroute wget"
)
_GIT_READS = names(
    "blame cat-file count-objects describe diff diff-tree for-each-ref log ls-files ls-tree merge-base name-rev rev-list rev-parse "
    "shortlog show show-ref status whatchanged"
)
_GIT_NETWORK = frozenset(("clone", "fetch", "ls-remote", "pull", "push", "send-email", "submodule"))
_GIT_DELETES = frozenset(("clean", "gc", "prune", "rm"))
_GIT_STARTS = re.compile(r"--?(?:o|ext|textc|exe|upl|filt)|-O")
"""Options, or their beginnings, by which git writes a file or starts a program."""
_FIND_ACTIONS = frozenset(("-delete", "-exec", "-execdir", "-ok", "-okdir", "-fls", "-fprint", "-fprint0", "-fprintf"))
_FIND_WRITES = frozenset(("-delete", "-fls", "-fprint", "-fprint0", "-fprintf"))
FIND_TESTS = names(
    "-name -iname -path -ipath -wholename -lname -type -size -mtime -mmin -ctime -atime -newer -maxdepth -mindepth -user -group -perm "
    "-regex -iregex"
)
"""Tests of find that take one argument, which may be anything."""
_SORT_OPTION = re.compile(
    r"-(?:[bdfgihMnRrVcCmszu]+|[kt].*)|--(?:reverse|numeric-sort|unique|human-numeric-sort|version-sort|stable|check)"
)
_SED_PRINTS = re.compile(r"(?:[0-9]+|\$)(?:,(?:[0-9]+|\$))?[pq]")
HARMLESS_VARIABLE = re.compile(r"LANG|LANGUAGE|LC_[A-Z]+|TZ|NO_COLOR|FORCE_COLOR|CI|COLUMNS|LINES|[a-z](?!\w*_proxy$)[a-z0-9_]*")
"""Variables that change neither which programs run nor what they do to files; those in small letters are a script's own."""
PROGRAM_VARIABLE = re.compile(
    r"PATH|BASH\w*|ENV|LD_\w+|DYLD_\w+|SHELL\w*|IFS|PS[0-4]|PROMPT_COMMAND|CDPATH|GLOBIGNORE|EXECIGNORE|POSIXLY_CORRECT|FUNCNEST|HASH\w*"
)
"""Variables that change which programs a shell runs."""
_HOST = re.compile(r"[a-z][a-z0-9+.-]*://(?:[^/@\s]*@)?(\[[0-9a-f:.]+\]|[^/:?#\s]+)", re.IGNORECASE)
_REMOTE = re.compile(r"(?:[\w.-]+@)?([\w-]+(?:\.[\w-]+)*):(?!//)")
_LOGIN = re.compile(r"(?:[\w.-]+@)?([\w-]+(?:\.[\w-]+)*)")


@dataclass(frozen=True, slots=True)
class Effects:
    """What one program does; None where that is not known."""

    writes: bool | None = None
    deletes: bool | None = None
    network: bool | None = None
    hosts: tuple[str, ...] = ()


UNKNOWN = Effects()


def base_name(program: str) -> str:
    """The name of a program that stands in one of the usual folders, or as it is."""
    folder = next((folder for folder in USUAL_FOLDERS if program.startswith(folder)), "")
    return program.removeprefix(folder)


def effects_of(program: str, words: Words, has_odd_variables: bool = False) -> Effects:
    """What a program does with these arguments.

    Args:
        program: as it is written.
        words: its arguments.
        has_odd_variables: it runs with a variable that may change what it does.
    """
    name = base_name(program)
    writes, deletes, network = _writes(name, words), _deletes(name, words), _network(name, words)
    if has_odd_variables:
        writes, deletes, network = writes or None, deletes or None, network or None
    return Effects(writes, deletes, network, _hosts(name, words))


def _writes(name: str, words: Words) -> bool | None:
    if name in _READS:
        return False
    if name in _WRITES or _deletes(name, words):
        return True
    known = [word for word in words if word is not None]
    if any(name == one and test(known) for one, test in _WRITES_WITH.items()):
        return True
    if len(known) == len(words) and name in _READS_WITH and _READS_WITH[name](known):
        return False
    return None


def _git_reads(words: Sequence[str]) -> bool:
    return bool(words) and words[0] in _GIT_READS and not any(_GIT_STARTS.match(word) for word in words)


def _is_plain_sed(words: Sequence[str]) -> bool:
    scripts = [word for word in words if not word.startswith("-")]
    return bool(scripts) and bool(_SED_PRINTS.fullmatch(scripts[0])) and all(word in ("-n", "-E") for word in words if word.startswith("-"))


_READS_WITH: Mapping[str, Callable[[Sequence[str]], bool]] = {
    "date": lambda words: all(word.startswith("+") or word in ("-u", "-R", "-I") for word in words),
    "hostname": lambda words: not words,
    "env": lambda words: not words,
    "git": _git_reads,
    "find": lambda words: not _FIND_ACTIONS.intersection(words),
    "sort": lambda words: all(_SORT_OPTION.fullmatch(word) for word in words if word.startswith("-") and word != "-"),
    "uniq": lambda words: "--" not in words and sum(word == "-" or not word.startswith("-") for word in words) <= 1,
    "sed": _is_plain_sed,
    "rg": lambda words: not any(word.startswith(("--pre", "--host", "--search-zip")) or re.match(r"-\w*z", word) for word in words),
    "command": lambda words: words[:1] in (["-v"], ["-V"]),
    "set": lambda words: True,
    "read": lambda words: True,
    "export": lambda words: True,
}
"""Programs that change no file with the arguments that the test accepts."""
_WRITES_WITH: Mapping[str, Callable[[Sequence[str]], bool]] = {
    "sed": lambda words: any(re.match(r"-\w*i|--in-place", word) for word in words),
    "sort": lambda words: any(re.match(r"-\w*o|--o", word) for word in words),
    "curl": lambda words: any(re.match(r"-\w*[oO]|--output|--remote-name", word) for word in words),
    "git": lambda words: bool(words) and words[0] in {"add", "am", "apply", "checkout", "cherry-pick", "clone", "commit", "fetch", "init",
                                                      "merge", "mv", "pull", "push", "rebase", "reset", "restore", "revert", "rm", "stash",
                                                      "switch", "clean"},
    "tar": lambda words: any(re.match(r"-?\w*[cxru]", word) for word in words[:1]),
}  # fmt: skip


def _deletes(name: str, words: Words) -> bool | None:
    if name in _DELETES:
        return True
    if name == "git":
        return True if words[:1] and words[0] in _GIT_DELETES else False if _reads_for_certain(name, words) else None
    if name == "find" and "-delete" in words:
        return True
    if name == "rsync":
        return True if any(word and word.startswith("--del") for word in words) else None
    return False if _reads_for_certain(name, words) or name in ("mkdir", "touch", "chmod", "chown", "tee") else None


def _network(name: str, words: Words) -> bool | None:
    if name == "git":
        return True if words[:1] and words[0] in _GIT_NETWORK else False if _reads_for_certain(name, words) else None
    if name in _NETWORK:
        return True
    local = name in ("rm", "rmdir", "unlink", "shred", "mkdir", "touch", "cp", "mv", "chmod", "chown", "tee", "ln", "truncate", "dd")
    return False if local or _reads_for_certain(name, words) else None


def _reads_for_certain(name: str, words: Words) -> bool:
    if name in _READS:
        return True
    known = [word for word in words if word is not None]
    return len(known) == len(words) and name in _READS_WITH and _READS_WITH[name](known)


def _hosts(name: str, words: Words) -> tuple[str, ...]:
    """The hosts that the arguments name."""
    found: dict[str, None] = {}
    for word in words:
        for host in _HOST.findall(word or ""):
            found[host.lower()] = None
        if word and name in ("scp", "rsync", "git") and (remote := _REMOTE.match(word)) and "/" not in word.partition(":")[0]:
            found[remote[1].lower()] = None
    if name in ("ssh", "sftp", "telnet", "nc", "ncat", "netcat", "ping", "host", "nslookup", "dig", "curl", "wget") and not found:
        first = next((word for word in words if word and not word.startswith(("-", "+")) and _LOGIN.fullmatch(word)), "")
        if first:
            found[first.rpartition("@")[2].lower()] = None
    return tuple(found)


# Programs that start others


@dataclass(frozen=True, slots=True)
class Started:
    """The command that a program starts: where its words begin in the program's arguments, and what is particular to it."""

    begin: int
    end: int | None = None
    gets_more: bool = False
    """It is given more arguments than these."""
    placeholder: str = ""
    """Replaced in its words by what is not known."""
    variables: tuple[str, ...] = ()
    """Names of variables that it is given."""


_PLAIN = {
    "nohup": r"", "setsid": r"-[fwc]+|--(?:fork|wait)", "builtin": r"", "nice": r"-[0-9]+|--adjustment=-?[0-9]+|-n-?[0-9]+",
    "ionice": r"-[ct][0-9]|-t", "stdbuf": r"-[ioe][0-9LKM]+", "time": r"-p", "command": r"-p", "exec": r"-[cl]+",
    "sudo": r"-[nEHSbPAk]+", "doas": r"-n", "busybox": r"", "caffeinate": r"-[dimsu]+",
    "timeout": r"-[kv]+|--(?:foreground|preserve-status|verbose|signal=\w+|kill-after=\w+)",
    "xargs": r"-[0rtx]+|-[nLPs][0-9]+|--(?:null|no-run-if-empty|verbose)|-d.+|--(?:max-args|max-procs|max-lines|delimiter)=.+",
    "env": r"-i|-|-0|--ignore-environment",
}  # fmt: skip
"""Options without a value of their own of programs that start the command after their options."""
_WITH_VALUE = {
    "nice": "-n", "ionice": "-c -n", "stdbuf": "-i -o -e", "exec": "-a", "sudo": "-u -g -h -p -C -T -R -D -r -t --user --group",
    "doas": "-u", "timeout": "-k -s", "xargs": "-n -L -P -s -d", "env": "-u -C",
}  # fmt: skip


def starts(program: str, words: Words) -> list[Started]:
    """The commands that a program starts, as far as it names them in its arguments.

    Raises:
        NotUnderstood: it starts one, and which cannot be told from its arguments.
    """
    name = base_name(program)
    if name == "find":
        return _find_actions(words)
    if name not in _PLAIN or (name == "command" and words[:1] and words[0] in ("-v", "-V")):
        return []
    one = _after_options(name, words)
    return [one] if one else []


def only_starts(program: str, words: Words) -> bool:
    """Whether a program that starts others does nothing else to files."""
    name = base_name(program)
    return name != "nohup" and not (name == "find" and _FIND_WRITES.intersection(words))


def _after_options(name: str, words: Words) -> Started | None:
    """The command that stands after a program's own options."""
    at, replaced, variables = 0, "", list[str]()
    while at < len(words):
        word = _known(words, at, name)
        if name in ("env", "sudo") and "=" in word and not word.startswith("-"):
            variables.append(word.partition("=")[0])
        elif name == "xargs" and (word.startswith("-I") or word == "-i"):
            inline = word[2:] or ("{}" if word == "-i" else "")
            replaced = inline or _known(words, at + 1, name)
            at += not inline
        elif word in _WITH_VALUE.get(name, "").split():
            at += 1
            _known(words, at, name)
        elif word == "--" or not word.startswith("-"):
            at += word == "--"
            break
        elif not re.fullmatch(_PLAIN[name], word):
            raise NotUnderstood(f"{name} has the option {word[:20]!r}, with which it may start anything")
        at += 1
    if name == "timeout":
        if not re.fullmatch(r"[0-9.]+[smhd]?", _known(words, at, name)):
            raise NotUnderstood("timeout has no plain duration")
        at += 1
    while name in ("env", "sudo") and at < len(words) and "=" in (words[at] or ""):  # after `--`
        variables.append(str(words[at]).partition("=")[0])
        at += 1
    return Started(at, None, name == "xargs", replaced, tuple(variables)) if at < len(words) else None


def _known(words: Words, at: int, name: str) -> str:
    """An argument of a program that starts others."""
    word = words[at] if at < len(words) else None
    if word is None:
        raise NotUnderstood(f"what {name} starts is known only when it runs")
    return word


def _find_actions(words: Words) -> list[Started]:
    found = []
    for at, word in enumerate(words):
        if word in ("-exec", "-execdir", "-ok", "-okdir"):
            end = next((after for after in range(at + 1, len(words)) if words[after] in (";", "+")), None)
            if end is None:
                raise NotUnderstood(f"the command of find {word} does not end")
            found.append(Started(at + 1, end, words[end] == "+", "{}"))
    return found


_SHELLS = ("sh", "bash", "dash", "ash")
_OTHER_SHELLS = ("zsh", "ksh", "fish", "csh", "tcsh", "mksh", "pwsh", "powershell", "cmd", "rbash")


@dataclass(frozen=True, slots=True)
class ShellCall:
    """What a shell is told to run: a script of its arguments, or with `script` None its input, or with `is_file` a file."""

    script: str | None = None
    is_file: bool = False


def shell_call(program: str, words: Words) -> ShellCall | None:
    """What a shell runs; None if the program is no shell.

    Raises:
        NotUnderstood: it is a shell, and what it runs cannot be told.
    """
    name = base_name(program)
    if name in _OTHER_SHELLS:
        raise NotUnderstood(f"{name} is a shell of another language")
    if name not in _SHELLS:
        return None
    at, reads_text = 0, False
    while at < len(words):
        word = _known(words, at, name)
        if word in ("-o", "+o") and at + 1 < len(words) and words[at + 1] in _SET_OPTIONS:
            at += 1
        elif re.fullmatch(r"-[ceuxl]+", word):
            reads_text = reads_text or "c" in word
        elif word not in ("--norc", "--noprofile", "--login"):
            break
        at += 1
    if at == len(words):
        if reads_text:
            raise NotUnderstood(f"{name} -c has no script")
        return ShellCall()
    first = _known(words, at, name)
    if first.startswith(("-", "+")):
        raise NotUnderstood(f"{name} has the option {first[:20]!r}, with which it may run anything")
    return ShellCall(first) if reads_text else ShellCall(is_file=True)


NOT_READ = "it starts commands that are not read here"
_SET_OPTIONS = ("pipefail", "errexit", "nounset", "xtrace")
_UNKNOWABLE = {
    "it uses eval": "eval",
    "it runs a file in its own shell": "source .",
    "it defines or removes an alias": "alias unalias",
    "it sets a trap": "trap",
    "it starts a coprocess": "coproc",
    "it changes how the shell reads, or where it finds programs": "enable hash shopt bind complete compgen compopt suspend logout",
    "it runs commands of its history": "fc history",
    "it sets variables": "let mapfile readarray getopts declare typeset local readonly",
    "it defines a function": "function",
    "it has a menu": "select",
    NOT_READ: "parallel watch script su runuser flock chroot unshare nsenter setpriv strace ltrace systemd-run fakeroot expect entr",
}
"""Builtins and programs after which no command is certain, by the reason."""
_RESERVED = names("if then else elif fi do done case esac while until for in { } ! ]]")


def check_builtin(program: str, words: Words) -> None:
    """Refuse what changes the meaning of the commands after it.

    Raises:
        NotUnderstood: it does.
    """
    named = {NOT_READ: base_name(program)}  # the others are builtins, which have no path
    why = next((why for why, those in _UNKNOWABLE.items() if named.get(why, program) in those.split()), "")
    if why:
        raise NotUnderstood(why)
    if program in _RESERVED or program.startswith("#"):
        raise NotUnderstood(f"{program if program in _RESERVED else '#'} stands where a command begins")
    if base_name(program) == "git":
        _check_git(words)
    if program == "jobs" and not all(re.fullmatch(r"-[lnprs]+|%?\w+", word or "") for word in words):
        raise NotUnderstood("jobs -x runs a command")
    known = [word for word in words if word is not None]
    if program in ("read", "unset", "export", "printf", "wait", "set", "test", "["):
        if program not in ("test", "[", "printf") and len(known) < len(words):
            raise NotUnderstood(f"what {program} sets is known only when it runs")
        if not _is_understood(program, words):
            raise NotUnderstood(f"{program} sets or reads what may change how commands run")


def _check_git(words: Words) -> None:
    """Refuse a git whose configuration or subcommand starts any program."""
    at = 0
    while at < len(words) and (words[at] or "-").startswith("-"):
        word = words[at] or ""
        if word not in ("-C", "-P", "--no-pager", "--version", "--help") and not word.startswith(("--git-dir=", "--work-tree=")):
            raise NotUnderstood("what git does is known only when it runs, or it has options by which it may start any program")
        at += 2 if word == "-C" else 1
    rest = words[at:]
    starts_any = rest[:1] and (rest[0] in ("filter-branch", "difftool", "mergetool", "config") or rest[:2] in (["bisect", "run"],))
    foreach = rest[:1] == ["submodule"] and "foreach" in rest
    if starts_any or foreach or any((word or "").startswith(("--exec", "-x", "ext::", "--upload-pack", "-O")) for word in rest):
        raise NotUnderstood("git may start any program with that")


def _is_understood(program: str, words: Words) -> bool:
    match program:
        case "read":
            return all(word == "-r" or HARMLESS_VARIABLE.fullmatch(word or "") for word in words)
        case "unset":
            return all(HARMLESS_VARIABLE.fullmatch(word or "") for word in words)
        case "export":
            return all(HARMLESS_VARIABLE.fullmatch((word or "").partition("=")[0]) for word in words)
        case "printf":
            return words[:1] != [None] and not any((word or "").startswith("-v") for word in words[:1])
        case "wait":
            return all(re.fullmatch(r"%?[0-9]+", word or "") for word in words)
        case "set":
            return all(re.fullmatch(r"[-+][eux]*o?", word or "") or word in _SET_OPTIONS for word in words)
    return "-v" not in words and "-R" not in words
