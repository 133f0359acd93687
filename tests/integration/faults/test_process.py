"""Process faults on real child processes."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from faults import ProcessError, ProcessHandle, ProcessTree

Spawn = Callable[..., "subprocess.Popen[str]"]

IGNORES_SIGTERM = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
)
ENDS_ON_SIGTERM = (
    "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(3)); print(flush=True); time.sleep(60)"
)
BUSY_WITH_THREADS = """
import threading
def spin():
    while True:
        pass
for _ in range(3):
    threading.Thread(target=spin, daemon=True).start()
print(flush=True)
spin()
"""
WAITS_FOR_INPUT_ON_SIGTERM = """
import signal, sys, time
def leave(*_):
    sys.stdin.read()
    sys.exit(4)
signal.signal(signal.SIGTERM, leave)
print(flush=True)
time.sleep(60)
"""
HAS_CHILD = "import subprocess, time; print(subprocess.Popen(['sleep', '60']).pid, flush=True); time.sleep(60)"


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    children: list[subprocess.Popen[str]] = []

    def start(*command: str) -> "subprocess.Popen[str]":
        children.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return children[-1]

    yield start
    for child in children:
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe:
                pipe.close()


def python(spawn: Spawn, code: str) -> "subprocess.Popen[str]":
    """Started, and past its first line of output."""
    child = spawn(sys.executable, "-c", code)
    assert child.stdout
    child.stdout.readline()
    return child


def test_a_crash_is_seen_and_left_to_its_owner(spawn: Spawn) -> None:
    child = spawn("sleep", "60")
    evidence = ProcessHandle.of(child.pid).crash()
    assert (evidence.fired, evidence.bit, evidence.why) == (1, True, "")
    assert evidence.facts["exit_code"] == -signal.SIGKILL
    assert evidence.facts["signalled_ns"] <= evidence.facts["exited_ns"] <= time.monotonic_ns()
    assert child.wait(1) == -signal.SIGKILL


def test_a_crash_reaps_when_it_is_told_how(spawn: Spawn) -> None:
    child = spawn("sleep", "60")
    handle = ProcessHandle.of(child.pid, reap=child.wait)
    assert handle.crash().facts["exit_code"] == -signal.SIGKILL
    assert child.returncode == -signal.SIGKILL
    assert not handle.alive()


def test_a_crash_races_with_its_owners_wait(spawn: Spawn) -> None:
    child = spawn("sleep", "60")
    owner = threading.Thread(target=child.wait)
    owner.start()
    assert ProcessHandle.of(child.pid).crash().bit
    owner.join(5)
    assert child.returncode == -signal.SIGKILL


def test_what_is_dead_cannot_be_crashed(spawn: Spawn) -> None:
    child = spawn("true")
    handle = ProcessHandle(child.pid, time.time(), reap=child.wait)
    deadline = time.monotonic() + 20
    while handle.alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not handle.alive(), "now a zombie: signals to it succeed, and mean nothing"
    for fault in (handle.crash, handle.stop, handle.pause, handle.resume):
        evidence = fault()
        assert (evidence.fired, evidence.bit) == (0, False)
        assert "was gone" in evidence.why
    child.wait()
    assert not handle.crash().bit


def test_a_recycled_pid_is_never_signalled(spawn: Spawn) -> None:
    child = spawn("sleep", "60")
    stranger = ProcessHandle(child.pid, ProcessHandle.of(child.pid).started - 60)
    assert not stranger.alive()
    assert not stranger.crash().bit
    assert child.poll() is None


def test_no_such_process(spawn: Spawn) -> None:
    child = spawn("true")
    child.wait()
    with pytest.raises(ProcessError, match=f"no process {child.pid}"):
        ProcessHandle.of(child.pid)


def test_a_stop_lets_the_process_end_by_itself(spawn: Spawn) -> None:
    child = python(spawn, ENDS_ON_SIGTERM)
    evidence = ProcessHandle.of(child.pid).stop()
    assert evidence.bit
    assert evidence.facts["exit_code"] == 3


def test_a_stop_that_is_ignored_does_not_bite(spawn: Spawn) -> None:
    child = python(spawn, IGNORES_SIGTERM)
    evidence = ProcessHandle.of(child.pid).stop(wait_s=0.2)
    assert (evidence.fired, evidence.bit) == (1, False)
    assert "still there 0.2 s after SIGTERM" in evidence.why


def test_what_holds_a_process_up_is_let_go_between_the_signal_and_its_end(spawn: Spawn) -> None:
    held_up, let_go = python(spawn, WAITS_FOR_INPUT_ON_SIGTERM), python(spawn, WAITS_FOR_INPUT_ON_SIGTERM)
    assert let_go.stdin
    assert not ProcessHandle.of(held_up.pid).stop(wait_s=0.2).bit
    assert ProcessHandle.of(let_go.pid).stop(wait_s=10, signalled=let_go.stdin.close).facts["exit_code"] == 4


def test_a_pause_stops_every_thread_and_the_clock_of_the_process(spawn: Spawn) -> None:
    child = python(spawn, BUSY_WITH_THREADS)
    handle = ProcessHandle.of(child.pid)
    assert handle.pause().bit
    assert handle.alive()
    time.sleep(0.3)
    evidence = handle.resume()
    assert (evidence.fired, evidence.bit, evidence.why) == (1, True, "")
    assert evidence.facts["cpu_s_while_stopped"] == 0
    assert evidence.facts["stopped_ms"] >= 300


def test_a_pause_that_somebody_else_ends_does_not_bite(spawn: Spawn) -> None:
    child = spawn("sleep", "60")
    handle = ProcessHandle.of(child.pid)
    handle.pause()
    os.kill(child.pid, signal.SIGCONT)
    time.sleep(0.1)
    evidence = handle.resume()
    assert not evidence.bit
    assert "not stopped any more" in evidence.why


def test_a_pause_that_was_interrupted_does_not_bite(spawn: Spawn) -> None:
    child = python(spawn, BUSY_WITH_THREADS)
    handle = ProcessHandle.of(child.pid)
    handle.pause()
    os.kill(child.pid, signal.SIGCONT)
    time.sleep(0.3)
    os.kill(child.pid, signal.SIGSTOP)
    time.sleep(0.1)
    evidence = handle.resume()
    assert (evidence.fired, evidence.bit) == (1, False)
    assert "somebody let it run in between" in evidence.why


def test_a_process_that_dies_while_paused(spawn: Spawn) -> None:
    child = spawn("sleep", "60")
    handle = ProcessHandle.of(child.pid)
    assert handle.pause().bit
    child.kill()
    child.wait()
    evidence = handle.resume()
    assert (evidence.fired, evidence.bit) == (1, False)
    assert "was gone" in evidence.why


def test_a_pid_that_has_become_a_threads_id_is_never_signalled() -> None:
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait, args=(10,))
    thread.start()
    assert thread.native_id
    stranger = ProcessHandle(thread.native_id, time.time())
    evidence = stranger.crash()
    ended.set()
    thread.join()
    assert (evidence.fired, evidence.bit) == (0, False)


def test_resume_is_harmless_and_repeatable(spawn: Spawn) -> None:
    child = spawn("sleep", "60")
    handle = ProcessHandle.of(child.pid)
    assert handle.resume().why == f"process {child.pid} was not paused"
    handle.pause()
    assert handle.resume().bit
    assert (handle.resume().fired, handle.alive()) == (0, True)


def test_a_paused_process_can_be_crashed(spawn: Spawn) -> None:
    child = spawn("sleep", "60")
    handle = ProcessHandle.of(child.pid, reap=child.wait)
    handle.pause()
    assert handle.crash().bit
    healed = handle.resume()
    assert (healed.fired, healed.bit) == (1, False)


def test_a_process_that_is_not_our_child(spawn: Spawn) -> None:
    parent = spawn(sys.executable, "-c", HAS_CHILD)
    assert parent.stdout
    grandchild = ProcessHandle.of(int(parent.stdout.readline()))
    assert grandchild.pause().bit
    assert grandchild.resume().bit
    evidence = grandchild.crash()
    assert evidence.bit
    assert evidence.facts["exit_code"] is None  # only a parent may know
    assert not grandchild.alive()


# -- a process and its descendants -------------------------------------------------------------------------------

FAMILY = """
import subprocess, sys, time
level = int(sys.argv[1])
if level:
    subprocess.Popen([sys.executable, "-c", sys.argv[2], str(level - 1), sys.argv[2]], start_new_session=True)
else:
    print(flush=True)
time.sleep(60)
"""


@pytest.fixture
def family(spawn: Spawn) -> "subprocess.Popen[str]":
    """A parent with a child and a grandchild, each in a session of its own."""
    parent = spawn(sys.executable, "-c", FAMILY, "2", FAMILY)
    assert parent.stdout
    parent.stdout.readline()
    return parent


def generations(parent: "subprocess.Popen[str]") -> list[psutil.Process]:
    root = psutil.Process(parent.pid)
    return [root, *root.children(recursive=True)]


def states(family: list[psutil.Process]) -> set[str]:
    return {each.status() for each in family if each.is_running()} - {psutil.STATUS_ZOMBIE}


def test_a_crash_of_a_family_leaves_nobody(family: "subprocess.Popen[str]") -> None:
    before = generations(family)
    assert len(before) == 3
    evidence = ProcessTree.of(family.pid, reap=family.wait).crash()
    assert (evidence.fired, evidence.bit, evidence.why) == (1, True, "")
    assert evidence.facts["exit_code"] == -signal.SIGKILL
    assert evidence.facts["descendants"] == [each.pid for each in before[1:]]
    assert states(before) == set()


def test_a_crash_of_one_leaves_its_descendants(family: "subprocess.Popen[str]") -> None:
    before = generations(family)
    assert ProcessHandle.of(family.pid, reap=family.wait).crash().bit
    try:
        assert len([each for each in before[1:] if each.is_running()]) == 2
    finally:
        for orphan in before[1:]:
            orphan.kill()


def test_a_pause_of_a_family_stops_all_of_it_and_the_heal_wakes_it(family: "subprocess.Popen[str]") -> None:
    before = generations(family)
    tree = ProcessTree.of(family.pid, reap=family.wait)
    paused = tree.pause()
    assert (paused.bit, paused.why) == (True, "")
    assert states(before) == {psutil.STATUS_STOPPED}
    resumed = tree.resume()
    assert (resumed.bit, resumed.why) == (True, "")
    assert len(resumed.facts["descendants"]) == 2
    assert psutil.STATUS_STOPPED not in states(before)
    assert tree.crash().bit


def test_a_pause_of_a_family_of_which_one_was_woken_does_not_bite(family: "subprocess.Popen[str]") -> None:
    tree = ProcessTree.of(family.pid, reap=family.wait)
    tree.pause()
    woken = generations(family)[2]
    woken.send_signal(signal.SIGCONT)
    time.sleep(0.1)
    evidence = tree.resume()
    assert not evidence.bit
    assert f"process {woken.pid} was not stopped any more" in evidence.why
    assert tree.crash().bit


def test_a_stop_that_leaves_descendants_does_not_bite(family: "subprocess.Popen[str]") -> None:
    before = generations(family)
    evidence = ProcessTree.of(family.pid, reap=family.wait).stop(wait_s=0.3)
    assert (evidence.fired, evidence.bit) == (1, False)
    assert f"its descendant {before[1].pid} is still there" in evidence.why
    for orphan in before[1:]:
        orphan.kill()


def test_a_family_that_is_gone(spawn: Spawn) -> None:
    child = spawn("true")
    child.wait()
    tree = ProcessTree(child.pid, time.time())
    for fault in (tree.crash, tree.stop, tree.pause, tree.resume):
        evidence = fault()
        assert (evidence.fired, evidence.bit) == (0, False)
        assert "was gone" in evidence.why
