"""What counted instructions are judged by (`bench/measure/record.py`)."""

import importlib.util
from pathlib import Path

import pytest

FILE = Path(__file__).resolve().parents[2] / "bench/measure/record.py"


@pytest.fixture(scope="module")
def record():
    spec = importlib.util.spec_from_file_location("record", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("edge", "fine", "says"),
    [
        (600, True, "+0.0%: fine"),
        (649, True, "+4.9%: fine"),
        (651, False, "+5.1%: **more than +5%**"),
        (551, True, "-4.9%: fine"),
        (549, True, "-5.1%: more than -5%"),
    ],
)
def test_the_sum_of_a_load_decides(record, edge, fine, says):
    recorded = {"services": {"edge": 600, "worker": 400}}
    lines, is_fine = record.compare(recorded, {"services": {"edge": edge, "worker": 400}})
    assert is_fine == fine
    assert lines[0].endswith(says)
    assert lines[0].startswith(f"instructions, services: {edge + 400:,}, on record 1,000")
    assert f"edge: {edge}, on record 600" in lines[1]
    assert "worker: 400, on record 400, +0.0%" in lines[2]


def test_what_is_to_be_done_is_said_once(record):
    recorded = {"a": {"serve": 100}, "b": {"serve": 100}, "c": {"serve": 100}}
    lines, is_fine = record.compare(recorded, {"a": {"serve": 120}, "b": {"serve": 120}}, "FOLDER")
    assert not is_fine
    said = "\n".join(lines)
    assert said.count("cargo xtask instructions --record") == 1
    assert "FOLDER" in said and "callgrind_annotate" in said
    lines, is_fine = record.compare(recorded, {"a": {"serve": 80}, "c": {"serve": 100}})
    assert is_fine and lines[-1].count("cargo xtask instructions --record") == 1
    lines, is_fine = record.compare(recorded, {"c": {"serve": 100}})
    assert is_fine and len(lines) == 1


def test_a_load_that_is_not_on_record_is_missed(record):
    lines, is_fine = record.compare({}, {"a": {"serve": 120}})
    assert not is_fine and "none on record" in lines[0]


def test_the_record_is_read_as_it_was_written(record, tmp_path):
    path = tmp_path / "record.json"
    assert record.read(path) == {}
    counts = {"a": {"edge": 4, "worker": 5}}
    record.write(path, counts)
    assert record.read(path) == counts


def test_of_several_runs_the_least_of_each_load_counts(record):
    runs = [
        {"a": {"edge": 9, "worker": 1}, "b": {"serve": 1}},
        {"a": {"edge": 4, "worker": 5}, "b": {"serve": 2}},
        {"a": {"edge": 1, "worker": 10}},
    ]
    assert record.least(runs) == {"a": {"edge": 4, "worker": 5}, "b": {"serve": 1}}
    recorded = {"a": {"edge": 4, "worker": 4}, "b": {"serve": 1}}
    assert record.over(recorded, record.least(runs)) == ["a"]
