"""Containers of Python programs: byte for byte, from threads, and gone with the program."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import imgfetch
from imgfetch import PIPE, STDOUT, Client
from imgfetch.client.archives import Exporting
from imgfetch.client.bundles import Unpacking
from tests.support.programs import (
    BUSYBOX,
    STENCIL,
    ProcessState,
    filled,
    in_threads,
    settings,
    write_images,
)
from tests.support.runner import containers

THREADS = 8


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    directory = tmp_path_factory.mktemp("library")
    with Client(filled(directory / "store", directory / "layout")) as client:
        yield client


@pytest.fixture(autouse=True)
def _nothing_is_left(client: Client) -> Iterator[None]:
    before = ProcessState.now()
    yield
    # The thread of a call that has given its result may be about to end.
    deadline = time.monotonic() + 30
    while (left := ProcessState.now()) != before:
        assert time.monotonic() < deadline, left
        time.sleep(0.01)
    runs = Path(client.settings.store, "runs")
    if runs.exists():  # made by the first run
        assert {path.name for path in runs.iterdir()} <= {"names"}


def wait_until_gone(marker: str) -> None:
    deadline = time.monotonic() + 30
    while containers(marker):
        assert time.monotonic() < deadline, f"{marker} is still there"
        time.sleep(0.01)


# Results


def test_a_run_gives_what_a_program_wants_to_know(client: Client) -> None:
    script = "cat; echo $A; pwd; id -u; hostname; echo no good >&2; exit 3"
    result = client.run(
        BUSYBOX,
        ["sh", "-c", script],
        input=b"in\n",
        env={"A": "b c", "PATH": "/bin"},
        workdir="/tmp",
        user=1000,
        hostname="here",
        check=False,
    )
    assert result.returncode == 3
    assert result.stdout == b"in\nb c\n/tmp\n1000\nhere\n"
    assert result.stderr == b"no good\n"
    assert result.argv == ("sh", "-c", script)
    assert (result.image, result.digest) == (BUSYBOX, client.resolve(f"store:{BUSYBOX}").digest)
    assert len(result.container_id) == 64
    assert (result.signal, result.timed_out, result.oom_killed) == (None, False, False)
    assert result.started_at < result.ended_at


def test_text_is_text_and_streams_may_be_one(client: Client) -> None:
    result = client.run(
        client.pull(f"store:{BUSYBOX}", policy="never")[0],
        ["sh", "-c", "cat; echo ö >&2"],
        input="ä",
        text=True,
        stderr=STDOUT,
    )
    assert sorted(result.stdout) == sorted("äö\n")
    assert not result.stderr


def test_much_goes_in_and_out_byte_for_byte(client: Client) -> None:
    """R150: ten megabytes each way, and some on standard error, without a deadlock."""
    data = os.urandom(10 << 20)
    result = client.run(BUSYBOX, ["tee", "/dev/stderr"], input=data)
    assert result.stdout == data
    assert result.stderr == data


def test_what_is_not_read_is_no_failure(client: Client) -> None:
    assert client.run(BUSYBOX, ["true"], input=bytes(1 << 20)).returncode == 0


def test_streams_are_files_too(client: Client, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"x")
    with (tmp_path / "in").open() as source, (tmp_path / "out").open("wb") as target:
        result = client.run(BUSYBOX, ["cat"], stdin=source, stdout=target)
    assert (result.stdout, (tmp_path / "out").read_bytes()) == (b"", b"x")


# Failures


def test_another_status_than_zero_is_an_error_by_default(client: Client) -> None:
    with pytest.raises(imgfetch.ContainerExitError) as caught:
        client.run(BUSYBOX, ["sh", "-c", "echo out; echo err >&2; exit 137"])
    error = caught.value
    assert (error.returncode, error.stdout, error.stderr) == (137, b"out\n", b"err\n")
    assert error.message == f"sh in a container of {BUSYBOX} exited with 137"


def test_a_container_whose_time_is_over_is_stopped_and_what_it_said_is_told(
    client: Client,
) -> None:
    with pytest.raises(imgfetch.ContainerTimeoutError) as caught:
        client.run(
            BUSYBOX,
            ["sh", "-c", "trap 'echo stopped; exit 5' TERM; echo up; while :; do sleep 0.1; done"],
            timeout=3,
            check=False,
        )
    assert (caught.value.returncode, caught.value.stdout) == (5, b"up\nstopped\n")


def test_failures_are_raised_as_what_they_are(client: Client) -> None:
    with pytest.raises(imgfetch.CommandError) as missing:
        client.run(BUSYBOX, ["no-such-command"], check=False)
    assert missing.value.status == 127
    with pytest.raises(imgfetch.InvalidUserError, match="nosuch"):
        client.run(BUSYBOX, ["true"], user="nosuch")
    with pytest.raises(imgfetch.InvalidMountError, match="/no/such"):
        client.run(BUSYBOX, ["true"], volumes=["/no/such:/x"])
    with pytest.raises(imgfetch.RuntimeMissingError, match="no-such-runtime"):
        client.run(BUSYBOX, ["true"], runtime="no-such-runtime")
    with pytest.raises(imgfetch.NotInStoreError) as absent:
        client.run("registry.test/absent:1", ["true"], policy="never")
    assert absent.value.hint
    with pytest.raises(imgfetch.InvalidReferenceError):
        client.run("UPPER:case:", ["true"])
    with pytest.raises(imgfetch.UsageError, match="input and stdin"):
        client.run(BUSYBOX, input=b"", stdin=None)
    with pytest.raises(imgfetch.UsageError, match="volume is no option"):
        client.run(BUSYBOX, volume=["/a:/b"])  # type: ignore[call-overload]  # no such keyword


def test_offline_nothing_is_asked_for(client: Client) -> None:
    offline = Client(settings(Path(client.settings.store), offline=True))
    assert offline.run(BUSYBOX, ["echo", "x"]).stdout == b"x\n"
    with pytest.raises(imgfetch.NotInStoreError):
        offline.run("registry.test/absent:1")


# Streaming, signals


def test_a_program_talks_with_a_container(client: Client) -> None:
    with client.popen(BUSYBOX, ["cat"], stdin=PIPE, stdout=PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for line in ("one\n", "two\n"):
            process.stdin.write(line)
            process.stdin.flush()
            assert process.stdout.readline() == line
        assert process.poll() is None
        assert len(process.container_id or "") == 64
        with pytest.raises(imgfetch.ContainerTimeoutError, match="goes on"):
            process.wait(0.01)
    assert process.returncode == 0
    assert process.result().container_id == process.container_id


def test_signals_reach_the_container_and_none_is_lost(client: Client) -> None:
    script = "trap 'echo usr1; exit 7' USR1; echo up; while :; do sleep 0.1; done"
    with client.popen(BUSYBOX, ["sh", "-c", script], stdout=PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        process.send_signal(signal.SIGUSR1)
        assert process.stdout.read() == b"usr1\n"
    assert process.returncode == 7
    process.send_signal(signal.SIGUSR1)  # as in subprocess: nobody is there any more

    # Before the container is there, and ignored by it: the run ends all the same.
    with client.popen(BUSYBOX, ["sleep", "60"]) as process:
        process.send_signal(signal.SIGUSR2)  # waits until there is somebody to take it
        process.kill()
        assert process.wait() == 128 + signal.SIGKILL
        assert process.result().signal == signal.SIGKILL
    # With an init, for the first process of a container takes no signal that it did not ask for.
    with client.popen(BUSYBOX, ["sleep", "60"], init=True) as process:
        process.terminate()
        assert process.wait() == 128 + signal.SIGTERM


def test_a_block_that_fails_ends_its_container(client: Client) -> None:
    marker = f"sleep 62{os.getpid()}.5"
    process = client.popen(BUSYBOX, ["sh", "-c", f"echo up; {marker}"], stdout=PIPE)

    def fail() -> None:
        with process:
            assert process.stdout is not None
            process.stdout.readline()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert process.returncode == 128 + signal.SIGKILL
    wait_until_gone(marker)


def test_what_failed_is_raised_where_it_is_waited_for(client: Client) -> None:
    process = client.popen(BUSYBOX, ["no-such-command"])
    with pytest.raises(imgfetch.CommandError):
        process.wait()
    with pytest.raises(imgfetch.CommandError):
        process.poll()


# Threads


def test_eight_threads_run_stencils_of_one_client(client: Client, tmp_path: Path) -> None:
    """Each gets its own input, environment, files and output, several times over."""

    def work(number: int) -> None:
        for turn in range(2):
            workspace = tmp_path / f"{number}-{turn}"
            workspace.mkdir()
            result = client.run(
                STENCIL,
                [f"instance{number}"],
                input=f"size={number}.{turn}\n",
                text=True,
                env={"SERVICE_USER": f"user{turn}"},
                volumes=[f"{workspace}:/workspace"],
            )
            assert result.stdout == (
                f"creating instance{number} as root, pid 1\n  size={number}.{turn}\ndone\n"
            )
            binding = (workspace / "binding").read_text()
            assert binding == f"uri=postgres://user{turn}@instance{number}.internal\n"

    in_threads(THREADS, work)


def test_a_container_outlives_the_thread_that_started_it(client: Client) -> None:
    """The kernel's signal for a parent's death comes when a thread ends."""
    started: list[imgfetch.RunProcess[bytes]] = []

    def start() -> None:
        process = client.popen(BUSYBOX, ["cat"], stdin=PIPE, stdout=PIPE)
        started.append(process)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"x\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"x\n"

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    with started.pop() as process:
        output, _ = process.communicate(b"y\n")
    assert (output, process.returncode) == (b"y\n", 0)


def test_threads_that_pull_the_same_image_fetch_it_once(tmp_path: Path) -> None:
    write_images(tmp_path / "layout")
    events: list[imgfetch.Event] = []
    with Client(settings(tmp_path / "store"), progress=events.append) as client:
        name = f"oci:{tmp_path}/layout:{STENCIL}"
        in_threads(4, lambda _: client.pull(name))
    blobs = [event for event in events if isinstance(event, imgfetch.BlobEvent)]
    done = [event.digest for event in blobs if event.stage == "done"]
    assert len(done) == len(set(done)) == len({event.digest for event in blobs})


# Progress


def test_a_callback_is_told_of_everything(client: Client, tmp_path: Path) -> None:
    write_images(tmp_path / "layout")
    events: list[imgfetch.Event] = []
    with Client(settings(tmp_path / "store"), progress=events.append) as other:
        result = other.run(f"oci:{tmp_path}/layout:{BUSYBOX}", ["true"], memory="64m")
    stages = [event.stage for event in events if isinstance(event, imgfetch.BlobEvent)]
    assert {"fetching", "done", "applying", "applied"} <= set(stages)
    [started] = [event for event in events if isinstance(event, imgfetch.StartedEvent)]
    assert (started.container_id, started.argv) == (result.container_id, ("true",))
    assert started.digest == result.digest


@pytest.mark.parametrize("kind", [imgfetch.BlobEvent, imgfetch.StartedEvent])
def test_what_a_callback_raises_ends_the_work(
    kind: type[imgfetch.Event], tmp_path: Path, client: Client
) -> None:
    class Enough(Exception):  # noqa: N818 - says what it is
        """Of the program's own."""

    def refuse(event: imgfetch.Event) -> None:
        if isinstance(event, kind):
            raise Enough

    write_images(tmp_path / "layout")
    with (
        Client(settings(tmp_path / "store"), progress=refuse) as other,
        pytest.raises(Enough),
    ):
        other.run(f"oci:{tmp_path}/layout:{BUSYBOX}", ["sleep", "60"])


# Other verbs


def test_what_takes_a_process_of_its_own_gets_one(client: Client, tmp_path: Path) -> None:
    """The autouse fixture looks whether this process has stayed as it was."""
    assert client.doctor().works
    assert client.check(repair=True) == []
    assert client.collect().snapshots == ()
    client.export(BUSYBOX, str(tmp_path / "x.erofs"), Exporting(form="erofs"))
    client.unpack(BUSYBOX, str(tmp_path / "rootfs"), unpacking=Unpacking(rootfs_only=True))
    assert (tmp_path / "x.erofs").stat().st_size > 0
    assert (tmp_path / "rootfs" / "bin" / "busybox").stat().st_size > 0
    with pytest.raises(imgfetch.UsageError, match="keeps what it wrote"):
        client.start(BUSYBOX, ["true"], keep=True)
