"""Pulling models from a real HTTP server that misbehaves."""

import asyncio
import hashlib
import io
import os
import stat
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from ari_app.errors import BadInput, DownloadFailed
from ari_app.speech import download
from ari_app.speech.download import Pulled, Puller
from ari_app.speech.models import Model, ModelFile, ModelKind

VOICE = os.urandom(700_000)
CONFIG = b'{"audio": {}}'


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class Server:
    """Serves `contents`; drops the connection after `drop_after` bytes for the first `drops` requests."""

    contents: dict[str, bytes] = field(default_factory=dict)
    has_ranges: bool = True
    drops: int = 0
    drop_after: int = 200_000
    status: int | None = None
    etag: str = '"one"'
    url: str = ""
    requests: list[tuple[str, str | None]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        self.requests.append((name, request.headers.get("Range")))
        if self.status is not None:
            return web.Response(status=self.status)
        if name not in self.contents:
            return web.Response(status=404)
        content, start = self.contents[name], 0
        asked = request.headers.get("Range")
        is_same = request.headers.get("If-Range", self.etag) == self.etag
        if asked and self.has_ranges and is_same:
            start = int(asked.removeprefix("bytes=").split("-")[0])
            if start >= len(content):
                return web.Response(status=416)
        headers = {"Content-Length": str(len(content) - start), "ETag": self.etag}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        response = web.StreamResponse(status=206 if start else 200, headers=headers)
        await response.prepare(request)
        body = content[start:]
        if self.drops > 0:
            self.drops -= 1
            await response.write(body[: self.drop_after])
            await asyncio.sleep(0.05)
            assert request.transport is not None
            request.transport.close()
            return response
        await response.write(body)
        return response


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    served = Server({"v.onnx": VOICE, "v.onnx.json": CONFIG})
    app = web.Application()
    app.router.add_get("/{name}", served.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    served.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield served
    await runner.cleanup()


def voice(server: Server, *, digest: str | None = sha256(VOICE), size: int = len(VOICE)) -> Model:
    files = (
        ModelFile(f"{server.url}/v.onnx", size, digest, False),
        ModelFile(f"{server.url}/v.onnx.json", len(CONFIG), sha256(CONFIG), False),
    )
    return Model("v", ModelKind.VOICE, "en", "none", "", False, files)


def archive_of(entries: dict[str, bytes], *, link: str | None = None) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
        if link:
            entry = zipfile.ZipInfo(link)
            entry.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(entry, "/etc/passwd")
    return target.getvalue()


WHOLE = {"r/am/final.mdl": os.urandom(5000), "r/graph/words.txt": b"yes 1\n", "r/README": b"hello"}


def recogniser(server: Server, content: bytes) -> Model:
    server.contents["r.zip"] = content
    files = (ModelFile(f"{server.url}/r.zip", len(content), sha256(content), True),)
    return Model("r", ModelKind.RECOGNISER, "en", "none", "", False, files)


async def pull(directory: Path, model: Model, **settings: bool) -> Pulled:
    return await asyncio.to_thread(Puller(directory, backoff_s=0.001, timeout_s=5).pull, model, **settings)


def leftovers(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.name.startswith(".v.") or path.name.startswith(".r.")]


async def test_voice_is_fetched_checked_and_in_place(server, tmp_path):
    steps = []
    puller = Puller(tmp_path, progress=lambda what, done, total: steps.append((what, done, total)))
    pulled = await asyncio.to_thread(puller.pull, voice(server))
    assert pulled.path.read_bytes() == VOICE
    assert pulled.path.with_name("v.onnx.json").read_bytes() == CONFIG
    assert pulled.unconfirmed == ()
    assert ("fetching v.onnx", len(VOICE), len(VOICE)) in steps
    assert puller.verify(voice(server)) == []
    assert (await pull(tmp_path, voice(server))).was_there
    assert len(server.requests) == 2


async def test_dropped_connection_is_resumed_where_it_stopped(server, tmp_path):
    server.drops = 3
    assert (await pull(tmp_path, voice(server))).path.read_bytes() == VOICE
    ranges = [asked for name, asked in server.requests if name == "v.onnx"]
    assert ranges == [None, "bytes=200000-", "bytes=400000-", "bytes=600000-"]


async def test_pull_that_gave_up_is_resumed_by_the_next_one(server, tmp_path):
    server.drops, server.drop_after = 100, 300_000
    server.contents["v.onnx"] = VOICE[:300_001] + VOICE[300_001:]
    original = server.answer

    async def once_then_refuse(request):
        if len(server.requests) >= 1:
            server.requests.append(("refused", None))
            return web.Response(status=503)
        return await original(request)

    server.answer = once_then_refuse
    app_server = server.url
    runner = web.AppRunner(web.Application())
    runner.app.router.add_get("/{name}", once_then_refuse)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    with pytest.raises(DownloadFailed, match=r"300,000 of 700,000 bytes are kept: run the same command again"):
        await pull(tmp_path, voice(server))
    await runner.cleanup()
    server.url, server.drops = app_server, 0
    server.requests.clear()
    assert (await pull(tmp_path, voice(server))).path.read_bytes() == VOICE
    assert server.requests[0] == ("v.onnx", "bytes=300000-")


async def test_server_without_ranges_starts_anew(server, tmp_path):
    server.has_ranges, server.drops = False, 2
    assert (await pull(tmp_path, voice(server))).path.read_bytes() == VOICE


async def test_file_that_changed_between_two_tries_is_fetched_anew(server, tmp_path):
    staging = tmp_path / ".pulling" / "v"
    staging.mkdir(parents=True)
    (staging / "v.onnx.part").write_bytes(b"of an older file" * 100)
    (staging / "v.onnx.etag").write_text('"older"')
    assert (await pull(tmp_path, voice(server))).path.read_bytes() == VOICE


async def test_wrong_digest_is_not_installed_and_not_kept(server, tmp_path):
    with pytest.raises(DownloadFailed, match=f"(?s){sha256(VOICE)}.*{'0' * 64}"):
        await pull(tmp_path, voice(server, digest="0" * 64))
    assert not (tmp_path / "piper" / "v.onnx").exists()
    assert not list(tmp_path.rglob("*.part"))
    assert (await pull(tmp_path, voice(server))).path.read_bytes() == VOICE


@pytest.mark.parametrize("size", [len(VOICE) - 10, len(VOICE) + 10])
async def test_wrong_size_is_not_installed(server, tmp_path, size):
    with pytest.raises(DownloadFailed):
        await pull(tmp_path, voice(server, size=size))
    assert not (tmp_path / "piper" / "v.onnx").exists()


async def test_unpublished_digest_is_told_and_remembered(server, tmp_path):
    pulled = await pull(tmp_path, voice(server, digest=None))
    assert pulled.unconfirmed == ("v.onnx",)
    assert pulled.digests["v.onnx"] == sha256(VOICE)
    puller = Puller(tmp_path)
    assert puller.verify(voice(server, digest=None)) == []
    pulled.path.write_bytes(b"changed")
    assert "not what was pulled" in puller.verify(voice(server, digest=None))[0]


@pytest.mark.parametrize("status", [401, 403, 404, 410])
async def test_refusal_is_told_at_once(server, tmp_path, status):
    server.status = status
    with pytest.raises(DownloadFailed, match=str(status)):
        await pull(tmp_path, voice(server))
    assert len(server.requests) == 1


async def test_server_in_trouble_is_asked_again_but_not_for_ever(server, tmp_path):
    server.status = 503
    with pytest.raises(DownloadFailed, match="503"):
        await pull(tmp_path, voice(server))
    assert len(server.requests) == download.ATTEMPTS


async def test_nobody_there_is_told(tmp_path):
    gone = Server(url="http://127.0.0.1:9")
    with pytest.raises(DownloadFailed, match="refused"):
        await pull(tmp_path, voice(gone))


async def test_archive_is_unpacked_whole(server, tmp_path):
    model = recogniser(server, archive_of(WHOLE))
    pulled = await pull(tmp_path, model)
    assert pulled.path == tmp_path / "vosk" / "r"
    assert (pulled.path / "am" / "final.mdl").read_bytes() == WHOLE["r/am/final.mdl"]
    assert Puller(tmp_path).verify(model) == []
    (pulled.path / "README").unlink()
    assert Puller(tmp_path).verify(model) == ["r: r/README is missing"]
    assert not list((tmp_path / "vosk").glob(".*"))
    assert not (tmp_path / ".pulling" / "r").exists()


async def test_archive_without_a_folder_is_taken_too(server, tmp_path):
    flat = {name.removeprefix("r/"): content for name, content in WHOLE.items()}
    assert ((await pull(tmp_path, recogniser(server, archive_of(flat)))).path / "README").is_file()


async def test_pulling_again_by_force_replaces_what_was_there(server, tmp_path):
    await pull(tmp_path, recogniser(server, archive_of(WHOLE)))
    newer = recogniser(server, archive_of({**WHOLE, "r/README": b"newer"}))
    pulled = await pull(tmp_path, newer, force=True)
    assert (pulled.path / "README").read_bytes() == b"newer"
    assert not list((tmp_path / "vosk").glob(".*"))


@pytest.mark.parametrize(
    "name", ["../outside", "/tmp/outside", "r/../../outside", "..\\outside", "C:/outside", "r/a/../../../outside"]
)
async def test_entry_that_leaves_the_folder_is_refused(server, tmp_path, name):
    place = tmp_path / "deep" / "models"
    with pytest.raises(DownloadFailed, match="elsewhere"):
        await pull(place, recogniser(server, archive_of({**WHOLE, name: b"gotcha"})))
    assert not list(tmp_path.rglob("outside"))
    assert not (place / "vosk" / "r").exists()
    assert not list((place / "vosk").glob(".r*"))


async def test_link_is_refused(server, tmp_path):
    with pytest.raises(DownloadFailed, match="link"):
        await pull(tmp_path, recogniser(server, archive_of(WHOLE, link="r/link")))


async def test_bomb_is_refused(server, tmp_path):
    with pytest.raises(DownloadFailed, match="refused"):
        await pull(tmp_path, recogniser(server, archive_of({**WHOLE, "r/zeros": bytes(50_000_000)})))


@pytest.mark.parametrize("content", [b"PK\x03\x04 no zip", archive_of({"readme": b"no model"})])
async def test_archive_that_is_none_or_holds_no_model_is_told(server, tmp_path, content):
    with pytest.raises(DownloadFailed, match=r"r\.zip"):
        await pull(tmp_path, recogniser(server, content))
    assert not (tmp_path / "vosk" / "r").exists()


async def test_too_little_room_is_told_before_anything_is_fetched(server, tmp_path):
    with pytest.raises(DownloadFailed, match="make room"):
        await pull(tmp_path, voice(server, size=10**18))
    assert server.requests == []


async def test_full_disk_is_told(server, tmp_path):
    """/dev/full is a disk without room: each write to it fails with ENOSPC."""
    staging = tmp_path / ".pulling" / "v"
    staging.mkdir(parents=True)
    (staging / "v.onnx.part").symlink_to("/dev/full")
    with pytest.raises(DownloadFailed, match="is full"):
        await pull(tmp_path, voice(server))


async def test_place_that_is_a_file_is_told(server, tmp_path):
    place = tmp_path / "models"
    place.mkdir()
    (place / "piper").write_text("in the way")
    with pytest.raises((DownloadFailed, OSError)):
        await pull(place, voice(server))


async def test_second_pull_of_the_same_model_steps_back(server, tmp_path):
    server.drops, server.drop_after = 1, 300_000
    first = asyncio.create_task(pull(tmp_path, voice(server)))
    while not server.requests:  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    with pytest.raises(BadInput, match="another process"):
        await pull(tmp_path, voice(server))
    assert (await first).path.read_bytes() == VOICE


async def test_lab_model_has_nothing_to_pull(tmp_path):
    lab = Model("lab", ModelKind.VOICE, "en", "none", "", True, ())
    with pytest.raises(BadInput, match="comes with the checkout"):
        await pull(tmp_path, lab)


async def test_model_put_there_by_hand_is_not_called_verified(server, tmp_path):
    (tmp_path / "piper").mkdir()
    (tmp_path / "piper" / "v.onnx").write_bytes(VOICE)
    (tmp_path / "piper" / "v.onnx.json").write_bytes(CONFIG)
    (tmp_path / ".pulled").mkdir()
    (tmp_path / ".pulled" / "v.json").write_text("[]")
    assert "not put there by" in Puller(tmp_path).verify(voice(server))[0]
    assert "not at" in Puller(tmp_path / "other").verify(voice(server))[0]
