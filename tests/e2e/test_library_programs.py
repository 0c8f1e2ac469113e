"""Programs with containers: those that are killed, and those of ordinary users."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.support.programs import BUSYBOX, start_program, write_images
from tests.support.runner import containers
from tests.support.users import PATH, User


def readable(layout: Path) -> Path:
    """A layout with images, for everybody."""
    write_images(layout)
    for path in (layout, *layout.rglob("*")):
        path.chmod(0o755)
    return layout


HOLDER = """
import sys, threading, imgfetch
path, store, image, marker, userns = sys.argv[1:]
client = imgfetch.Client(
    imgfetch.Settings(store, network="none", environment={"PATH": path})
)
script = f'trap "" TERM HUP INT QUIT; echo up; {marker}'
def hold():
    with client.popen(
        image, ["sh", "-c", script], stdout=imgfetch.PIPE, userns=userns
    ) as process:
        print(process.stdout.readline().decode(), end="", flush=True)
        process.wait()
threading.Thread(target=hold).start()
"""


def end_of_a_program(
    number: int, store: Path, image: str, userns: str = "auto", user: User | None = None
) -> None:
    marker = f"sleep 63{os.getpid()}.5"
    arguments = (PATH, store, image, marker, userns)
    with start_program(HOLDER, *arguments, user=user) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == b"up\n", program.communicate()
        assert containers(marker)
        program.send_signal(number)
        assert program.wait() == -number
    deadline = time.monotonic() + 30
    while containers(marker) or {path.name for path in Path(store, "runs").iterdir()} - {"names"}:
        assert time.monotonic() < deadline, "something is left"
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_containers_end_with_the_program_however_that_ends(tmp_path: Path, number: int) -> None:
    """R145: though they ignore every signal they can; and their directories go too."""
    write_images(tmp_path / "layout")
    end_of_a_program(number, tmp_path / "store", f"oci:{tmp_path}/layout:{BUSYBOX}")


def test_so_do_those_of_ordinary_users_where_root_inside_is_somebody_else(
    subid_user: User,
) -> None:
    """R145: the kernel lets nobody send signals to other users' processes."""
    directory = subid_user.directory("killed")
    image = f"oci:{readable(directory / 'layout')}:{BUSYBOX}"
    end_of_a_program(signal.SIGKILL, directory / "store", image, "keep-id", subid_user)


ORDINARY = """
import sys, threading, imgfetch
path, layout, store, name = sys.argv[1:]
settings = imgfetch.Settings(store, network="none", environment={"PATH": path})
with imgfetch.Client(settings) as client:
    [pinned] = client.pull(f"oci:{layout}:{name}", unpack=True)
    results = []
    def work(number):
        for turn in range(2):
            text = f"{number}.{turn}"
            result = client.run(pinned, ["sh", "-c", "id -u; cat"], input=text, text=True)
            results.append(result.stdout == f"0\\n{text}")
    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    assert results == [True] * 8, results
    container = client.start(pinned, ["sleep", "600"])
    assert client.execute(container, ["echo", "x"]).stdout == b"x\\n"
    client.kill(container, 9)
    assert client.wait(container) == 137
    assert list(client.discard([container])) == [container]
    client.remove(name)
    assert client.prune().blobs
    print("all of it")
"""


def test_ordinary_users_have_all_of_it(any_user: User) -> None:
    directory = any_user.directory("library")
    write_images(directory / "layout")
    os.system(f"chmod -R a+rX {directory}/layout")  # noqa: S605 - a path of ours
    with start_program(ORDINARY, PATH, directory / "layout", directory / "store", BUSYBOX,
                       user=any_user) as program:  # fmt: skip
        output, errors = program.communicate(timeout=100)
    assert (program.returncode, output) == (0, b"all of it\n"), errors.decode()
