"""Sound, images, judgements and the text of documents, with the SDKs that have them."""

import base64
import re
import socket
import time

import openai
import pytest
from google.genai import types
from harness import http
from harness.config import Config, Key
from mistralai.client import Mistral
from mistralai.client import models as mistral

MIB = 1 << 20
BOUNDARY = "----weir"
SOUND = b"ID3" + bytes(range(256)) * 20


def form(*parts) -> bytes:
    """A form of (name, content) and (name, file name, content), in this order."""
    body = b""
    for name, *rest in parts:
        content = rest[-1] if isinstance(rest[-1], bytes) else rest[-1].encode()
        file = f'; filename="{rest[0]}"' if len(rest) == 2 else ""
        body += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n'.encode()
        body += (b"Content-Type: audio/mpeg\r\n" if file else b"") + b"\r\n" + content + b"\r\n"
    return body + f"--{BOUNDARY}--\r\n".encode()


HEADERS = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}


def post(gateway, path: str, *parts, **more) -> http.Answer:
    return gateway.request("POST", path, form(*parts), HEADERS, **more)


def heard(sound: bytes) -> str:
    """What the simulator says of a file: that all of it was there, and that it was this one."""
    state = 0xCBF29CE484222325
    for byte in (*sound, 0xFF):
        state = ((state ^ byte) * 0x100000001B3) & (2**64 - 1)
    return f"{len(sound)} bytes of sound, {state:016x}."


def value(page: str, name: str, **labels) -> float:
    lines = (line for line in page.splitlines() if line.startswith(f"{name}{{"))
    found = [line for line in lines if all(f'{k}="{v}"' in line for k, v in labels.items())]
    return sum(float(line.rsplit(" ", 1)[1]) for line in found)


# --- Speech ---------------------------------------------------------------------------------------


def test_speech_is_passed_on_as_it_comes(client, sim):
    said = "All hands to the weir. " * 20
    begun = time.monotonic()
    with client.audio.speech.with_streaming_response.create(
        model="openai/sim:chunks=4,interval=400", voice="alloy", input=said
    ) as answer:
        assert answer.headers["content-type"] == "audio/mpeg"
        first = next(pieces := answer.iter_bytes(64))
        came = time.monotonic() - begun
        sound = first + b"".join(pieces)
    assert sound == said.encode()
    assert came < 1.0 < time.monotonic() - begun, "the first bytes came long before the last"
    (seen,) = sim.requests()
    assert dict(seen["headers"])["accept"] == "*/*" and seen["outcome"] == "completed"


def test_a_format_of_speech_and_a_whole_answer(client):
    answer = client.audio.speech.create(
        model="openai/gpt-4o-mini-tts", voice={"id": "voice_1"}, input="Hi", response_format="wav"
    )
    assert (answer.content, answer.response.headers["content-type"]) == (b"Hi", "audio/wav")


def test_speech_in_events(gateway, client):
    answer = gateway.request(
        "POST",
        "/v1/audio/speech",
        {"model": "openai/gpt-4o-mini-tts", "voice": "alloy", "input": "Hello there",
         "stream_format": "sse"},
    )
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert b"speech.audio.done" in answer.body and b"[DONE]" not in answer.body
    deltas = re.findall(rb'"audio":"([^"]*)"', answer.body)
    assert b"".join(base64.b64decode(delta) for delta in deltas) == b"Hello there"
    page = gateway.metrics()
    assert value(page, "weir_tokens_total", provider="openai", kind="output") == 6


@pytest.mark.parametrize("stream_format", ["audio", "sse"])
def test_speech_that_breaks_never_looks_complete(gateway, stream_format):
    body = {"model": "openai/sim:cut=2,chunks=4,interval=100", "voice": "alloy",
            "input": "Some words that are cut " * 4, "stream_format": stream_format}
    events = http.stream(f"{gateway.url}/v1/audio/speech", body).read()
    if stream_format == "sse":
        assert events.errors and events.ended == "complete"
    else:
        assert events.ended == "cut"


def test_speech_that_fails_before_its_first_byte_is_had_elsewhere(start, sim, other_sim, sdk):
    config = Config().provider("openai", sim.url).provider("groq", other_sim.url)
    client = sdk(start(config))
    sim.rule("status=503")
    answer = client.audio.speech.create(
        model="openai/tts-1", voice="alloy", input="Hi", extra_body={"fallbacks": ["groq/orpheus"]}
    )
    assert answer.content == b"Hi" and answer.response.headers["x-weir-provider"] == "groq"
    assert [seen["model"] for seen in other_sim.requests()] == ["orpheus"]


def test_a_client_that_leaves_speech_has_the_call_closed(gateway, sim):
    body = {"model": "openai/sim:chunks=50,interval=200", "voice": "alloy", "input": "x" * 500}
    answer = http.stream(f"{gateway.url}/v1/audio/speech", body)
    assert answer.status == 200
    answer.close()
    sim.wait_until(lambda sim: sim.requests()[0]["outcome"] == "client_closed")


# --- Transcripts ----------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["whisper-1", "gpt-4o-transcribe"])
def test_a_transcript(gateway, client, model):
    answer = client.audio.transcriptions.create(
        model=f"openai/{model}", file=("talk.mp3", SOUND), language="en", temperature=0.5
    )
    assert answer.text == heard(SOUND)
    counted = value(gateway.metrics(), "weir_tokens_total", provider="openai", kind="input")
    assert counted == (20 if model == "gpt-4o-transcribe" else 0)


@pytest.mark.parametrize("wanted", ["text", "srt", "vtt", "verbose_json"])
def test_a_transcript_in_other_forms(client, wanted):
    raw = client.audio.transcriptions.with_raw_response.create(
        model="openai/whisper-1", file=("talk.mp3", SOUND), response_format=wanted
    )
    kind = {"verbose_json": "application/json", "vtt": "text/vtt"}.get(wanted, "text/plain")
    assert raw.headers["content-type"].startswith(kind)
    answer = raw.parse()
    if wanted == "verbose_json":
        assert answer.segments[0].text == answer.text == heard(SOUND)
    else:
        assert heard(SOUND) in answer
        assert answer.startswith("WEBVTT") == (wanted == "vtt")


def test_a_streamed_transcript(gateway, client):
    events = list(client.audio.transcriptions.create(
        model="openai/gpt-4o-transcribe", file=("talk.mp3", SOUND), stream=True
    ))
    text = "".join(event.delta for event in events if event.type == "transcript.text.delta")
    assert text == events[-1].text == heard(SOUND)
    assert events[-1].usage.input_tokens == 20
    page = gateway.metrics()
    assert value(page, "weir_tokens_total", provider="openai", kind="input") == 20


def test_a_model_that_cannot_stream_gives_its_whole_answer_as_the_last_event(client):
    events = list(client.audio.transcriptions.create(
        model="openai/whisper-1", file=("talk.mp3", SOUND), stream=True
    ))
    assert [event.type for event in events] == ["transcript.text.done"]
    assert events[0].text == heard(SOUND)


def test_a_streamed_transcript_that_breaks(client):
    stream = client.audio.transcriptions.create(
        model="openai/sim:cut=2", file=("talk.mp3", SOUND), stream=True
    )
    with pytest.raises(openai.APIError):
        list(stream)


def test_a_translation(client):
    answer = client.audio.translations.create(model="openai/whisper-1", file=("t.ogg", SOUND))
    assert answer.text == f"In English: {heard(SOUND)}"


@pytest.mark.parametrize("size", [1000, 9 * MIB], ids=["short", "long"])
@pytest.mark.parametrize("order", ["model first", "file first"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_fields_may_stand_before_and_behind_the_file(gateway, sim, size, order, stream):
    sound = SOUND[:100] + bytes(size)
    fields = [("model", "openai/gpt-4o-transcribe"), ("stream", str(stream).lower())]
    file = ("file", "talk.mp3", sound)
    parts = [fields[0], file, fields[1]] if order == "model first" else [file, *fields]
    answer = post(gateway, "/v1/audio/transcriptions", *parts)
    assert answer.status == 200, answer.body
    assert f"{len(sound)} bytes of sound" in answer.body.decode() or stream
    kind = "text/event-stream" if stream else "application/json"
    assert answer.headers["content-type"].startswith(kind)
    assert (b"transcript.text.done" in answer.body) == stream
    (seen,) = sim.requests()
    assert seen["model"] == "gpt-4o-transcribe" and seen["body_bytes"] > size


@pytest.mark.parametrize("size", [1000, 9 * MIB], ids=["short", "long"])
def test_a_stream_that_nobody_may_ask_for_is_refused_wherever_it_is_asked_for(start, sim, size):
    config = Config().provider("corp", sim.url)
    config.document["providers"]["corp"]["custom_provider_config"] = {
        "base_provider_type": "openai",
        "allowed_requests": {"transcription": True, "transcription_stream": False},
    }
    gateway = start(config)
    first = [("model", "corp/gpt-4o-transcribe"), ("file", "talk.mp3", SOUND[:100] + bytes(size))]
    assert post(gateway, "/v1/audio/transcriptions", *first).status == 200
    answer = post(gateway, "/v1/audio/transcriptions", *first, ("stream", "true"))
    assert answer.status == 400, answer.body[:200]
    assert answer.error["type"] == "unsupported_operation"


def test_what_a_form_lacks_is_said(gateway, sim):
    for parts, says in [
        ([("file", "a.mp3", SOUND)], '"model"'),
        ([("model", ""), ("file", "a.mp3", SOUND)], "empty"),
        ([("model", "openai/w"), ("model", "openai/x")], "two"),
        ([("model", "openai/w"), ("stream", "perhaps")], "`true` or `false`"),
    ]:
        answer = post(gateway, "/v1/audio/transcriptions", *parts)
        assert answer.status == 400 and says in answer.error["message"], answer.body
    answer = gateway.request("POST", "/v1/audio/transcriptions", {"model": "openai/w"})
    assert answer.status == 400 and "boundary" in answer.error["message"]
    cut = form(("model", "openai/w"), ("file", "a.mp3", SOUND))[:-20]
    answer = gateway.request("POST", "/v1/audio/transcriptions", cut, HEADERS)
    assert answer.status == 400 and "ended" in answer.error["message"]
    assert not sim.requests()
    # What the provider has against it is its own to say.
    answer = post(gateway, "/v1/audio/transcriptions", ("model", "openai/w"),
                  ("file", "a.txt", SOUND))
    assert answer.status == 400 and "file format" in answer.error["message"]


def test_a_form_that_is_held_is_sent_again_and_elsewhere(start, sim, other_sim):
    config = Config().provider(
        "openai", sim.url, [Key("a"), Key("b")], max_retries=1, retry_backoff_initial=100
    )
    gateway = start(config.provider("groq", other_sim.url))
    sim.rule("status=503")
    parts = [("file", "a.mp3", SOUND), ("model", "openai/whisper-1"),
             ("fallbacks[]", "groq/whisper-large-v3")]
    answer = post(gateway, "/v1/audio/transcriptions", *parts)
    assert answer.status == 200 and answer.json()["text"] == heard(SOUND), answer.body
    assert answer.headers["x-weir-attempts"].count("503") == 2
    (seen,) = other_sim.requests()
    assert seen["model"] == "whisper-large-v3"


def test_a_form_that_nobody_holds_is_sent_once(start, sim, other_sim):
    config = Config().provider(
        "openai", sim.url, [Key("a"), Key("b")], max_retries=3, retry_backoff_initial=100
    )
    gateway = start(config.provider("groq", other_sim.url))
    sim.rule("status=503")
    parts = [("model", "openai/whisper-1"), ("fallbacks[]", "groq/whisper-large-v3"),
             ("file", "a.mp3", bytes(10 * MIB))]
    answer = post(gateway, "/v1/audio/transcriptions", *parts)
    assert answer.status == 503, answer.body
    assert len(sim.requests()) == 1 and not other_sim.requests()


def _upload(gateway, sent: int, model: str = "openai/whisper-1") -> socket.socket:
    """An upload of 20 MiB of which so much is sent."""
    body = form(("model", model), ("file", "a.mp3", bytes(20 * MIB)))
    head = "POST /v1/audio/transcriptions HTTP/1.1\r\nhost: localhost\r\n"
    head += f"content-type: {HEADERS['content-type']}\r\ncontent-length: {len(body)}\r\n\r\n"
    connection = socket.create_connection(gateway.address, timeout=30)
    connection.sendall(head.encode() + body[:sent])
    return connection


def test_a_slow_upload_holds_its_slot_and_nothing_else(start, sim, other_sim):
    config = Config().provider("openai", sim.url, concurrency=1, buffer=4)
    gateway = start(config.provider("groq", other_sim.url))
    slow = _upload(gateway, 10 * MIB)
    sim.wait_in_flight(1)
    # Everybody else is served at once; who wants that slot waits for it.
    assert gateway.chat("groq/m").status == 200
    waiting = socket.create_connection(gateway.address, timeout=30)
    body = b'{"model":"openai/m","messages":[{"role":"user","content":"hi"}]}'
    waiting.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: "
                    + str(len(body)).encode() + b"\r\n\r\n" + body)
    gateway.wait_waiting(1)
    slow.close()
    assert b"200 OK" in waiting.recv(65536)
    waiting.close()


def test_a_short_upload_holds_no_slot_before_it_is_there(start, sim):
    gateway = start(Config().provider("openai", sim.url, concurrency=1, buffer=4))
    slow = _upload(gateway, 1 * MIB)
    assert gateway.chat("openai/m").status == 200
    slow.close()


def test_a_client_that_leaves_its_upload_has_the_call_closed(gateway, sim):
    leaving = _upload(gateway, 12 * MIB)
    sim.wait_in_flight(1)
    leaving.close()
    sim.wait_in_flight(0)
    assert gateway.chat("openai/m").status == 200


def test_an_upload_is_not_held_in_memory(start, sim):
    gateway = start(Config().provider("openai", sim.url))

    def rss(process) -> int:
        with open(f"/proc/{process.pid}/status") as status:
            return int(re.search(r"VmHWM:\s+(\d+) kB", status.read()).group(1)) * 1024

    def upload(size: int):
        parts = [("model", "openai/whisper-1"), ("file", "a.mp3", bytes(size))]
        answer = post(gateway, "/v1/audio/transcriptions", *parts, timeout=60)
        assert answer.status == 200, answer.body
        assert f"{size} bytes" in answer.json()["text"]

    upload(1 * MIB)
    before = {process.name: rss(process) for process in gateway.processes}
    upload(64 * MIB)
    grown = {process.name: (rss(process) - before[process.name]) / MIB
             for process in gateway.processes}
    assert all(mib < 48 for mib in grown.values()), grown


# --- Images ---------------------------------------------------------------------------------------


def test_images_from_text(gateway, client, sim):
    answer = client.images.generate(
        model="openai/gpt-image-1", prompt="A weir at dawn", n=2, size="1024x1024", quality="low"
    )
    images = [base64.b64decode(image.b64_json) for image in answer.data]
    assert len(set(images)) == 2 and all(image.startswith(b"\x89PNG") for image in images)
    assert answer.usage.output_tokens == 544
    page = gateway.metrics()
    assert value(page, "weir_tokens_total", provider="openai", kind="output") == 544
    older = client.images.generate(model="openai/dall-e-3", prompt="x", response_format="url")
    assert older.data[0].url.startswith("https://")
    assert [seen["model"] for seen in sim.requests()] == ["gpt-image-1", "dall-e-3"]


def test_images_come_while_they_are_drawn(gateway, client):
    events = list(client.images.generate(
        model="openai/gpt-image-1", prompt="A weir", partial_images=2, stream=True
    ))
    kinds = [event.type.removeprefix("image_generation.") for event in events]
    assert kinds == ["partial_image", "partial_image", "completed"]
    assert [event.partial_image_index for event in events[:2]] == [0, 1]
    assert events[-1].usage.output_tokens == 272
    page = gateway.metrics()
    assert value(page, "weir_tokens_total", provider="openai", kind="output") == 272


def test_all_of_several_streamed_images_come(client):
    events = list(client.images.generate(
        model="openai/gpt-image-1", prompt="A weir", n=3, stream=True
    ))
    assert [event.type for event in events] == ["image_generation.completed"] * 3


def test_streamed_images_that_break(gateway):
    body = {"model": "openai/sim:cut=1,tag=image", "prompt": "x", "partial_images": 3,
            "stream": True}
    events = http.stream(f"{gateway.url}/v1/images/generations", body).read()
    assert events.errors and events.ended == "complete"


def test_images_from_images(client, sim):
    images = [("a.png", b"\x89PNGone"), ("b.png", b"\x89PNGtwo!")]
    answer = client.images.edit(model="openai/gpt-image-1", prompt="Add a heron", image=images)
    assert b"15 bytes" in base64.b64decode(answer.data[0].b64_json), "both have come"
    events = list(client.images.edit(
        model="openai/gpt-image-1", prompt="Add a heron", image=images[0], mask=images[1],
        stream=True, partial_images=1,
    ))
    assert [event.type for event in events] == ["image_edit.partial_image", "image_edit.completed"]
    alike = client.images.create_variation(model="openai/dall-e-2", image=images[0], n=2,
                                           response_format="b64_json")
    assert len(alike.data) == 2
    assert all(seen["status"] == 200 for seen in sim.requests())


def test_images_of_google(start, sim):
    gateway = start(Config().provider("gemini", f"{sim.url}/v1beta").provider("openai", sim.url))
    # As `generate_images` of Google's SDK writes it, which sends it to its cloud only.
    answer = gateway.request(
        "POST", "/genai/v1beta/models/imagen-4.0-generate-001:predict",
        {"instances": [{"prompt": "A weir"}], "parameters": {"sampleCount": 2}},
    )
    images = types.GenerateImagesResponse(generated_images=[
        {"image": {"image_bytes": one["bytesBase64Encoded"], "mime_type": one["mimeType"]}}
        for one in answer.json()["predictions"]
    ])
    assert [image.image.image_bytes[:4] for image in images.generated_images] == [b"\x89PNG"] * 2
    refused = gateway.request(
        "POST", "/genai/v1beta/models/openai/gpt-image-1:predict",
        {"instances": [{"prompt": "x"}]},
    )
    assert refused.status == 400, refused.body
    assert "image_generation" in refused.json()["error"]["message"]


# --- Judgements, and the text of documents ----------------------------------------------------------


def test_moderation(client, sim):
    named = client.moderations.create(model="openai/omni-moderation-latest", input="violent words")
    assert named.results[0].flagged and named.results[0].categories.violence
    unnamed = client.moderations.create(input=["mild", "words"])
    assert [result.flagged for result in unnamed.results] == [False, False]
    assert [seen["model"] for seen in sim.requests()] == ["omni-moderation-latest"] * 2


@pytest.fixture
def with_mistral(start, sim):
    config = Config().provider("mistral", f"{sim.url}/mistral").provider("openai", sim.url)
    return start(config)


def test_what_mistrals_sdk_has(with_mistral, sim):
    client = Mistral(api_key="unused", server_url=f"{with_mistral.url}/mistral")
    read = client.ocr.process(
        model="mistral-ocr-latest",
        document={"type": "document_url", "document_url": "https://a.example/b.pdf"},
    )
    assert read.pages[0].markdown == "# The text of https://a.example/b.pdf"
    file = mistral.File(file_name="talk.mp3", content=SOUND)
    heard_ = client.audio.transcriptions.complete(model="voxtral-mini-latest", file=file)
    assert heard_.text == heard(SOUND) and heard_.usage.prompt_tokens == 20
    events = list(client.audio.transcriptions.stream(model="voxtral-mini-latest", file=file))
    assert events[-1].event == "transcription.done" and events[-1].data.text == heard(SOUND)
    judged = client.classifiers.moderate(model="mistral-moderation-latest", inputs=["mild"])
    assert judged.results[0].categories["violence"] is False
    spoken = client.audio.speech.complete(model="voxtral-tts", input="Hi", voice_id="v")
    assert base64.b64decode(spoken.audio_data) == b"Hi"
    assert all(seen["status"] == 200 for seen in sim.requests()), sim.requests()
    page = with_mistral.metrics()
    assert value(page, "weir_tokens_total", provider="mistral", kind="input") == 40


def test_what_of_mistral_openais_sdk_has(with_mistral, sdk, sim):
    client = sdk(with_mistral)
    answer = client.audio.transcriptions.create(
        model="mistral/voxtral-mini-latest", file=("talk.mp3", SOUND)
    )
    assert answer.text == heard(SOUND)
    judged = client.moderations.create(model="mistral/mistral-moderation-latest", input="x")
    assert len(judged.results) == 1
    body = {"model": "mistral/mistral-ocr-latest",
            "document": {"type": "document_url", "document_url": "https://a.example/b.pdf"}}
    read = with_mistral.request("POST", "/v1/ocr", body)
    assert read.status == 200 and read.json()["usage_info"]["pages_processed"] == 1, read.body
    with pytest.raises(openai.BadRequestError, match="speech"):
        client.audio.speech.create(model="mistral/voxtral-tts", voice="alloy", input="Hi")


# --- Who offers what ------------------------------------------------------------------------------


def test_azures_deployments(start, sim):
    for extra in ({}, {"api_version": "2025-04-01-preview"}):
        sim.reset()
        azure = {"azure_key_config": {"endpoint": sim.url, **extra}}
        gateway = start(Config().provider("azure", sim.url, [Key("azure-1", extra=azure)]))
        client = openai.AzureOpenAI(
            azure_endpoint=gateway.url, api_key="unused", api_version="2025-04-01-preview",
            max_retries=0,
        )
        answer = client.audio.transcriptions.create(
            model="gpt-4o-transcribe", file=("talk.mp3", SOUND)
        )
        assert answer.text == heard(SOUND)
        assert client.audio.speech.create(
            model="gpt-4o-mini-tts", voice="alloy", input="Hi"
        ).content == b"Hi"
        images = client.images.generate(model="gpt-image-1", prompt="A weir")
        assert images.data[0].b64_json
        edited = client.images.edit(model="gpt-image-1", prompt="x", image=("a.png", b"\x89PNG"))
        assert edited.data[0].b64_json
        client.close()
        beginning = "/openai/deployments/" if extra else "/openai/v1/"
        paths = [seen["path"] for seen in sim.requests()]
        assert len(paths) == 4 and all(path.startswith(beginning) for path in paths), paths


REQUESTS = {
    "/v1/audio/speech": {"voice": "alloy", "input": "Hi"},
    "/v1/images/generations": {"prompt": "A weir"},
    "/v1/moderations": {"input": "Hi"},
    "/v1/ocr": {"document": {"type": "file", "file_id": "f"}},
    "/v1/rerank": {"query": "a", "documents": ["b"]},
}


@pytest.mark.parametrize("path", REQUESTS)
def test_who_does_not_offer_it_says_so(start, sim, other_sim, path):
    config = Config().provider("anthropic", sim.url).provider("vllm", other_sim.url, [
        Key("vllm-1", extra={"vllm_key_config": {"url": other_sim.url, "model_name": "m"}})
    ])
    del config.document["providers"]["vllm"]["network_config"]["base_url"]
    gateway = start(config)
    answer = gateway.request("POST", path, {"model": "anthropic/claude-x", **REQUESTS[path]})
    assert answer.status == 400 and answer.error["type"] == "unsupported_operation", answer.body
    # Nobody was asked, so even a form that cannot be sent again may go elsewhere.
    parts = [("model", "anthropic/claude-x"), ("fallbacks[]", "vllm/m"),
             ("file", "a.mp3", bytes(9 * MIB))]
    answer = post(gateway, "/v1/audio/transcriptions", *parts)
    assert answer.status == 200, answer.body
    assert answer.headers["x-weir-provider"] == "vllm"
    assert not sim.requests()


def test_rerank_of_a_server_of_ones_own(start, sim):
    key = Key("vllm-1", extra={"vllm_key_config": {"url": sim.url, "model_name": "m"}})
    config = Config().provider("vllm", sim.url, [key])
    del config.document["providers"]["vllm"]["network_config"]["base_url"]
    gateway = start(config)
    answer = gateway.request(
        "POST", "/v1/rerank", {"model": "vllm/m", "query": "weir", "documents": ["a", "weir"]}
    )
    assert answer.status == 200 and answer.json()["results"][0]["index"] == 1, answer.body


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/realtime?model=gpt-realtime"),
        ("POST", "/v1/realtime/client_secrets"),
        ("POST", "/openai/v1/realtime/calls"),
        ("GET", "/v1/responses"),
        ("POST", "/v1/videos"),
        ("GET", "/v1/videos/video_1/content"),
        ("DELETE", "/openai/videos/video_1"),
        ("POST", "/v1/containers"),
        ("GET", "/v1/containers/c/files/f/content"),
        ("POST", "/genai/v1beta/models/veo-3:predictLongRunning"),
    ],
)
def test_what_is_not_served_says_so(gateway, method, path):
    answer = gateway.request(method, path, {} if method == "POST" else None)
    assert answer.status == 501, answer.body
    error = answer.json()["error"]
    if path.startswith("/genai"):
        assert error["code"] == 501 and "not served" in error["message"], error
    else:
        assert error["type"] == error["code"] == "unsupported_operation", error
