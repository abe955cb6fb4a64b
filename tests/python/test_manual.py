"""The manual's tables and the tests of fields: every field of a provider is in a table of
docs/configuration.md, and every one that acts has a test named after it.

A test named `test_field_SECTION_FIELD` stands for `SECTION.FIELD`; further fields may follow in its
name, with `_and_` in between. `ELSEWHERE` names those that are called otherwise."""

import json
import re
import subprocess

import pytest

MANUAL = "docs/configuration.md"
# Not settings, but a name of requests each, all of them alike.
MAPS = {"allowed_requests", "request_path_overrides"}
# A value that may stand in the environment, which has a page of its own in the manual.
REFERENCE = "Reference"

ELSEWHERE = {
    "keys.value": "test_fields_keys.py::test_field_keys_name_and_value",
    "keys.use_anthropic_endpoints": "test_interfaces.py::test_a_key_chooses_the_endpoints_of_every_client",
    "keys.use_for_batch_api": "test_files.py::test_files_spread_by_weight_and_every_call",
    "aliases.use_deployments_endpoint": "test_replicate.py::test_field_aliases_use_deployments_endpoint",
    "aliases.model_id": "test_fields_keys.py::test_field_keys_aliases",
    "aliases.model_name": "test_interfaces.py::test_rules_of_models_go_by_the_common_name",
    "aliases.model_family": "test_interfaces.py::test_the_family_of_an_alias",
    "aliases.use_anthropic_endpoints": "test_interfaces.py::test_an_alias_chooses_before_its_key",
    "aliases.region": "test_places.py::test_field_aliases_region_bedrock",
    "aliases.project_id": "test_places.py::test_field_aliases_region_and_project_vertex",
    "aliases.endpoint": "test_places.py::test_field_aliases_endpoint_and_versions_azure",
    "aliases.api_version": "test_places.py::test_field_aliases_endpoint_and_versions_azure",
    "aliases.anthropic_version": "test_places.py::test_field_aliases_endpoint_and_versions_azure",
    "aliases.project_number": "test_places.py::test_field_project_number",
    "aliases.force_single_region": "test_places.py::test_field_force_single_region",
    "vertex_key_config.project_number": "test_places.py::test_field_project_number",
    "vertex_key_config.force_single_region": "test_places.py::test_field_force_single_region",
    "ollama_key_config.url": "test_fields_custom.py::test_field_url_of_each_key",
    "sgl_key_config.url": "test_fields_custom.py::test_field_url_of_each_key",
    **{
        f"stream_throughput_guard.{name}": "test_fields_network.py::test_field_network_config_stream"
        for name in ("minimum_output_characters_per_second", "probe_window_in_seconds")
    },
    **{
        f"health_check.{name}": "test_health_checks.py::test_field_health_check"
        for name in ("path", "interval_in_seconds", "timeout_in_seconds")
    },
    "network_config.health_check": "test_health_checks.py::test_field_health_check",
    "network_config.slow_failure_in_seconds": "test_waiting.py::test_a_slow_failure",
    "network_config.retry_max_percent": "test_retry_budget.py::test_field_retry_max_percent",
    "network_config.breaker_failures": "test_outages.py::test_failures_that_are_not_in_a_row",
    "network_config.hedge_after_ms": "test_hedges.py::test_the_fallback_is_kept",
    "network_config.hedge_max_percent": "test_hedges.py::test_no_more_than_the_share",
    "network_config.commit": "test_commit.py::test_the_provider_may_say_it_for_all",
    "network_config.max_held_stream_mb": "test_commit.py::test_a_stream_that_is_too_long",
    "concurrency_and_buffer_size.concurrency": "test_limits.py::test_a_full_buffer_answers_429",
    "concurrency_and_buffer_size.least_busy_within": "test_least_busy.py::test_field_least_busy_within",
    "concurrency_and_buffer_size.buffer_size": "test_limits.py::test_a_full_buffer_answers_429",
    "proxy_config.type": "test_proxies.py::test_calls_go_through",
    "proxy_config.url": "test_proxies.py::test_calls_go_through",
    "proxy_config.username": "test_proxies.py::test_calls_go_through",
    "proxy_config.password": "test_proxies.py::test_calls_go_through",
    "proxy_config.ca_cert_pem": "test_proxies.py::test_an_intercepting_proxy",
}

# The fields of the provider guide that the format is known by.
GUIDE = {
    "keys": "name value models weight aliases use_for_batch_api",
    "network_config": "default_request_timeout_in_seconds max_retries retry_backoff_initial "
    "retry_backoff_max max_conns_per_host extra_headers stream_idle_timeout_in_seconds "
    "insecure_skip_verify ca_cert_pem base_url",
    "concurrency_and_buffer_size": "concurrency buffer_size",
    "proxy_config": "type url username password ca_cert_pem",
    "azure_key_config": "endpoint client_id client_secret tenant_id",
    "bedrock_key_config": "region access_key secret_key role_arn external_id session_name "
    "batch_s3_config",
    "vertex_key_config": "project_id region auth_credentials",
    "ollama_key_config": "url",
    "vllm_key_config": "url model_name",
    "sgl_key_config": "url",
    "replicate_key_config": "use_deployments_endpoint",
}


@pytest.fixture(scope="module")
def schema(weir) -> dict:
    asked = subprocess.run([weir, "schema"], capture_output=True, check=True)
    return json.loads(asked.stdout)


@pytest.fixture(scope="module")
def fields(schema) -> set[str]:
    """The fields of a provider, as `SECTION.FIELD`: a section is the field that they stand in."""
    found: set[str] = set()
    add_fields(schema, schema["properties"]["providers"], "providers", found)
    return found


def add_fields(schema: dict, part: dict, section: str, found: set[str]) -> None:
    """Those of `part` and of what stands in it, wherever the schema keeps that."""
    if "$ref" in part:
        name = part["$ref"].rpartition("/")[2]
        if name == REFERENCE:
            return
        part = schema["$defs"][name]
    for name, inner in part.get("properties", {}).items():
        found.add(f"{section}.{name}")
        if name not in MAPS:
            add_fields(schema, inner, name, found)
    for inner in part.get("anyOf", []) + part.get("oneOf", []):
        add_fields(schema, inner, section, found)
    for inner in (part.get("items"), part.get("additionalProperties")):
        if isinstance(inner, dict):
            add_fields(schema, inner, section, found)


@pytest.fixture(scope="module")
def manual(repository) -> str:
    return (repository / MANUAL).read_text()


@pytest.fixture(scope="module")
def marks(manual, fields) -> dict[str, str]:
    """What the manual's last column says of each field. A table is about the section that its
    heading or the paragraph before it names."""
    blocks = blocks_of(fields)
    found: dict[str, str] = {}
    sections: list[str] = []
    is_about_fields = False
    for line in manual.splitlines():
        heading = re.match(r"## (.+)", line)
        if heading:
            title = "providers" if heading[1] == "Other provider fields" else heading[1]
            sections = [title]
        named = re.match(r"((`\w+`(, )?)+)", line)
        if named and (begun := [name for name in re.findall(r"\w+", named[1]) if name in blocks]):
            sections = begun
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if not line.startswith("|"):
            is_about_fields = False
        elif line.startswith("| field"):
            is_about_fields = True
        elif is_about_fields:
            for name in re.findall(r"`(\w+)`", cells[0]):
                found.update({f"{section}.{name}": cells[-1].strip("| ") for section in sections})
    return {field: mark for field, mark in found.items() if field.partition(".")[0] in blocks}


def blocks_of(fields) -> set[str]:
    return {field.partition(".")[0] for field in fields}


@pytest.fixture(scope="module")
def skipped(manual) -> set[str]:
    """The blocks of providers that the manual says are skipped."""
    (names,) = re.findall(r"knows, checks and skips with a warning: (.+)\n", manual)
    return {f"{name.replace('-', '_')}_key_config" for name in re.findall(r"`([\w-]+)`", names)}


@pytest.fixture(scope="module")
def tests(repository) -> set[str]:
    """All tests there are, as `FILE::NAME`."""
    found = set()
    for path in (repository / "tests/python").glob("test_*.py"):
        names = re.findall(r"(?m)^def (test_\w+)\(", path.read_text())
        found |= {f"{path.name}::{name}" for name in names}
    return found


def has_test(field: str, tests: set[str]) -> bool:
    section, name = field.split(".")
    if field in ELSEWHERE:
        return any(test.startswith(ELSEWHERE[field]) for test in tests)
    for test in tests:
        named = re.match(rf"\w+\.py::test_field_{section}_(\w+)$", test)
        if named and name in named[1].split("_and_"):
            return True
    return False


def test_the_manual_has_the_fields_of_the_schema_and_no_others(marks, fields):
    assert len(fields) > 100, sorted(fields)
    # A block has a table of its own.
    missing = {field for field in fields - set(marks) if field.partition(".")[2] not in blocks_of(marks)}
    assert not missing, f"not in {MANUAL}: {sorted(missing)}"
    assert not set(marks) - fields, f"no such fields: {sorted(set(marks) - fields)}"


def test_every_field_that_acts_has_a_test_of_its_name(marks, tests):
    """Or, where it holds others, each of them has."""
    acting = {field for field, mark in marks.items() if mark == "yes"}
    acting = {field for field in acting if field.partition(".")[2] not in blocks_of(marks)}
    assert len(acting) > 80, sorted(acting)
    untested = {field for field in acting if not has_test(field, tests)}
    assert not untested, f"without a test: {sorted(untested)}"


def test_what_does_not_act_is_said_to(marks, skipped):
    """Later is what belongs to providers that are skipped."""
    assert {mark for mark in marks.values()} <= {"yes", "no", "warns", "later"}
    later = {field for field, mark in marks.items() if mark == "later"}
    assert not {field for field in later if field.partition(".")[0] not in skipped}, later


def test_no_field_of_the_guide_is_left_for_later(marks):
    for section, names in GUIDE.items():
        for field in (f"{section}.{name}" for name in names.split()):
            mark = marks.get(field, "missing")
            assert mark == "yes", f"{field}: {mark}"


def test_places_of_tests_exist(marks, tests):
    for field, place in ELSEWHERE.items():
        assert field in marks, field
        assert any(test.startswith(place) for test in tests), f"{field}: no {place}"
