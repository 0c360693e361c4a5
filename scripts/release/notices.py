"""Writes the licences of every crate that the released programs are made of, with the texts that come with each.

Standard library only. What licences are allowed is asked by `cargo deny` in `make verify`.
"""

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXTS = ("LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE")
RULE = "=" * 100


def metadata():
    """What Cargo knows of the wheel's crate and all that it is made of, on this platform."""
    command = ["cargo", "metadata", "--format-version=1", "--locked", "--manifest-path=cli/Cargo.toml"]
    features = ["--no-default-features", "--features=wheel", f"--filter-platform={platform()}"]
    return json.loads(subprocess.run([*command, *features], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)


def platform():
    """This machine's, as Rust calls it."""
    told = subprocess.run(["rustc", "-vV"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return next(line.removeprefix("host: ") for line in told.splitlines() if line.startswith("host: "))


def crates(known):
    """The crates of others that the root is built from, by name and version; not those of tests."""
    nodes = {node["id"]: node for node in known["resolve"]["nodes"]}
    found, left = set(), [known["resolve"]["root"]]
    while left:
        if (crate := left.pop()) not in found:
            found.add(crate)
            kinds = ((dep["pkg"], {kind["kind"] for kind in dep["dep_kinds"]}) for dep in nodes[crate]["deps"])
            left += [name for name, used in kinds if used != {"dev"}]
    others = [crate for crate in known["packages"] if crate["id"] in found and crate["source"]]
    return sorted(others, key=lambda crate: (crate["name"], crate["version"]))


def texts(crate):
    """The licences and notices that lie in a crate's package."""
    folder = Path(crate["manifest_path"]).parent
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name.upper().startswith(TEXTS))
    return [path.read_text(encoding="utf-8", errors="replace").strip() for path in files]


def main():
    out = sys.stdout
    found = crates(metadata())
    out.write("Troop's programs contain code of these crates.\n\n")
    users = defaultdict(list)
    for crate in found:
        name = f"{crate['name']} {crate['version']}"
        out.write(f"{name}: {crate['license']}, {crate['repository'] or 'https://crates.io/crates/' + crate['name']}\n")
        for text in texts(crate):
            users[text].append(name)
    for text, names in users.items():
        out.write(f"\n{RULE}\n{', '.join(names)}\n{RULE}\n\n{text}\n")


if __name__ == "__main__":
    main()
