"""Files written whole or not at all."""

import io
import os
import stat
import subprocess
import sys
import threading

import pytest

from kvpr_opt.errors import InputError
from kvpr_opt.files.atomic import check_writable, same_file, write_text

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX only")


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_is_written_in_utf_8_and_line_ends_stay(tmp_path):
    write_text(tmp_path / "new.txt", "é\nx\r\n")
    assert (tmp_path / "new.txt").read_bytes() == "é\nx\r\n".encode()
    assert os.listdir(tmp_path) == ["new.txt"]


@posix
def test_a_new_file_has_the_mode_of_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "new.txt", "x")
    finally:
        os.umask(before)
    assert mode(tmp_path / "new.txt") == 0o640


@posix
def test_an_existing_file_is_replaced_and_keeps_its_mode(tmp_path):
    path = tmp_path / "old.txt"
    path.write_text("a much longer old content")
    path.chmod(0o604)
    write_text(path, "new")
    assert path.read_text() == "new"
    assert mode(path) == 0o604


@posix
def test_a_symbolic_link_stays_and_its_target_is_replaced(tmp_path):
    (tmp_path / "real").mkdir()
    target = tmp_path / "real" / "target.txt"
    target.write_text("old")
    link = tmp_path / "link.txt"
    link.symlink_to(target)
    write_text(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert os.listdir(tmp_path / "real") == ["target.txt"]


@posix
def test_a_link_to_nowhere_makes_its_target(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "target")
    write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "new"


def test_a_failure_half_way_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "old.txt"
    path.write_text("old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"old\.txt: cannot be written: No space left on device"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["old.txt"]


def test_an_interrupt_half_way_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "old.txt"
    path.write_text("old")

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["old.txt"]


def test_text_that_utf_8_cannot_write_leaves_nothing(tmp_path):
    with pytest.raises(InputError, match=r"new\.txt: cannot be written: .*surrogates not allowed"):
        write_text(tmp_path / "new.txt", "\ud800")
    assert os.listdir(tmp_path) == []


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone.x\.txt: cannot be written: No such file"):
        write_text(tmp_path / "gone" / "x.txt", "x")
    with pytest.raises(InputError, match="cannot be written: Is a directory"):
        write_text(tmp_path, "x")
    with pytest.raises(InputError, match=r"cannot be written: .*null (byte|character)"):
        write_text("x\0", "x")


def test_a_read_only_file_is_not_replaced(tmp_path, monkeypatch):
    path = tmp_path / "old.txt"
    path.write_text("old")
    # Asked of the system by its answer, since root may write anywhere.
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(InputError, match=r"old\.txt: cannot be written: the file is read-only"):
        write_text(path, "new")
    assert path.read_text() == "old"


@posix
def test_a_long_file_name_is_no_obstacle(tmp_path):
    path = tmp_path / ("x" * 255)
    write_text(path, "x")
    assert path.read_text() == "x"


@posix
def test_a_named_pipe_is_written_through(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_text()))
    reader.start()
    write_text(pipe, "x" * 200_000)
    reader.join()
    assert received == ["x" * 200_000]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_dash_is_standard_output(capsys):
    write_text("-", "text\n")
    assert capsys.readouterr().out == "text\n"


def test_standard_output_is_utf_8_whatever_the_terminal_is():
    code = "from kvpr_opt.files.atomic import write_text; print('before'); write_text('-', 'é')"
    run = subprocess.run(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONIOENCODING": "ascii:replace"},
        check=True,
    )
    assert run.stdout == f"before{os.linesep}é".encode()


def test_standard_output_that_takes_text_only_gets_text(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    write_text("-", "é")
    assert sys.stdout.getvalue() == "é"


def test_closed_standard_output_is_refused_by_its_name(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    for ask in (check_writable, lambda path: write_text(path, "x")):
        with pytest.raises(InputError, match=r"^standard output: cannot be written: it is closed"):
            ask("-")


@posix
@pytest.mark.parametrize("name", ["-", "pipe"])
def test_that_the_reader_of_a_pipe_has_gone_is_no_bad_input(name, tmp_path, monkeypatch):
    def gone(*_):
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("kvpr_opt.files.atomic._write_through", gone)
    monkeypatch.setattr("kvpr_opt.files.atomic._write_to_stdout", gone)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BrokenPipeError):
        write_text("-" if name == "-" else tmp_path / name, "x")


@pytest.mark.skipif(not os.path.exists("/dev/stdout"), reason="no /dev/stdout")
def test_standard_output_by_its_device_is_written_in_its_turn(tmp_path):
    code = (
        "from kvpr_opt.files.atomic import check_writable, write_text\n"
        "print('before', flush=True); write_text('/dev/stdout', 'text\\n'); print('after')"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True
    )
    assert run.stdout == "before\ntext\nafter\n"
    with open(tmp_path / "out", "a") as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True)
    assert (tmp_path / "out").read_text() == "before\ntext\nafter\n"


# -- asking first --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["new.txt", "old.txt"])
def test_what_can_be_written_passes_and_stays_as_it_was(tmp_path, name):
    (tmp_path / "old.txt").write_text("old")
    check_writable(tmp_path / name)
    assert os.listdir(tmp_path) == ["old.txt"]
    assert (tmp_path / "old.txt").read_text() == "old"


@pytest.mark.parametrize("path", ["-", "/dev/stdout", "/dev/null"])
def test_standard_output_and_devices_pass(path):
    if path == "-" or os.path.exists(path):
        check_writable(path)


def test_what_cannot_be_written_is_refused_early(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"x\.txt: cannot be written: folder .* does not exist"):
        check_writable(tmp_path / "gone" / "x.txt")
    with pytest.raises(InputError, match="cannot be written: it is a folder"):
        check_writable(tmp_path)
    with pytest.raises(InputError, match=r"cannot be written: .*null (byte|character)"):
        check_writable("x\0")
    (tmp_path / "old.txt").write_text("old")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(InputError, match=r"old\.txt: cannot be written: the file is read-only"):
        check_writable(tmp_path / "old.txt")
    with pytest.raises(InputError, match=r"new\.txt: cannot be written: folder .* is read-only"):
        check_writable(tmp_path / "new.txt")


# -- telling files apart -------------------------------------------------------------


def test_a_file_is_the_same_under_all_its_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert same_file("x", tmp_path / "x")
    assert same_file("-", "-")
    assert not same_file("x", "y")
    assert not same_file("x", "-")
    assert not same_file("x\0", "y")
    (tmp_path / "x").write_text("")
    (tmp_path / "link").symlink_to("x")
    os.link(tmp_path / "x", tmp_path / "hard")
    assert same_file("x", "link")
    assert same_file("hard", "link")


@pytest.mark.skipif(not os.path.exists("/dev/stdout"), reason="no /dev/stdout")
def test_standard_output_is_the_same_under_all_its_names():
    assert same_file("-", "/dev/stdout")
