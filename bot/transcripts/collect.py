"""`frontdesk collect`: the customers' messages of the conversation log become utterances, each once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import typer

from bot.config import Settings
from bot.desk import with_journal
from bot.journal.journal import Journal
from bot.journal.values import Note, PastTurn, Utterance, UtteranceKey
from bot.printed import counted, print_json
from bot.transcripts.heard import PRESSED, SOURCE, Hearing, Said, Thread, keys_of
from bot.transcripts.keeper import REPEATED, Keeper, Repeats
from bot.transcripts.report import Report, kept

BATCH = 500
"""Turns in one transaction."""
_LOOK_BACK = 50
"""Turns of a conversation that are read again to know what the bot had asked, and what people were called for."""
_THREADS = 20_000
"""Conversations remembered at once."""
RATED_SECONDS = 7 * 24 * 3600.0
"""So long after an answer its thumb is taken note of."""


def show(as_json: bool) -> None:
    settings = Settings.read()

    async def work(journal: Journal) -> tuple[Collection, dict[str, int]]:
        collection = Collection(journal, Keeper.of(settings))
        await collection.collect()
        return collection, await journal.utterance_counts()

    done, counts = with_journal(work, "What was collected is kept; collect again, it goes on from there.")
    if as_json:
        print_json({"turns": done.turns, **done.report.to_json(), "utterances": counts})
        return
    typer.echo(f"{counted(done.turns, 'turn', 'turns')} read. {kept(done.report, sum(counts.values()))}")
    done.report.print_skipped()


@dataclass(slots=True)
class Collection:
    """Goes on where the last one ended. What it has taken is kept with the place where it is, in one transaction."""

    journal: Journal
    keeper: Keeper
    report: Report = field(default_factory=Report)
    turns: int = 0
    _threads: dict[str, Thread] = field(default_factory=dict)
    _repeats: Repeats = field(default_factory=Repeats)

    async def collect(self) -> None:
        mark = await self.journal.collected()
        while turns := await self.journal.turns_after(mark.turn, BATCH):
            batch = _Batch()
            for turn in turns:
                self._read(turn, await self._thread(turn), batch)
            added = await self.journal.take_turns(mark, turns[-1].id, batch.found, batch.notes)
            if added is None:
                before, mark = mark, await self.journal.collected()
                if mark.fence == before.fence:  # another process collects; what it left is left to it
                    break
                self._threads.clear()  # something was erased: what is left is read anew
                continue
            self.turns += len(turns)
            self._count(batch, added)
            mark = replace(mark, turn=turns[-1].id)
        await self._note_thumbs()

    async def _thread(self, turn: PastTurn) -> Thread:
        known = self._threads.get(turn.conversation_id)
        if known is None:
            if len(self._threads) >= _THREADS:
                self._threads.clear()
            before = await self.journal.turns_before(turn.conversation_id, turn.id, _LOOK_BACK)
            known = self._threads[turn.conversation_id] = self._after(before)
        return known

    def _after(self, turns: Sequence[PastTurn]) -> Thread:
        thread, repeats = Thread(), Repeats()
        for turn in turns:
            hearing = Hearing(turn, thread)
            hearing.read()
            for said in hearing.said:
                if not self.keeper.why_not(said.text):
                    self._said_before(turn, said, thread, repeats)
        return thread

    def _read(self, turn: PastTurn, thread: Thread, batch: _Batch) -> None:
        hearing = Hearing(turn, thread)
        hearing.read()
        batch.notes += hearing.notes
        place = f"{turn.conversation_id}/{turn.seq}"
        if hearing.pressed and not hearing.said:
            batch.skipped.append((PRESSED, place))
        for said in hearing.said:
            if why := self.keeper.why_not(said.text):
                batch.skipped.append((why, place))
            elif same := self._said_before(turn, said, thread, self._repeats):
                batch.skipped.append((REPEATED, place))
                batch.notes.append(Note(same, {**said.signals, "repeated": True}))
            else:
                self._keep(turn, said, batch)

    def _said_before(self, turn: PastTurn, said: Said, thread: Thread, repeats: Repeats) -> UtteranceKey | None:
        """The customer's message before this one, if it said the same."""
        same = repeats.before(self._customer(turn), said.text, said.key)
        if same is None or same == said.key:
            return None
        thread.repeats(said.key, same)
        return same

    def _customer(self, turn: PastTurn) -> str:
        return self.keeper.signed_in(turn.metadata) or turn.conversation_id

    def _keep(self, turn: PastTurn, said: Said, batch: _Batch) -> None:
        words = self.keeper.words(said.text)
        source, conversation, message = said.key
        parsed = said.parsed
        understood = parsed.get("intent") or {}
        batch.found.append(
            Utterance(
                source=source,
                conversation=conversation,
                message=message,
                text=words.text,
                customer=self._customer(turn),
                at=turn.said_at,
                language=words.language,
                asked=said.asked,
                signals=said.signals,
                intent=understood.get("name"),
                confidence=understood.get("confidence"),
                verdict=(parsed.get("metadata") or {}).get("verdict"),
                model=turn.model or None,
            )
        )

    def _count(self, batch: _Batch, added: int) -> None:
        self.report.added += added
        self.report.known += len(batch.found) - added
        for reason, place in batch.skipped:
            self.report.skip(reason, place)

    async def _note_thumbs(self) -> None:
        """Thumbs come after the turn, and may be taken back."""
        given = await self.journal.thumbs(RATED_SECONDS)
        thumbs = {key: thumb.rating for thumb in given for key in keys_of(thumb.conversation_id, thumb.seq)}
        noted = await self.journal.rated_utterances(SOURCE, RATED_SECONDS)
        gone = [Note(utterance.key, {"rating": None}) for utterance in noted if utterance.key not in thumbs]
        notes: Sequence[Note] = [*gone, *(Note(key, {"rating": rating}) for key, rating in thumbs.items())]
        for start in range(0, len(notes), BATCH):
            await self.journal.note_signals(notes[start : start + BATCH])


@dataclass(slots=True)
class _Batch:
    found: list[Utterance] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
