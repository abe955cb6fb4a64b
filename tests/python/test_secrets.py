"""The last test: no secret of this run is in anything that the gateways wrote or sent.

`test_leaks.py` sees to it that secrets of every kind and most ways to lose one are in the run.
What the simulator's admin calls return is not searched: it stands for the provider, which sees
keys by nature.
"""

import base64
import re

from harness import collector, http, secrets


def test_the_search_finds_what_is_planted(tmp_path):
    """Whole, cut short, in capitals and in base64: a search that finds nothing proves nothing."""
    hidden = secrets.make()
    search = secrets.Search(secrets.made())
    plants = [
        hidden,
        f"Authorization: Bearer {hidden}",
        f"key={hidden[-14:]}",
        f"sk-...{hidden[-20:-6]}...",
        hidden.upper(),
        base64.b64encode(f"user:{hidden}".encode()).decode(),
    ]
    for number, plant in enumerate(plants):
        path = tmp_path / f"{number}.log"
        path.write_text(f"a line\nsome text {plant} and more\n")
        assert list(search.directory(tmp_path)) == [str(path)], plant
        path.unlink()
    (tmp_path / "clean.log").write_text(f"{hidden[:20]} 0123456789abcdef0123456789abcdef\n")
    assert not search.directory(tmp_path)


def test_no_secret_is_in_logs_traces_metrics_or_errors(run_dir, request):
    search = secrets.Search(secrets.made())
    logs = sorted(run_dir.glob("*.log"))
    lines = sum(len(path.read_text(errors="replace").splitlines()) for path in logs)
    pages = list(run_dir.glob("*.metrics"))
    # Something was searched: the run left logs, metrics, answers and traces.
    print(f"{len(logs)} logs with {lines} lines, {len(pages)} pages of metrics, "
          f"{len(http.ANSWERS)} answers, {len(collector.MESSAGES)} traces, "
          f"{len(secrets.made())} secrets")  # fmt: skip
    if any("test_limits.py" in item.nodeid for item in request.session.items):
        assert lines > 10_000 and pages and len(http.ANSWERS) > 8_000
    assert not search.directory(run_dir)
    for text in http.ANSWERS + collector.MESSAGES:
        assert not search.text(text), text


def test_no_secret_had_to_be_masked(run_dir):
    """Logs pass a last line of defence that masks keys: had it found one, something said it."""
    masked = {
        f"{path.name}: {line}"
        for path in run_dir.glob("*.log")
        for line in path.read_text(errors="replace").splitlines()
        if "[masked]" in line
    }
    assert not masked


def test_configurations_name_secrets_and_do_not_hold_them(run_dir):
    """The files that the gateways were started with, which the search covered as well."""
    for path in run_dir.glob("*.json"):
        assert re.search(r'"value": "(env\.\w+)?"', path.read_text()), path
