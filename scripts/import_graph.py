"""Which file imports which, in every crate: circles, rooms, floors and sizes; ends with 1 if the house's rules are broken.

A room is a module at a crate's root, a floor a step of the longest chain of rooms that import one another. What a
module only passes on (`pub use`) counts as an import of where it comes from. Tests are left out.

    python3 scripts/import_graph.py            # figures, circles, broken rules
    python3 scripts/import_graph.py --edges learner   # also who imports whom
"""

import argparse
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Rooms and floors that a crate may have at most.
ROOMS = {"learner": (16, 8), "replay": (16, 8)}

# Lines at most: nine of ten, and all.
FUNCTION_LINES = (22, 60)
FILE_LINES = (220, 400)

# Comments, strings, characters: what is in them is no code.
OPAQUE = re.compile(
    r"""//[^\n]*|/\*.*?\*/|b?r(?P<hashes>\#*)".*?"(?P=hashes)|b?"(?:\\.|[^"\\])*"|b?'(?:\\.[^']*|[^'\\\n])'""",
    re.DOTALL,
)
TEST_ATTRIBUTE = re.compile(r"#\[(?:cfg\(test\)|test|tokio::test)[^\]]*\]")
MOD = re.compile(r"(?:#\[path\s*=\s*(?P<path>\"[^\"]*\")\]\s*)?(?:pub(?:\([^)]*\))?\s+)?\bmod\s+(?P<name>\w+)\s*;")
USE = re.compile(r"(?P<pub>\bpub(?:\([^)]*\))?\s+)?\buse\s+(?P<tree>[^;]+);")
INLINE = re.compile(r"(?<![\w:])(?:crate|super|self)(?:::\w+)+")
FUNCTION = re.compile(r"\bfn\s+\w+")


@dataclass
class Module:
    """A file of a crate."""

    names: tuple[str, ...]
    path: Path
    text: str  # Without comments, strings and tests.
    lines: int  # Without tests.
    children: dict[str, "Module"] = field(default_factory=dict)
    imports: dict[str, tuple[str, ...]] = field(default_factory=dict)  # Local name: path from the crate's root.
    passed_on: set[str] = field(default_factory=set)
    others: list[tuple[str, ...]] = field(default_factory=list)  # Paths in the code, globs.

    @property
    def room(self) -> str:
        """The module at the crate's root that it lies in."""
        return self.names[0] if self.names else "(root)"


def main() -> int:
    """Prints what there is and what is wrong."""
    options = arguments()
    broken = []
    for manifest in sorted(ROOT.glob("*/Cargo.toml")):
        crate = manifest.parent
        if (crate / "src").is_dir() and crate.name not in {"tests", "fuzz"}:
            broken += check(crate, options.edges == crate.name)
    print(*(f"broken: {rule}" for rule in broken), sep="\n")
    return min(len(broken), 1)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edges", metavar="CRATE", help="print who imports whom in it")
    return parser.parse_args()


def check(crate: Path, print_edges: bool) -> list[str]:
    """Prints a crate's figures; gives the rules that it breaks."""
    broken, files, functions = [], [], []
    for root in roots(crate / "src"):
        modules = read(root)
        graph = edges(modules)
        name = str(root.relative_to(ROOT))
        label = {names: short(module, crate) for names, module in modules.items()}
        broken += [f"{name}: circle of {' -> '.join(label[it] for it in circle)}" for circle in circles(graph)]
        rooms = room_graph(modules, graph)
        floors, tower = longest(rooms)
        print(f"{name}: {len(modules)} files, {len(rooms)} rooms, {floors} floors ({' -> '.join(tower)})")
        if root.name == "lib.rs":
            broken += check_rooms(crate.name, rooms, floors)
        if print_edges:
            for names, targets in sorted(graph.items()):
                print(f"  {label[names]}: {', '.join(sorted(label[it] for it in targets))}")
        files += [(module.lines, label[names]) for names, module in modules.items()]
        functions += [entry for module in modules.values() for entry in function_lines(module, crate)]
    broken += check_sizes(crate.name, "function", functions, FUNCTION_LINES)
    broken += check_sizes(crate.name, "file", files, FILE_LINES)
    return broken


def check_rooms(crate: str, rooms: dict[str, set[str]], floors: int) -> list[str]:
    """Holds rooms against one another, and rooms and floors against the crate's limits."""
    broken = [f"{crate}: circle of rooms {' -> '.join(circle)}" for circle in circles(rooms)]
    if crate not in ROOMS:
        return broken
    most_rooms, most_floors = ROOMS[crate]
    if len(rooms) > most_rooms:
        broken.append(f"{crate}: {len(rooms)} rooms; expected {most_rooms} at most")
    if floors > most_floors:
        broken.append(f"{crate}: {floors} floors; expected {most_floors} at most")
    return broken


def check_sizes(crate: str, what: str, sizes: list[tuple[int, str]], limits: tuple[int, int]) -> list[str]:
    """Prints how long things are; gives what is too long."""
    sizes = sorted(sizes)
    if not sizes:
        return []
    tenth = sizes[min(len(sizes) * 9 // 10, len(sizes) - 1)][0]
    print(f"  {crate}: {len(sizes)} {what}s, p90 {tenth} lines, longest {sizes[-1][0]} ({sizes[-1][1]})")
    usual, most = limits
    broken = [f"{crate}: {what} of {lines} lines, {label}; expected {most} at most" for lines, label in sizes if lines > most]
    if tenth > usual:
        broken.append(f"{crate}: one {what} in ten has {tenth} lines or more; expected {usual} at most")
    return broken


def roots(source: Path) -> list[Path]:
    """The library's root and those of the binaries."""
    candidates = [source / "lib.rs", source / "main.rs", *source.glob("bin/*.rs"), *source.glob("bin/*/main.rs")]
    return [path for path in candidates if path.is_file()]


def read(root: Path) -> dict[tuple[str, ...], Module]:
    """All modules of a crate by their names."""
    modules: dict[tuple[str, ...], Module] = {}
    add(root, (), root.parent, modules)
    for module in modules.values():
        find_imports(module, modules)
    return modules


def add(path: Path, names: tuple[str, ...], directory: Path, modules: dict) -> Module:
    """Reads a file and the modules that it declares, which lie in `directory`."""
    text = without_tests(without_opaque(path.read_text()))
    module = Module(names, path, text, sum("\0" not in line for line in text.splitlines()))
    modules[names] = module
    for found in MOD.finditer(text):
        name = found["name"]
        candidates = [directory / f"{name}.rs", directory / name / "mod.rs"]
        if child := next((it for it in candidates if it.is_file()), None):
            module.children[name] = add(child, (*names, name), directory / name, modules)
    return module


def without_opaque(source: str) -> str:
    """The code; comments and strings become spaces, so that lines stay where they are."""
    return OPAQUE.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), source)


def without_tests(text: str) -> str:
    """Puts a mark in place of each line that is behind `#[cfg(test)]` or `#[test]`."""
    while found := TEST_ATTRIBUTE.search(text):
        end = item_end(text, found.end())
        lost = text.count("\n", found.start(), end)
        text = text[: found.start()] + "\n".join("\0" * (lost + 1)) + text[end:]
    return text


def item_end(text: str, start: int) -> int:
    """Where the item ends that begins at `start`: with its block, or its semicolon."""
    depth = 0
    for at in range(start, len(text)):
        depth += (text[at] in "{([") - (text[at] in "})]")
        if depth == 0 and (text[at] == ";" or text[at] == "}"):
            return at + 1
    return len(text)


def find_imports(module: Module, modules: dict) -> None:
    """What a file imports by `use`, and by paths in its code."""
    for found in USE.finditer(module.text):
        for path, name in leaves(found["tree"]):
            whole = absolute(path, module)
            if whole is None:
                continue
            if name == "*":
                module.others.append(whole)
                continue
            module.imports[name] = whole
            if found["pub"]:
                module.passed_on.add(name)
    code = USE.sub("", MOD.sub("", module.text))
    module.others += [absolute(tuple(it.split("::")), module) for it in INLINE.findall(code)]
    for child in module.children:
        module.others += [(*module.names, *it.split("::")) for it in re.findall(rf"(?<![\w:]){child}(?:::\w+)+", code)]
    module.passed_on -= {name for name in module.passed_on if re.search(rf"\b{name}\b", code)}


def leaves(tree: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """The paths of a `use`, with the names that they are given."""
    tree = tree.strip()
    if "{" not in tree:
        path, _, alias = tree.partition(" as ")
        names = tuple(name.strip() for name in path.strip().split("::"))
        if names[-1] == "*":
            yield names[:-1], "*"
        elif names[-1] == "self":
            yield names[:-1], alias.strip() or names[-2]
        else:
            yield names, alias.strip() or names[-1]
        return
    prefix, inside = tree[: tree.index("{")], tree[tree.index("{") + 1 : tree.rindex("}")]
    depth, start = 0, 0
    for at, character in enumerate(inside + ","):
        depth += (character == "{") - (character == "}")
        if depth == 0 and character == ",":
            if part := inside[start:at].strip():
                yield from leaves(prefix + part)
            start = at + 1


def absolute(path: tuple[str, ...], module: Module) -> tuple[str, ...] | None:
    """A path from the crate's root; none if it leads out of the crate."""
    if path[0] == "crate":
        return path[1:]
    base = module.names
    if path[0] == "self":
        return (*base, *path[1:])
    if path[0] in module.children:
        return (*base, *path)
    if path[0] != "super":
        return None
    while path and path[0] == "super":
        base, path = base[:-1], path[1:]
    return (*base, *path)


def edges(modules: dict) -> dict[tuple[str, ...], set[tuple[str, ...]]]:
    """Files by what they import."""
    graph: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
    for names, module in modules.items():
        wanted = [path for name, path in module.imports.items() if name not in module.passed_on]
        found = {origin(path, modules) for path in [*wanted, *module.others] if path is not None}
        graph[names] = found - {names, None}
    return graph


def origin(path: tuple[str, ...], modules: dict, depth: int = 0) -> tuple[str, ...] | None:
    """The file that a path leads to, through all that only pass it on; none for a module that holds no code."""
    module = modules[()]
    for at, name in enumerate(path):
        if name in module.children:
            module = module.children[name]
        elif name in module.imports and depth < 10:
            return origin((*module.imports[name], *path[at + 1 :]), modules, depth + 1)
        else:
            return module.names
    return module.names if has_code(module) else None


def has_code(module: Module) -> bool:
    """Whether a file does more than declare modules and pass names on."""
    rest = USE.sub("", MOD.sub("", module.text)).replace("\0", "")
    return bool(re.sub(r"#!?\[[^\]]*\]|\bpub(\([^)]*\))?", "", rest).strip())


def room_graph(modules: dict, graph: dict) -> dict[str, set[str]]:
    """Rooms by the rooms that they import."""
    rooms: dict[str, set[str]] = {module.room: set() for names, module in modules.items() if names}
    for names, targets in graph.items():
        if names:
            room = modules[names].room
            rooms[room] |= {modules[it].room for it in targets if it} - {room}
    return rooms


def circles(graph: dict) -> list[list]:
    """A circle of each group of nodes that can all be reached from one another."""
    found, seen = [], set()
    for start in sorted(graph):
        circle = None if start in seen else way(graph, start, start)
        if circle:
            found.append(circle)
            seen.update(circle)
    return found


def way(graph: dict, start: object, end: object) -> list | None:
    """The shortest way along at least one edge, both ends included."""
    ways = [[start]]
    seen = set()
    for path in ways:
        for node in sorted(graph.get(path[-1], ())):
            if node == end:
                return [*path, node]
            if node not in seen:
                seen.add(node)
                ways.append([*path, node])
    return None


def longest(graph: dict[str, set[str]]) -> tuple[int, list[str]]:
    """The longest chain; through a circle each node is counted once."""
    known: dict[str, list[str]] = {}

    def tower(node: str, above: frozenset) -> list[str]:
        if node not in known:
            below = [tower(it, above | {node}) for it in sorted(graph[node]) if it not in above]
            chain = [node, *max(below, key=len, default=[])]
            if above:
                return chain
            known[node] = chain
        return known[node]

    chains = [tower(node, frozenset()) for node in sorted(graph)]
    chain = max(chains, key=len, default=[])
    return len(chain), chain


def function_lines(module: Module, crate: Path) -> Iterator[tuple[int, str]]:
    """How long each function is, from its name to the end of its block."""
    for found in FUNCTION.finditer(module.text):
        end = item_end(module.text, found.start())
        body = module.text[found.start() : end]
        if body.endswith("}"):
            yield body.count("\n") + 1, f"{short(module, crate)}: {found[0]}"


def short(module: Module, crate: Path) -> str:
    """A file's path below the crate's sources."""
    return str(module.path.relative_to(crate / "src"))


if __name__ == "__main__":
    sys.exit(main())
