# SPDX-License-Identifier: Apache-2.0
"""What bash, zsh and fish offer for the last word of a line, by our completion scripts."""
import os
import pathlib
import re
import subprocess

from support.person import Person

BASH = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
_volumecryptctl
printf '%s\\n' "${COMPREPLY[@]}"
"""
# Zsh completes in its line editor only: ^G does as the tab key would, and writes down what would be offered.
ZSH = """
PS1='ready> '
fpath=($FOLDER $fpath)
autoload -Uz compinit && compinit -u -D
compadd() {
  if [[ ${@[1,(i)(-|--)]} != *-(O|A|D)\\ * ]]; then
    local -a hits before prefix
    builtin compadd -A hits "$@"
    zparseopts -E P:=before p:=prefix
    (( $#hits == 0 )) || print -rl -- ${^hits/#/$before[2]$prefix[2]} >>$FOLDER/offered
  fi
  builtin compadd "$@"
}
offered() { _main_complete; compstate[insert]= compstate[list]= }
zle -C offered complete-word offered
tell() { : >$FOLDER/offered; zle offered; BUFFER=; print -n "<that is all>" }
zle -N tell
bindkey '^G' tell
"""


def line_of(words):
    """Words as bash takes them apart, as a person types them."""
    return re.sub(r" = ?", "=", " ".join(["volumecryptctl", *words]))


class Bash:
    """A shell: `script` is our completion, `environment` finds volumecryptctl on the PATH."""

    def __init__(self, script, environment, folder):
        self.script, self.environment, self.folder = script, environment, folder

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass

    def run(self, *command):
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=self.environment,
                              stdin=subprocess.DEVNULL)
        assert done.stderr == "", done.stderr
        return done.stdout.splitlines()

    def complete(self, words):
        """What is offered for the last word."""
        return [word for word in self.run("bash", "--norc", "-c", BASH, "bash", self.script, "volumecryptctl", *words) if word]


class Fish(Bash):
    def complete(self, words):
        offered = self.run("fish", "--no-config", "-c", "source $argv[1]; complete -C $argv[2]", "--", self.script, line_of(words))
        # With what an option begins, and a folder's last slash; behind a tab is what the word means.
        return [re.sub(r"^--[a-z-]+=", "", line.split("\t")[0]).rstrip("/") for line in offered]


class Zsh(Bash):
    def __enter__(self):
        (self.folder / "_volumecryptctl").write_bytes(pathlib.Path(self.script).read_bytes())
        (self.folder / "harness").write_text(ZSH, encoding="utf-8")
        self.person = Person(["zsh", "-f", "-i"], {**self.environment, "FOLDER": str(self.folder)}, seconds=110)
        self.person.types(f"source {self.folder}/harness\n")
        self.person.reads("ready> ")
        return self

    def __exit__(self, *exception):
        self.person.__exit__()

    def complete(self, words):
        self.person.types(line_of(words) + "\a")
        self.person.reads("<that is all>")
        # In no order, zsh sorts what it shows, and more than once when it tries several ways to match.
        return sorted(set((self.folder / "offered").read_text(encoding="utf-8").splitlines()))


def shell_of(script, environment, folder):
    """The shell that a completion script is for, with a folder of its own; a context manager."""
    kind = {".bash": Bash, ".zsh": Zsh, ".fish": Fish}[pathlib.Path(script).suffix]
    folder.mkdir()
    return kind(script, {**environment, "HOME": str(folder), "PATH": f"{folder}:{os.environ['PATH']}"}, folder)
