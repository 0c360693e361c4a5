"""Puts the libtorch that the `tch` crate needs into `.libtorch/` (`lib/` and `include/`).

It comes out of the `torch` wheel of whatever package index pip is configured with, compared with the hashes in
scripts/libtorch. PyPI's wheel is built for CUDA and asks for 3 GB of further packages; Troop runs on CPUs, so only the
CPU half of it is kept, which needs two small CUDA libraries to load and no GPU. A CPU-only wheel (pip pointed at an
index that has them, and TROOP_TORCH_SHA256 set to the hash that it has there) is used as it is.
With TROOP_LIBTORCH_CUDA=1 in the environment the CUDA half is kept and what it depends on is fetched too;
TROOP_LIBTORCH_CUDA=0 goes back to the CPU half; without it, whichever of the two is there stays.

Safe to interrupt and to run again: finished downloads stay in `.libtorch.partial/`, and `.libtorch/` appears only
when complete. Standard library only; run by scripts/setup.sh with the interpreter, hence the pip, of `.venv`.
"""

import fnmatch
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

CUDA_STUB_LIBRARIES = ["libcudart.so.*", "libcupti.so.*"]
# The CUDA half, Python's own bindings, and libtorch.so, which only pulls in both halves and is linked anew.
NOT_CPU = ["libtorch.so", "libtorch_cuda*", "libc10_cuda*", "libcaffe2_nvrtc*", "libtorch_nvshmem*"]
PYTHON_ONLY = ["libtorch_python*", "libtorch_global_deps*", "libshm*"]

ROOT = Path(__file__).resolve().parent.parent
PINS = ROOT / "scripts/libtorch"
TARGET = ROOT / ".libtorch"
PARTIAL = ROOT / ".libtorch.partial"
STAMP = "troop-variant"
TORCH_VERSION = re.search(r"^torch==(\S+)", (PINS / "torch.txt").read_text(), re.MULTILINE)[1]


def fail(message):
    sys.exit(f"setup: {message}")


def matches(name, patterns):
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


def is_installed(variants):
    """True where `.libtorch` is one of these; refuses to touch a `.libtorch` that this script did not make."""
    if not TARGET.exists():
        return False
    stamp = TARGET / STAMP
    if not stamp.exists():
        fail(
            f"{TARGET} exists but was not made by this script. "
            "Remove it, or move it away and set LIBTORCH to its new place to use it."
        )
    return stamp.read_text() in map(stamp_of, variants)


def require_disk(gigabytes):
    free = shutil.disk_usage(ROOT).free / 1e9
    if free < gigabytes:
        fail(f"libtorch needs about {gigabytes} GB of free disk while it is set up, {ROOT} has {free:.1f} GB.")


def download(pins):
    """Fetches the wheels of a file of pins; those that an earlier, interrupted run finished are not fetched again."""
    folder = PARTIAL / "wheels"
    command = [sys.executable, "-m", "pip", "download", "--only-binary=:all:", "--no-deps", "--require-hashes"]
    if subprocess.run([*command, f"--dest={folder}", f"--requirement={pins}"], check=False).returncode != 0:
        fail(
            f"pip could not download what {pins} pins (its message is above). Check the network and pip's "
            "configuration, then run `make setup` again: it continues where it stopped. If it is a hash that differs, "
            "pip's index has another wheel than PyPI; one that you trust is named by TROOP_TORCH_SHA256."
        )
    return folder


def torch_pins():
    """The pins of torch, with the hash of the user's own wheel if there is one."""
    pins = PINS / "torch.txt"
    own = os.environ.get("TROOP_TORCH_SHA256", "")
    if not own:
        return pins
    if not re.fullmatch("[0-9a-f]{64}", own):
        fail(f'expected the SHA-256 of a wheel as TROOP_TORCH_SHA256, 64 hexadecimal digits, found "{own}".')
    PARTIAL.mkdir(exist_ok=True)
    with_own = PARTIAL / "torch.txt"
    with_own.write_text(f"torch=={TORCH_VERSION} --hash=sha256:{own}\n")
    return with_own


def wheel_of(folder, name):
    found = sorted(folder.glob(f"{name}-*.whl"))
    if len(found) != 1:
        fail(f"expected one wheel of {name} in {folder}, found {len(found)}. Remove {PARTIAL} and try again.")
    return found[0]


def extract(wheel, destination_of):
    """Writes the members for which `destination_of(member's path)` names a place. Never the whole wheel."""
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            destination = None if member.is_dir() else destination_of(Path(member.filename))
            if destination is None:
                continue
            destination.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as source, open(destination, "wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)


def torch_member(tree, excluded):
    """Where a member of the torch wheel goes: headers, and shared objects that are not excluded, side by side."""

    def destination(path):
        if path.parts[:2] == ("torch", "include"):
            return tree.joinpath(*path.parts[1:])
        if path.parent in (Path("torch/lib"), Path("torch.libs")) and ".so" in path.name:
            return None if matches(path.name, excluded) else tree / "lib" / path.name
        return None

    return destination


def nvidia_member(tree, wanted):
    def destination(path):
        keep = path.parts[0] == "nvidia" and path.parent.name == "lib" and matches(path.name, wanted)
        return tree / "lib" / path.name if keep else None

    return destination


def link_libtorch(lib):
    """torch-sys links `-ltorch`: an empty library of that name, which needs only the CPU half."""
    compiler = os.environ.get("CXX", "c++").split()
    command = [*compiler, "-shared", "-fPIC", "-o", str(lib / "libtorch.so"), "-Wl,-soname,libtorch.so"]
    command += ["-x", "c++", os.devnull, f"-L{lib}", "-Wl,--no-as-needed", "-ltorch_cpu", "-Wl,-rpath,$ORIGIN"]
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    if result.returncode != 0:
        fail(f"could not link libtorch.so with `{' '.join(command)}`:\n{result.stderr}")


def name_gomp(lib):
    """torch-sys links `-lgomp`: with libtorch's own copy there is one OpenMP runtime, and none need be installed."""
    gomp = sorted(lib.glob("libgomp*.so*"))
    if gomp and not (lib / "libgomp.so").exists():
        (lib / "libgomp.so").symlink_to(gomp[0].name)


def assemble(tree, variant):
    require_disk(15 if variant == "cuda" else 2)
    folder = download(torch_pins())
    wheel = wheel_of(folder, "torch")
    with zipfile.ZipFile(wheel) as archive:
        has_cuda = "torch/lib/libtorch_cuda.so" in archive.namelist()
    if variant == "cuda" and not has_cuda:
        fail(f"TROOP_LIBTORCH_CUDA=1 asks for CUDA, but pip's index gave a wheel without it: {wheel.name}.")

    print(f"setup: taking libtorch {TORCH_VERSION} ({variant}) out of {wheel.name}", flush=True)
    lib = tree / "lib"
    if variant == "cuda":
        download(PINS / "cuda.txt")
        extract(wheel, torch_member(tree, PYTHON_ONLY))
        for package in sorted(folder.glob("nvidia_*.whl")):
            extract(package, nvidia_member(tree, ["*.so*"]))
    elif has_cuda:
        download(PINS / "cpu.txt")
        extract(wheel, torch_member(tree, NOT_CPU + PYTHON_ONLY))
        for package in ("nvidia_cuda_runtime", "nvidia_cuda_cupti"):
            extract(wheel_of(folder, package), nvidia_member(tree, CUDA_STUB_LIBRARIES))
        link_libtorch(lib)
    else:
        extract(wheel, torch_member(tree, PYTHON_ONLY))
    name_gomp(lib)
    (tree / "build-version").write_text(f"{TORCH_VERSION}\n")  # torch-sys checks it against its own
    (tree / STAMP).write_text(stamp_of(variant))


def stamp_of(variant):
    return f"libtorch {TORCH_VERSION} {variant}\n"


def wanted_variants():
    """The acceptable ones, the preferred one first."""
    switch = os.environ.get("TROOP_LIBTORCH_CUDA", "")
    wanted = {"": ["cpu", "cuda"], "0": ["cpu"], "1": ["cuda"]}.get(switch)
    return wanted or fail(f"TROOP_LIBTORCH_CUDA is {switch!r}: expected 1 (keep the CUDA half), 0, or nothing.")


def main():
    variants = wanted_variants()
    if is_installed(variants):
        return
    tree, old = PARTIAL / "tree", PARTIAL / "old"
    for leftover in (tree, old):
        shutil.rmtree(leftover, ignore_errors=True)
    PARTIAL.mkdir(exist_ok=True)
    assemble(tree, variants[0])
    if TARGET.exists():
        TARGET.rename(old)
    tree.rename(TARGET)
    shutil.rmtree(PARTIAL)
    print(f"setup: libtorch {TORCH_VERSION} ({variants[0]}) is in {TARGET.name}/", flush=True)


if __name__ == "__main__":
    main()
