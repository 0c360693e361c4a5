"""Copies the running Python into a directory that becomes the root of an image: the interpreter, its standard library, what the
Gymnasium host needs, the shared libraries of all that, and their licences. Sources are left out: what is compiled is enough.

slim_python.py DIRECTORY
"""

import compileall
import importlib.metadata
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

# The host, what it requires, and Atari.
DISTRIBUTIONS = ("troop-gym-host", "gymnasium", "numpy", "cloudpickle", "farama-notifications", "typing-extensions", "ale-py")

# For those who develop or install.
LEFT_OUT = re.compile(
    r"(^|/)(__pycache__|tests?|ensurepip|venv|idlelib|lib2to3|pydoc_data|tkinter|turtledemo|dist-packages|site-packages"
    r"|config-[^/]*|f2py|distutils|include)/|\.(pyi|pxd|h|a)$"
)

LICENSED = re.compile(
    r"(?!.*-dev|.*-dbg)(lib(c6|gcc|stdc|python3|ssl|sqlite|bz2|lzma|ffi|expat|uuid|db5|tirpc|tinfo|ncurses|readline|nsl).*"
    r"|python3(\.\d+)?(-minimal)?|zlib1g)"
)


def main() -> None:
    root = Path(sys.argv[1]).absolute()
    library = Path(sysconfig.get_path("stdlib"))
    packages = root / "usr/lib/python3/dist-packages"
    copy(Path(sys.executable).resolve(), root / "usr/bin/python3")
    copy_all(library, (path.relative_to(library) for path in library.rglob("*")), root / str(library).lstrip("/"))
    for name in DISTRIBUTIONS:
        copy_distribution(name, packages)
    compile_all(root)
    copy_libraries(root)
    notices = (path.relative_to("/") for path in Path("/usr/share/doc").glob("*/copyright"))
    copy_all(Path("/"), (path for path in notices if LICENSED.fullmatch(path.parent.name)), root)


def copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


def copy_all(source, files, target: Path) -> None:
    for file in files:
        if not LEFT_OUT.search(file.as_posix()) and (source / file).is_file():
            copy(source / file, target / file)


def copy_distribution(name: str, packages: Path) -> None:
    distribution = importlib.metadata.distribution(name)
    # Commands are beside the packages, not among them.
    files = [file for file in distribution.files or [] if ".." not in file.parts]
    if not files:
        sys.exit(f"slim_python: expected a list of the files of {name}, found none")
    copy_all(Path(distribution.locate_file("")), files, packages)


def compile_all(root: Path) -> None:
    for source in root.rglob("*.py"):
        if not compileall.compile_file(source, legacy=True, quiet=1, stripdir=str(root)):
            sys.exit(f"slim_python: cannot compile {source}")
        source.unlink()


def copy_libraries(root: Path) -> None:
    for program in [root / "usr/bin/python3", *root.rglob("*.so*")]:
        said = subprocess.run(["ldd", str(program)], capture_output=True, text=True).stdout
        for library in re.findall(r"(/\S+) \(0x", said):
            if not library.startswith(str(root)):
                copy(Path(library).resolve(), root / library.lstrip("/"))


main()
