"""What a notebook reads of the repository, noted while it is read, in its kernel and in every
Python that the kernel starts.

A copy of this file named `sitecustomize.py`, in a folder of its own on ``PYTHONPATH``, is run by
each of them before anything else. It adds an audit hook that writes a line of JSON to the file
`reads` in that folder: what was read, and its state when it was first read. What compiled code
opens by itself, what programs in other languages read, and whether a file exists (a question of
which Python tells no hook) stay unseen.
"""

import json
import os
import sys
from hashlib import sha256
from importlib.util import source_from_cache

# Set for the kernel: the root of the repository.
VARIABLE = "DLM_READS_BELOW"
# Folders in which nothing is a source.
_GENERATED = ("_build", "__pycache__", "site-packages")


def state(kind, path):
    """Return the hash of what is now at ``path``; None if there is nothing.

    Parameters
    ----------
    kind : {"file", "folder", "modules"}
        A file, the names in a folder, or the names of what Python could import from it.
    path : str
    """
    try:
        if kind == "file":
            with open(path, "rb") as file:
                return sha256(file.read()).hexdigest()
        names = [name for name in os.listdir(path) if _is_source(name)]
    except OSError:
        return None
    if kind == "modules":
        names = [
            name
            for name in names
            if name.endswith((".py", ".so"))
            or (name.isidentifier() and os.path.isdir(os.path.join(path, name)))
        ]
    return sha256(json.dumps(sorted(names)).encode()).hexdigest()


def _is_source(name):
    return not name.startswith(".") and name not in _GENERATED


def _watch(root, log):
    """Write to the descriptor ``log`` what this process and its forks read below ``root``."""
    roots = tuple(f"{folder}{os.sep}" for folder in {root, os.path.realpath(root)})
    seen = set()

    def note(kind, path):
        path = os.path.abspath(os.fsdecode(path))
        if os.path.basename(os.path.dirname(path)) == "__pycache__":
            try:
                path = source_from_cache(path)
            except ValueError:  # not compiled code
                return
        below = next((folder for folder in roots if f"{path}{os.sep}".startswith(folder)), None)
        if below is None:
            return
        place = path[len(below) :]
        # Reading the state is audited, too, and ends here.
        if (kind, place) in seen or not all(map(_is_source, filter(None, place.split(os.sep)))):
            return
        seen.add((kind, place))
        line = json.dumps([kind, place.replace(os.sep, "/"), state(kind, path)])
        os.write(log, f"{line}\n".encode())

    def hook(event, arguments):
        if event == "open":
            path, _, flags = arguments
            if isinstance(path, (str, bytes, os.PathLike)) and flags & os.O_ACCMODE != os.O_WRONLY:
                note("file", path)
        elif event == "import" and arguments[1]:  # an extension module
            note("file", arguments[1])
        elif event in ("os.listdir", "os.scandir"):
            path = arguments[0] or "."
            if not isinstance(path, int):
                asking = sys._getframe(1).f_globals.get("__name__", "")
                if not asking.startswith((__name__, "importlib", "pkgutil")):
                    note("folder", path)
                elif os.fsdecode(path) in sys.path:  # within a package names are fixed by paths
                    note("modules", path)

    sys.addaudithook(hook)


def _give_way():
    """Run the `sitecustomize` that this one hides, if there is one."""
    own = sys.modules.pop("sitecustomize")
    sys.path.remove(os.path.dirname(__file__))
    try:
        import sitecustomize  # noqa: F401
    except ImportError:
        sys.modules["sitecustomize"] = own


if __name__ == "sitecustomize":
    _flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    _log = os.open(os.path.join(os.path.dirname(__file__), "reads"), _flags, 0o600)
    _watch(os.environ[VARIABLE], _log)
    _give_way()
