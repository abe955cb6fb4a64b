"""A model of a few hundred kilobytes, its weights drawn once: what it says is nonsense, and always
the same."""

from pathlib import Path

import gguf
import numpy as np

WIDTH, INNER, LAYERS, HEADS, CONTEXT = 64, 128, 2, 4, 512
SPECIAL = ["<unk>", "<s>", "</s>"]
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
WORDS = [chr(letter) for letter in range(ord("a"), ord("z") + 1)]
WORDS += [f"\u2581{word}" for word in "the a of and to in is it you that".split()] + ["\u2581"]


def _vocabulary(writer: gguf.GGUFWriter) -> int:
    kinds = gguf.TokenType
    writer.add_tokenizer_model("llama")
    writer.add_token_list(SPECIAL + BYTES + WORDS)
    equal = [0.0] * (len(SPECIAL) + len(BYTES))
    writer.add_token_scores([*equal, *[-float(place) for place in range(len(WORDS))]])
    control = [kinds.UNKNOWN, kinds.CONTROL, kinds.CONTROL]
    writer.add_token_types([*control, *[kinds.BYTE] * len(BYTES), *[kinds.NORMAL] * len(WORDS)])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    return len(SPECIAL) + len(BYTES) + len(WORDS)


def _shape(writer: gguf.GGUFWriter) -> None:
    writer.add_name("tiny")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)


def write(path: Path) -> None:
    """Writes the model."""
    dice = np.random.default_rng(7)
    writer = gguf.GGUFWriter(str(path), "llama")
    _shape(writer)
    words = _vocabulary(writer)
    writer.add_vocab_size(words)

    def drawn(name: str, *shape: int) -> None:
        writer.add_tensor(f"{name}.weight", dice.normal(0, 0.3, shape).astype(np.float32))

    def ones(name: str) -> None:
        writer.add_tensor(f"{name}.weight", np.ones(WIDTH, np.float32))

    drawn("token_embd", words, WIDTH)
    ones("output_norm")
    drawn("output", words, WIDTH)
    for block in range(LAYERS):
        ones(f"blk.{block}.attn_norm")
        ones(f"blk.{block}.ffn_norm")
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            drawn(f"blk.{block}.{part}", WIDTH, WIDTH)
        drawn(f"blk.{block}.ffn_gate", INNER, WIDTH)
        drawn(f"blk.{block}.ffn_up", INNER, WIDTH)
        drawn(f"blk.{block}.ffn_down", WIDTH, INNER)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
