"""Tiny base models with random weights, of the kinds that are used for other languages."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import Unigram, WordPiece
from tokenizers.trainers import UnigramTrainer, WordPieceTrainer
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaModel

EXAMPLES = {
    "order_status": [
        "where is my order [LW-10251](order)?",
        "has [LW-20112](order) been sent yet",
        "Wo bleibt meine Bestellung [LW-10300](order)?",
        "Ist [LW-55555](order) schon unterwegs?",
        "Où est ma commande [LW-10444](order) ?",
        "我的订单[LW-10500](order)在哪里？",
        "注文[LW-10600](order)はどこですか",
        "أين طلبي [LW-10700](order)؟",
    ],
    "returns": [
        "I want to send the [sofa](product)😀 back",
        "can I return a [ﬂoor lamp](product)?",
        "Ich möchte das „[Sofa](product)“ zurückgeben.",
        "Kann ich die [Ｌａｍｐｅ](product)!umtauschen?",
        "Je veux renvoyer l'[armoire](product).",
        "我要退[沙发](product)。",
        "[ソファ](product)を返品したい",
        "أريد إرجاع [الأريكة](product)",
    ],
    "greet": ["hello", "good morning", "Guten Tag", "Hallo zusammen", "bonjour", "你好", "こんにちは", "مرحبا"],
}
REGEX = "- regex: order\n  examples: |\n    - LW-\\d{5}\n"
ARTICLE = "# Returns\n\nReturns are free within thirty days. Rückgaben sind dreißig Tage lang kostenlos. 退货免费。\n"
_MARK = re.compile(r"\[(.*?)\]\(\w+\)")
_ALONE = re.compile(r"[^\w\s]|[\u3040-\u9fff]")
_SIZES: dict[str, Any] = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 96}


def data(folder: Path) -> Path:
    """Examples in six languages, and an article."""
    lines = ["nlu:"]
    for intent, texts in EXAMPLES.items():
        lines += [f"- intent: {intent}", "  examples: |", *(f"    - {text}" for text in texts)]
    (folder / "kb").mkdir(parents=True)
    (folder / "nlu.yml").write_text("\n".join(lines) + "\n" + REGEX, "utf-8")
    (folder / "kb" / "returns.md").write_text(ARTICLE, "utf-8")
    return folder


def xlm_roberta(folder: Path) -> Path:
    """As XLM-RoBERTa's: Unigram behind NFKC and Metaspace, the special tokens first and `<mask>` last."""
    tokenizer = Tokenizer(Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    split = [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(split)
    tokenizer.decoder = decoders.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = UnigramTrainer(vocab_size=200, special_tokens=special, unk_token="<unk>", show_progress=False)  # a token
    tokenizer.train_from_iterator(_texts(), trainer)
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    names = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "sep_token": "</s>", "cls_token": "<s>"}
    _save_tokenizer(folder, tokenizer, {**names, "unk_token": "<unk>", "mask_token": "<mask>"})
    torch.manual_seed(0)
    config = XLMRobertaConfig(
        vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=66, type_vocab_size=1, pad_token_id=1, **_SIZES
    )
    XLMRobertaModel(config).save_pretrained(folder)
    return folder


def cased_bert(folder: Path) -> Path:
    """As multilingual BERT's: WordPiece, with capitals and accents."""
    tokenizer = Tokenizer(WordPiece(unk_token="[UNK]"))  # a token
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = WordPieceTrainer(vocab_size=10, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(_plain(), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    _save_tokenizer(folder, tokenizer, {**names, "mask_token": "[MASK]"})
    torch.manual_seed(0)
    config = BertConfig(vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=64, **_SIZES)
    BertModel(config).save_pretrained(folder)
    return folder


def with_cls_pooling(folder: Path, pooling: Mapping[str, object]) -> Path:
    """As sentence-transformers lays it out."""
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    (folder / "2_Normalize").mkdir()
    return folder


def _texts() -> list[str]:
    """Of which no piece takes a word and a mark, or two Chinese words, together."""
    return [_ALONE.sub(r" \g<0> ", text) for text in _plain()]


def _plain() -> list[str]:
    return [_MARK.sub(r"\1", text) for texts in EXAMPLES.values() for text in texts] * 5 + [ARTICLE]


def _save_tokenizer(folder: Path, tokenizer: Tokenizer, names: dict[str, str]) -> None:
    saved = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)  # type: ignore[no-untyped-call]  # is untyped
    saved.save_pretrained(folder)
