"""What can be known of the files without starting anything: every profile is valid for compose,
and no service of any profile is without the protections that docs/deployment.md promises."""

import itertools
import json
import re

import pytest
from conftest import OPENAI_KEY
from stack import PREPARING, PROFILES, REPOSITORY, Stack

CHOICES = [
    chosen for count in range(len(PROFILES) + 1) for chosen in itertools.combinations(PROFILES, count)
]
OBSERVABILITY = REPOSITORY / "deploy" / "observability"
# The collector's image holds no program that could ask for its health.
WITHOUT_CHECK = {"otel-collector"}


def config(profiles, *files: str) -> dict[str, str]:
    """Each service as compose understands it, as text."""
    env = {"OPENAI_API_KEY": OPENAI_KEY, "GROQ_API_KEY": "gsk-compose"}
    stack = Stack("weir-compose-config", "weir:local", range(8080, 8082), env)
    flags = [word for profile in profiles for word in ("--profile", profile)]
    flags += [word for file in files for word in ("-f", file)]
    text = stack.compose(*flags, "config")
    (services,) = re.findall(r"^services:\n((?:  .*\n)+)", text, re.M)
    parts = re.split(r"^  (\S+):\n", services, flags=re.M)[1:]
    listed = dict(zip(parts[::2], parts[1::2]))
    # Compose 1 lists the services of profiles that were not chosen as well.
    needs = {name: re.findall(r"profiles:\n *- (\w+)", text) for name, text in listed.items()}
    return {name: text for name, text in listed.items() if set(needs[name]) <= set(profiles)}


@pytest.mark.parametrize("profiles", CHOICES, ids="+".join)
def test_every_choice_of_profiles_is_valid(profiles):
    services = config(profiles)
    assert {"redis", "edge", "router", "worker-openai", "worker-groq"} <= set(services)
    assert ("worker-sim" in services) == ("demo" in profiles)
    watchers = {"otel-collector", "jaeger", "prometheus", "grafana"}
    assert watchers & set(services) == (watchers if "observability" in profiles else set())


def test_every_service_is_confined():
    for name, text in config(PROFILES).items():
        for line in [
            r"restart: unless-stopped", r"read_only: true", r"- ALL", r"- no-new-privileges:true",
            r"mem_limit: \S+", r"pids_limit: \d+", r"user: .?[1-9]\d*:\d+",
        ]:
            if name in PREPARING:
                # Owns the new volume, which is root's, and has no network to be reached by.
                line = re.sub("^restart.*", "restart: .?no", line)
                line = re.sub("^user.*", "(user: .?0:65532|network_mode: none)", line)
            assert re.search(rf"^ +{line}", text, re.M), f"{name}: no `{line}`"
        assert ("healthcheck:" in text) == (name not in WITHOUT_CHECK | PREPARING), name
        # A tag that says a version, so that the same file is the same thing tomorrow.
        assert re.search(r"image: (weir:local|\S+:v?\d+[\w.-]*)$", text, re.M), f"{name}: {text}"


def test_every_image_of_others_can_be_had_by_digest():
    plain = config(PROFILES)
    pinned = config(PROFILES, "docker-compose.yml", "deploy/pinned.yml")
    image = re.compile(r"^ +image: (\S+)$", re.M)
    for name, text in pinned.items():
        (tag,), (by_digest,) = image.findall(plain[name]), image.findall(text)
        if not tag.startswith("weir:"):
            # The same version, and nothing but that.
            assert re.fullmatch(rf"{re.escape(tag)}@sha256:[0-9a-f]{{64}}", by_digest), name
    dockerfile = (REPOSITORY / "deploy" / "Dockerfile").read_text()
    bases = dict(re.findall(r"^ARG (\w+)=(\S+:\S+)$", dockerfile, re.M))
    assert set(bases) == set(re.findall(r"^FROM \$(\w+)", dockerfile, re.M)) and "FROM r" not in dockerfile
    for argument, tag in bases.items():
        assert re.search(rf"{argument}: {re.escape(tag)}@sha256:[0-9a-f]{{64}}$", pinned["edge"], re.M)


def test_only_the_edge_publishes_a_port():
    publishing = [name for name, text in config(PROFILES).items() if "ports:" in text]
    assert publishing == ["edge"]
    files = ["docker-compose.yml", "deploy/observability/ports.yml"]
    opened = config(PROFILES, *files)
    publishing = {name for name, text in opened.items() if "ports:" in text}
    assert publishing == {"edge", "grafana", "jaeger", "prometheus"}
    for name, text in opened.items():
        assert "ports:" not in text or "127.0.0.1" in text, f"{name} is open to everybody"


def test_the_edge_is_open_to_its_host_alone_and_known_by_its_name():
    edge = config(PROFILES)["edge"]
    assert "--allow-anonymous" in edge
    assert re.search(r"WEIR_ALLOWED_HOST: .?edge", edge), edge
    # What there is without anything in the environment.
    text = (REPOSITORY / "docker-compose.yml").read_text()
    assert '"${WEIR_EDGE_PORTS:-127.0.0.1:8080}:8080"' in text
    assert text.count("--allow-anonymous,") == 1


def test_a_secret_reaches_its_worker_alone():
    services = config(PROFILES)
    for secret, owner in [(OPENAI_KEY, "worker-openai"), ("gsk-compose", "worker-groq")]:
        assert [name for name, text in services.items() if secret in text] == [owner]


def test_services_ask_each_other_for_the_token_that_is_made_at_the_first_start():
    services = config(PROFILES)
    asking = {name for name, text in services.items() if "--link-token-file" in text}
    assert asking == {name for name in services if name in ("edge", "router") or "worker-" in name}
    for name in asking:
        text = services[name]
        assert re.search(r"link-token:\n +condition: service_completed_successfully", text), name
        assert re.search(r"link-token:/etc/weir/link:ro", text), f"{name} could write it"
    assert "/etc/weir/link" not in services["sim"]
    assert "network_mode: none" in services["link-token"]


def test_who_watches_is_not_where_keys_can_be_used():
    services = config(PROFILES)
    on = {name: set(re.findall(r"^ {6}(?:- )?(\w+):?(?: null| \{\})?$", text.partition("networks:\n")[2].partition("\n    p")[0], re.M))
          for name, text in services.items()}  # fmt: skip
    for name in ("otel-collector", "jaeger", "prometheus", "grafana"):
        assert on[name] == {"watch"}, name
    assert on["redis"] == {"inner"}
    for name, text in services.items():
        for address in re.findall(r"--listen\n +- (\S+)", text):
            if name != "sim":
                # By name: on all networks that would be.
                assert re.fullmatch(r"[\w-]+\.(public|inner):\d+", address), (name, address)


def test_spans_are_sent_only_where_it_was_asked_for():
    for name, text in config(PROFILES).items():
        assert not re.search(r"OTLP_ENDPOINT: *[^\s'\"n]", text), name


def test_grafana_finds_what_its_dashboard_asks():
    dashboard = json.loads((OBSERVABILITY / "grafana" / "dashboards" / "weir.json").read_text())
    sources = (OBSERVABILITY / "grafana" / "datasources" / "weir.yml").read_text()
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    uids = {target["datasource"]["uid"] for panel in panels for target in panel["targets"]}
    assert uids == {"weir-prometheus"}
    assert all(f"uid: {uid}\n" in sources for uid in uids)
    assert all(target["expr"] for panel in panels for target in panel["targets"])
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
