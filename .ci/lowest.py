"""Print the lowest version of each dependency that pyproject.toml admits, as constraints for pip."""

import re
import tomllib
from pathlib import Path

PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))[
    "project"
]
OPTIONAL = PROJECT["optional-dependencies"].values()

for requirement in [*PROJECT["dependencies"], *(one for extra in OPTIONAL for one in extra)]:
    if found := re.match(r"([\w.-]+)(?:\[.*\])?>=([\w.]+)", requirement):
        print("{}=={}".format(*found.groups()))
