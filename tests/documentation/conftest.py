from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import support
from tests.documentation.pages import ROOT


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    for library in ("sphinx", "myst_parser", "pydata_sphinx_theme"):
        support.needs(library, "docs")
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", ROOT / "docs", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (built.returncode, built.stderr) == (0, "")
    return folder
