# SPDX-License-Identifier: Apache-2.0
"""A virtual machine for tests: QEMU with disks, TPM, hot-plug, a console log and an agent."""
import atexit
import base64
import ctypes
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import accel
from agent import Agent, AgentTimeout
from qmp import Qmp, QmpError

# Emulated processors are ten times slower than this machine's own.
BOOT_SECONDS = 400
POWER_OFF_SECONDS = 300
HOTPLUG_PORTS = 4


def end_cleanly(number, _frame):
    """Lets atexit stop the machines and remove their folders."""
    sys.exit(128 + number)


signal.signal(signal.SIGTERM, end_cleanly)


class MachineError(Exception):
    """The machine did not do what every test needs of it."""


def die_with_parent():
    """In the child: a killed test must not leave its machine running."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def wait_for(path, process, seconds=20):
    deadline = time.monotonic() + seconds
    while not path.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise MachineError(f"{path.name} did not appear")
        time.sleep(0.02)


class Machine:
    """One machine, which may be booted again and again: its root image, disks and TPM persist."""

    def __init__(self, system, uuid, tpm=False, memory=1024, processors=1):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="volumecrypt-vm-"))
        atexit.register(self.destroy)
        self._system = system
        self._uuid, self._disks, self._tpm, self._memory = uuid, [], tpm, memory
        # One for each machine that runs at the same time: an emulated one that waits for another costs a fifth.
        self._processors = processors
        self._qemu = self._swtpm = self._qmp = self._agent = None
        self.boots = 0
        self.root = self.folder / "root.img"
        subprocess.run(["cp", "--reflink=auto", "--sparse=always", system.image, self.root], check=True)

    # -- before the power is on

    def attach(self, disk):
        """Adds a disk that is there from the next boot on."""
        self._disks.append(disk)

    def inject(self, path, content, mode=0o644):
        """Writes a file into the root image while the machine is off."""
        source = self.folder / "inject"
        source.write_bytes(content.encode() if isinstance(content, str) else content)
        folders = list(pathlib.PurePosixPath(path).parents)[-2::-1]
        commands = [f"mkdir {folder}" for folder in folders]  # those that are there stay as they are
        commands += [f"rm {path}", f"write {source} {path}", f"sif {path} mode 0100{mode:o}", "quit"]
        subprocess.run(["debugfs", "-w", "-f", "-", self.root], input="\n".join(commands), text=True, check=True,
                       capture_output=True)

    # -- power

    def start_power(self, extra_cmdline=""):
        """Powers on; nothing in the machine can be asked yet."""
        if self._qemu:
            raise MachineError("the machine is running")
        self.boots += 1
        for name in ("qmp", "agent", "tpm"):
            (self.folder / name).unlink(missing_ok=True)
        if self._tpm:
            self._start_tpm()
        with open(self.folder / f"qemu-{self.boots}.log", "wb") as log:
            self._qemu = subprocess.Popen(self._command(extra_cmdline), stdin=subprocess.DEVNULL, stdout=log,
                                          stderr=log, preexec_fn=die_with_parent)

    def boot(self, extra_cmdline="", seconds=BOOT_SECONDS):
        """Powers on and returns when the agent answers (early in the boot)."""
        self.start_power(extra_cmdline)
        try:
            wait_for(self.folder / "qmp", self._qemu)
            self._qmp = Qmp(self.folder / "qmp")
            self._agent = Agent(self.folder / "agent")
            self._agent.wait(seconds)
        except (OSError, AgentTimeout, QmpError, MachineError) as error:
            raise MachineError(f"boot {self.boots}: {error}\n{self._logs()}") from error

    def _command(self, extra_cmdline):
        command = ["qemu-system-x86_64", "-machine", "q35", *accel.options(self._system.kernel), "-smp", str(self._processors), "-m",
                   str(self._memory), "-uuid", self._uuid, "-nodefaults", "-display", "none", "-no-reboot",
                   "-kernel", self._system.kernel, "-initrd", self._system.initrd, "-append",
                   # Read-only first, as installed systems do: units must live with that.
                   f"root=/dev/vda ro console=ttyS0 loglevel=4 systemd.show_status=1 TERM=dumb {extra_cmdline}",
                   "-serial", f"file:{self.console_file()}",
                   "-qmp", f"unix:{self.folder}/qmp,server=on,wait=off",
                   "-device", "virtio-rng-pci", "-device", "virtio-serial-pci",
                   "-chardev", f"socket,id=agent,path={self.folder}/agent,server=on,wait=off",
                   "-device", "virtserialport,chardev=agent,name=org.volumecrypt.agent"]
        for number, disk in enumerate([self.root, *self._disks]):
            command += ["-drive", f"id=disk{number},file={disk},format=raw,if=none,cache=unsafe,discard=unmap",
                        "-device", f"virtio-blk-pci,drive=disk{number},serial=disk{number}"]
        for number in range(HOTPLUG_PORTS):
            command += ["-device", f"pcie-root-port,id=port{number},chassis={number + 1},slot={number + 1}"]
        command += ["-device", "virtio-scsi-pci,id=scsi"]
        if self._tpm:
            command += ["-chardev", f"socket,id=tpm,path={self.folder}/tpm", "-tpmdev",
                        "emulator,id=tpm0,chardev=tpm", "-device", "tpm-tis,tpmdev=tpm0"]
        return command

    def _start_tpm(self):
        state = self.folder / "tpm-state"
        state.mkdir(exist_ok=True)
        with open(self.folder / "swtpm.log", "ab") as log:
            self._swtpm = subprocess.Popen(
                ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={state}", "--ctrl",
                 f"type=unixio,path={self.folder}/tpm", "--terminate"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent)
        wait_for(self.folder / "tpm", self._swtpm)

    def power_off(self, seconds=POWER_OFF_SECONDS):
        """A clean shutdown, by systemd."""
        self._agent.start("systemctl poweroff --no-block")
        self._wait_end(seconds)

    def _wait_end(self, seconds):
        try:
            self._qemu.wait(seconds)
        except subprocess.TimeoutExpired as error:
            raise MachineError(f"no power-off within {seconds} s\n{self._logs()}") from error
        finally:
            self.cut_power()

    def cut_power(self):
        """Ends the machine at once, as a power failure does; does nothing when it is off."""
        for connection in (self._qmp, self._agent):
            if connection:
                connection.close()
        for process in (self._qemu, self._swtpm):
            if process and process.poll() is None:
                process.kill()
            if process:
                process.wait()
        self._qemu = self._swtpm = self._qmp = self._agent = None

    def destroy(self):
        self.cut_power()
        keep = os.environ.get("VOLUMECRYPT_TEST_KEEP")
        if keep and self.folder.exists():
            print(f"# kept: {self.folder}", file=sys.stderr)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    # -- inside

    def run(self, command, seconds=120):
        """Runs a shell command as root in the guest; never raises for its exit code."""
        return self._agent.run(command, seconds)

    def start(self, command, seconds=120):
        """Starts a command; the function that is returned waits for its outcome."""
        number = self._agent.start(command, seconds)
        return lambda: self._agent.finish(number, command, seconds)

    def output(self, command, seconds=120):
        """What a command that must not fail prints."""
        outcome = self.run(command, seconds)
        if not outcome.ok:
            raise MachineError(f"in the machine: {command}: exit {outcome.code}\n{outcome.output}")
        return outcome.output.strip()

    def journal(self, what):
        """What `journalctl WHAT` shows of this boot, up to now: what is written takes a moment to get there."""
        return self.run(f"journalctl --sync; journalctl -b --no-pager {what}").output

    def write(self, path, content, mode="0644"):
        data = content.encode() if isinstance(content, str) else content
        quoted = shlex.quote(path)
        self.output(f"install -D -m {mode} /dev/null {quoted} && base64 -d > {quoted} <<'EOF'\n"
                    f"{base64.encodebytes(data).decode()}EOF\n")

    def read(self, path):
        return base64.b64decode(self.output(f"base64 {shlex.quote(path)}"))

    def wait_until(self, command, seconds=300, interval=0.5):
        """Repeats a command until it succeeds; returns the last outcome either way. A machine that shares a busy
        processor takes its time."""
        deadline = time.monotonic() + seconds
        while True:
            outcome = self.run(command)
            if outcome.ok or time.monotonic() > deadline:
                return outcome
            time.sleep(interval)

    def wait_booted(self, seconds=BOOT_SECONDS):
        """Waits until systemd has nothing more to start; returns what it says of the system."""
        return self.run("systemctl is-system-running --wait", seconds).output.strip()

    # -- hardware

    def plug(self, name, disk, port=0):
        """A virtio disk, which Linux takes for a fixed one."""
        self._add_node(name, disk)
        self._qmp.command("device_add", driver="virtio-blk-pci", drive=name, id=f"dev-{name}",
                          bus=f"port{port}", serial=name)

    def plug_removable(self, name, disk):
        """A SCSI disk whose medium is removable."""
        self._add_node(name, disk)
        self._qmp.command("device_add", driver="scsi-hd", drive=name, id=f"dev-{name}", bus="scsi.0",
                          serial=name, removable=True)

    def _add_node(self, name, disk):
        self._qmp.command("blockdev-add", **{"node-name": name, "driver": "raw", "file": {
            "driver": "file", "filename": str(disk)}})

    def unplug(self, name, seconds=90):
        self._qmp.command("device_del", id=f"dev-{name}")
        self._qmp.wait_event("DEVICE_DELETED", seconds, device=f"dev-{name}")
        self._qmp.command("blockdev-del", **{"node-name": name})

    # -- what was seen

    def console_file(self, boot=None):
        return self.folder / f"console-{boot or self.boots}.log"

    def console(self, boot=None):
        file = self.console_file(boot)
        return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""

    def _logs(self):
        qemu = (self.folder / f"qemu-{self.boots}.log").read_text(encoding="utf-8", errors="replace")
        return f"{qemu}{self.console()[-4000:]}"
