"""Sound and images through LiteLLM, the one of these libraries that has calls for them beside OpenAI's
SDK, which `tests/python/test_media.py` drives."""

import base64
import io

import pytest

SOUND = b"ID3" + bytes(range(256)) * 20
# The smallest picture.
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
)


@pytest.fixture
def media(_run):
    """How LiteLLM is called, and what the provider got last."""
    gateway, sim = _run
    sim.reset()
    return {"api_base": f"{gateway.url}/v1", "api_key": "unused"}, lambda: sim.requests()[-1]


def named(contents: bytes, name: str) -> io.BytesIO:
    file = io.BytesIO(contents)
    file.name = name
    return file


def test_speech(media):
    import litellm

    how, sent = media
    spoken = litellm.speech(model="openai/openai/tts-1", voice="alloy", input="All hands", **how)
    assert len(spoken.content) > 0 and sent()["path"] == "/v1/audio/speech"
    assert sent()["model"] == "tts-1"


def test_transcription(media):
    import litellm

    how, sent = media
    heard = litellm.transcription(
        model="openai/openai/whisper-1", file=named(SOUND, "talk.mp3"), **how
    )
    assert f"{len(SOUND)} bytes of sound" in heard.text
    assert sent()["path"] == "/v1/audio/transcriptions"


def test_images(media):
    import litellm

    how, sent = media
    made = litellm.image_generation(model="openai/openai/gpt-image-1", prompt="A weir", **how)
    assert base64.b64decode(made.data[0].b64_json)
    assert sent()["path"] == "/v1/images/generations" and sent()["model"] == "gpt-image-1"
    edited = litellm.image_edit(
        model="openai/openai/gpt-image-1", image=named(PICTURE, "weir.png"), prompt="A heron", **how
    )
    assert base64.b64decode(edited.data[0].b64_json)
    assert sent()["path"] == "/v1/images/edits"


def test_moderation(media):
    import litellm

    how, sent = media
    judged = litellm.moderation(input="A calm river", model="omni-moderation-latest", **how)
    assert judged.results[0].flagged is False and sent()["path"] == "/v1/moderations"
