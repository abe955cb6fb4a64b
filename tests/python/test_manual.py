"""The manual's tables and the tests of fields: every field of a provider is in a table of
docs/configuration.md, and every one that acts has a test named after it.

A test named `test_field_SECTION_FIELD` stands for `SECTION.FIELD`; further fields may follow in its
name, with `_and_` in between. `ELSEWHERE` names those that are called otherwise."""

import json
import re
import subprocess

import pytest

MANUAL = "docs/configuration.md"
# The older spellings of another field.
SPELLINGS = {"retry_backoff_initial_ms", "retry_backoff_max_ms"}
BLOCKS = ("azure", "bedrock", "bedrock_mantle", "vertex", "ollama", "sgl", "vllm", "huggingface")
BLOCKS += ("replicate", "databricks", "github_copilot")
SECTIONS = {"keys", "aliases", "network_config", "concurrency_and_buffer_size", "proxy_config"}
SECTIONS |= {"custom_provider_config", *(f"{block}_key_config" for block in BLOCKS)}

ELSEWHERE = {
    "keys.value": "test_fields_keys.py::test_field_keys_name_and_value",
    "keys.use_anthropic_endpoints": "test_interfaces.py::test_a_key_chooses_the_endpoints_of_every_client",
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
    "concurrency_and_buffer_size.concurrency": "test_limits.py::test_a_full_buffer_answers_429",
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
# The only ones of them that may not act yet: what belongs to batches, and to a provider that is not
# served.
LATER = {"keys.use_for_batch_api", "bedrock_key_config.batch_s3_config"}
LATER |= {"replicate_key_config.use_deployments_endpoint"}


@pytest.fixture(scope="module")
def marks(repository) -> dict[str, str]:
    """What the manual's last column says of each field, by section."""
    found: dict[str, str] = {}
    sections: list[str] = []
    paragraphs = (repository / MANUAL).read_text().split("\n\n")
    for line in (line for paragraph in paragraphs for line in lines(paragraph)):
        heading = re.match(r"## (\w+)", line)
        if heading:
            sections = [heading[1]]
        opening = re.match(r"`\w+_key_config`", line)
        if opening:
            sections = re.findall(r"`(\w+_key_config)`", line)
            prose(line, sections, found)
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| `") and SECTIONS & set(sections):
            for name in re.findall(r"`(\w+)`", cells[0]):
                for section in sections:
                    found[f"{section}.{name}"] = cells[-1].strip("| ")
    return found


def lines(paragraph: str) -> list[str]:
    """The lines of a table; a sentence is one."""
    is_table = paragraph.startswith(("|", "#"))
    return paragraph.splitlines() if is_table else [paragraph.replace("\n", " ")]


def prose(line: str, sections: list[str], found: dict[str, str]) -> None:
    """Blocks whose fields are named in a sentence."""
    names = re.findall(r"`(\w+)`", line.partition(":")[2])
    for section in sections:
        mark = "later" if re.search(r"\blater\b", line) else "yes, in words"
        found.update({f"{section}.{name}": mark for name in names})


@pytest.fixture(scope="module")
def schema(weir) -> dict:
    asked = subprocess.run([weir, "schema"], capture_output=True, check=True)
    return json.loads(asked.stdout)


@pytest.fixture(scope="module")
def tests(repository) -> set[str]:
    """All tests there are, as `FILE::NAME`."""
    found = set()
    for path in (repository / "tests/python").glob("test_*.py"):
        names = re.findall(r"(?m)^def (test_\w+)\(", path.read_text())
        found |= {f"{path.name}::{name}" for name in names}
    return found


def resolved(schema: dict, part: dict) -> dict:
    """Behind references and `or null`."""
    while True:
        if "$ref" in part:
            part = schema["$defs"][part["$ref"].rpartition("/")[2]]
        elif "anyOf" in part:
            part = next(one for one in part["anyOf"] if one.get("type") != "null")
        else:
            return part


def properties(schema: dict, part: dict) -> dict:
    return resolved(schema, part).get("properties", {})


def fields(schema: dict) -> set[str]:
    """The fields of a provider, as `SECTION.FIELD`."""
    providers = resolved(schema, schema["properties"]["providers"])
    provider = properties(schema, providers["additionalProperties"])
    key = properties(schema, resolved(schema, provider["keys"])["items"])
    places = {name: provider[name] for name in SECTIONS if name in provider}
    del places["keys"]
    places |= {name: key[name] for name in SECTIONS if name in key and name != "aliases"}
    found = {f"keys.{name}" for name in key if name not in SECTIONS}
    for section, part in places.items():
        found |= {f"{section}.{name}" for name in properties(schema, part)}
    return found


def has_test(field: str, tests: set[str]) -> bool:
    if field in ELSEWHERE:
        return any(test.startswith(ELSEWHERE[field]) for test in tests)
    section, name = field.split(".")
    for test in tests:
        named = re.match(rf"\w+\.py::test_field_{section}_(\w+)$", test)
        if named and name in named[1].split("_and_"):
            return True
    return False


def test_every_field_of_the_schema_is_in_the_manual(marks, schema):
    missing = fields(schema) - set(marks) - {f"network_config.{name}" for name in SPELLINGS}
    # A block may be described in sentences.
    missing = {field for field in missing if f"{field.split('.')[0]}" not in IN_WORDS}
    assert not missing, f"not in {MANUAL}: {sorted(missing)}"


IN_WORDS = {"bedrock_mantle_key_config", "replicate_key_config", "github_copilot_key_config"}
IN_WORDS |= {"huggingface_key_config"}


def test_every_field_that_acts_has_a_test_of_its_name(marks, tests):
    acting = {field for field, mark in marks.items() if mark.startswith("yes") and "words" not in mark}
    acting -= {f"network_config.{name}" for name in SPELLINGS}
    assert len(acting) > 50, sorted(acting)
    untested = {field for field in acting if not has_test(field, tests)}
    assert not untested, f"without a test: {sorted(untested)}"


def test_no_field_of_the_guide_is_left_for_later(marks):
    for section, names in GUIDE.items():
        for field in (f"{section}.{name}" for name in names.split()):
            mark = marks.get(field, "missing")
            assert mark.startswith("yes") or field in LATER, f"{field}: {mark}"


def test_places_of_tests_exist(tests):
    for field, place in ELSEWHERE.items():
        assert any(test.startswith(place) for test in tests), f"{field}: no {place}"
