# SPDX-License-Identifier: Apache-2.0
"""Whether a command line could be typed: the program is there, and its own help knows the verb and the options."""
import functools
import os
import pathlib
import re
import shlex
import shutil
import subprocess

SOURCE = pathlib.Path(__file__).parents[2]
# The programs that texts may name: the package of tools/setup that has it, and whether a verb follows the name.
OTHERS = {
    "cryptsetup": ("cryptsetup-bin", True),
    "systemctl": ("systemd", True),
    "busctl": ("systemd", True),
    "systemd-cryptenroll": ("systemd", False),
    "journalctl": ("systemd", False),
    "dmsetup": ("dmsetup", True),
    "wipefs": ("util-linux", False),
    "blockdev": ("util-linux", False),
    "lsblk": ("util-linux", False),
    "losetup": ("mount", False),
    "fuser": ("psmisc", False),
    "e2fsck": ("e2fsprogs", False),
    "openssl": ("openssl", True),
    "tpm2_getcap": ("tpm2-tools", False),
    "tpm2_readpublic": ("tpm2-tools", False),
    "tpm2_createprimary": ("tpm2-tools", False),
    "tpm2_evictcontrol": ("tpm2-tools", False),
    "tpm2_flushcontext": ("tpm2-tools", False),
    "tpm2_pcrallocate": ("tpm2-tools", False),
    "tpm2_dictionarylockout": ("tpm2-tools", False),
}
# Verbs of cryptsetup that do nothing without a device: a hint has to say which.
OF_A_DEVICE = {"convert", "isLuks", "luksChangeKey", "luksDump", "luksHeaderBackup", "luksHeaderRestore", "luksKillSlot",
               "repair"}
# Ours: the path of the one that was built.
OURS = {"volumecryptctl": "", "volumecrypt-engine": ""}
# Not part of a name or a path, nor a unit, a page of the manual, or the start of an error line.
NAMED = re.compile(r"(?<![\w./@-])(?:" + "|".join(map(re.escape, [*OURS, *OTHERS])) + r")(?![\w/@-]|\.\w|\(|: )")


@functools.cache
def packages():
    return {package for group in ("run", "test")
            for package in subprocess.run([SOURCE / "tools/setup", "--list", group], check=True, capture_output=True,
                                          text=True).stdout.split()}


@functools.cache
def help_of(program, *words):
    """What the program says of itself and its verb; empty where ours does not know the verb."""
    binary = OURS.get(program) or shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    assert binary, f"{program} is not installed: tools/setup run test"
    option = {"openssl": "-help" if words else "help"}.get(program, "--help=no-man" if program.startswith("tpm2_") else "--help")
    done = subprocess.run([binary, *words, option], check=False, capture_output=True, text=True,
                          env={**os.environ, "SYSTEMD_PAGER": "", "PAGER": "cat"}, stdin=subprocess.DEVNULL)
    if program in OURS and done.returncode != 0:
        return ""
    return done.stdout + done.stderr


def has_option(text, option):
    return re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", text) is not None


def options_of(words, together=True):
    """The options of a command line; several letters behind one dash are as many options, but for openssl."""
    found = []
    for word in words:
        if together and re.fullmatch(r"-[A-Za-z]+", word):
            found += ["-" + letter for letter in word[1:]]
        elif re.match(r"--?[A-Za-z]", word):
            found.append(word.split("=")[0])
    return found


def problem_of_engine(words):
    text = help_of("volumecrypt-engine")
    verbs = re.findall(r"^  ([a-z-]+) +", text.split("\nVerbs:\n")[1].split("\n\n")[0], re.MULTILINE)
    if words and not words[0].startswith("-") and words[0] not in verbs:
        return "no such verb"
    wrong = [option for option in options_of(words) if not has_option(text, option)]
    return f"no option {wrong[0]}" if wrong else ""


def problem_of_ctl(words):
    general = help_of("volumecryptctl")
    verbs = re.findall(r"^  ([a-z-]+) ", general[general.index("\nShow:"):general.index("\nWithout a command")], re.MULTILINE)
    if words and not words[0].startswith("-") and words[0] not in [*verbs, "COMMAND"]:
        return "no such command"
    text = help_of("volumecryptctl", words[0]) if words and words[0] in verbs else ""
    wrong = [option for option in options_of(words) if not has_option(general + text, option)]
    if wrong:
        return f"no option {wrong[0]}"
    usage = re.search(r"^Usage: volumecryptctl [a-z-]+ \[OPTIONS\](.*)$", text, re.MULTILINE)
    plain = [word for word in words[1:] if not word.startswith("-")]
    return "too many words" if usage and len(plain) > len(usage.group(1).split()) + len(options_of(words)) else ""


def problem_of_other(program, words):
    if program not in OTHERS:
        return "no such program"
    package, has_verbs = OTHERS[program]
    if package not in packages():
        return f"tools/setup does not install {package}"
    text = help_of(program)
    if has_verbs and words and not words[0].startswith("-"):
        if not re.search(rf"(?:^|[\s|]){re.escape(words[0])}(?:[\s\[]|$)", text):
            return "no such verb"
        text += help_of(program, words[0]) if program == "openssl" else ""
    # Which every one of them has, and tells only in its page.
    text += " -T --tcti " if program.startswith("tpm2_") else ""
    if program == "cryptsetup" and words and words[0] in OF_A_DEVICE and all(word.startswith("-") for word in words[1:]):
        return "no device"
    wrong = [option for option in options_of(words, program != "openssl") if not has_option(text, option)]
    return f"no option {wrong[0]}" if wrong else ""


def problem_of(command):
    """What is wrong with a command line; empty when nothing is."""
    words = shlex.split(command.replace("'", ""))
    while words and words[0] in ("sudo", "until"):
        words = words[1:]
    # Descriptors that the shell opens: 3< <(...).
    words = words[:next((at for at, word in enumerate(words) if re.match(r"\d?[<>]", word)), len(words))]
    if not words:
        return "nothing to run"
    program = words[0].removeprefix("./")
    if program == "volumecrypt-engine":
        return problem_of_engine(words[1:])
    return problem_of_ctl(words[1:]) if program == "volumecryptctl" else problem_of_other(program, words[1:])
