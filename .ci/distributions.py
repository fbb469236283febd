"""Check what would be published: what the wheel and the sdist in a folder hold and say of themselves."""

import sys
import tarfile
import zipfile
from email.parser import BytesParser
from email.policy import default
from pathlib import Path

FOLDER = Path(sys.argv[1])
(WHEEL,) = FOLDER.glob("*.whl")
(SDIST,) = FOLDER.glob("*.tar.gz")


def expect(is_so: object, otherwise: str) -> None:
    """End with what is wrong, unless it is so."""
    if not is_so:
        sys.exit(f"{FOLDER}: {otherwise}")


with zipfile.ZipFile(WHEEL) as wheel:
    names = wheel.namelist()
    about = next(name.partition("/")[0] for name in names if name.endswith(".dist-info/METADATA"))
    metadata = BytesParser(policy=default).parsebytes(wheel.read(f"{about}/METADATA"))
    entry_points = wheel.read(f"{about}/entry_points.txt").decode()

strange = {name.partition("/")[0] for name in names} - {
    "timezest_async",
    "_timezest_command.py",
    "_timezest_pytest.py",
    about,
}
expect(not strange, f"the wheel holds more than the package: {strange}")
for wanted in ("timezest_async/py.typed", "timezest_async/reports/report.css", f"{about}/licenses/LICENSE"):
    expect(wanted in names, f"the wheel lacks {wanted}")
expect("timezest = " in entry_points, "the wheel has no `timezest` command")
expect(metadata["Name"] == "timezest-async", "it has another name")
expect(metadata["Requires-Python"] == ">=3.11", "it is for other Pythons")
expect(metadata["License-Expression"] == "MIT", "it is under another licence")
expect("# timezest_async" in metadata.get_content(), "its description is not the README")
expect("Typing :: Typed" in metadata.get_all("Classifier"), "it does not say that it is typed")

with tarfile.open(SDIST) as sdist:
    held = {name.partition("/")[2] for name in sdist.getnames()}
for wanted in (
    "README.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "LICENSE",
    "Makefile",
    "docs/export.md",
    "tests/conftest.py",
):
    expect(wanted in held, f"the sdist lacks {wanted}")
expect(
    not [name for name in held if ".venv" in name or "__pycache__" in name], "the sdist holds what was built"
)
print(f"{WHEEL.name}: {len(names)} files; {SDIST.name}: {len(held)}")
