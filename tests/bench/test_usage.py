"""CPU and memory of process trees."""

import os
import subprocess
import sys

from ari_app.lab.bench.usage import machine_cpu_s, usage_of


def test_a_child_counts_with_its_parent_unless_it_is_asked_for_itself():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        alone = usage_of({"test": os.getpid(), "child": child.pid})
        both = usage_of({"test": os.getpid()})
        assert child.stdin is not None
        child.stdin.close()
    assert alone["child"].resident_bytes > 0
    assert both["test"].resident_bytes > alone["test"].resident_bytes


def test_process_that_has_ended_has_used_nothing():
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    assert usage_of({"gone": child.pid})["gone"].cpu_s == 0.0


def test_cores_are_busy_or_idle():
    busy_s, idle_s = machine_cpu_s()
    assert busy_s > 0
    assert idle_s >= 0
