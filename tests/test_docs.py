"""Documentation that cannot lie: what is printed from a table is compared, what names a thing must name an existing one."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from lamplighter.api.pages import errors as error_pages
from lamplighter.api.pages import reference
from lamplighter.errors import Error, example, load_all
from lamplighter.errors.editions import ASYNC_STATUSES, ROWS
from lamplighter.settings import table
from tests.test_layers import OURS

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
MEMBERS = load_all()


@pytest.mark.parametrize("member", MEMBERS.values(), ids=lambda member: member.name)
def test_a_member_says_what_is_wrong_why_and_what_to_do(member: type[Error]) -> None:
    shown = example(member)
    assert shown.text.endswith((".", "?", ">", "}")) and len(shown.text) > 5
    assert member.cause.endswith(".") and len(member.cause) > 20
    assert shown.advice.endswith(".") and len(shown.advice) > 10
    assert (member.__doc__ or "").strip().endswith(".")
    assert (member.status, member.type) in Error.families


def test_every_row_of_the_editions_is_a_family_with_members_and_advice() -> None:
    for rows in ROWS.values():
        for row in rows:
            assert any((member.status, member.type) == (row.status, row.type) for member in MEMBERS.values()), row.type
            assert row.meaning.endswith(".") and row.advice and all(advice.endswith(".") for advice in row.advice)


def test_the_error_page_has_every_member_at_its_anchor() -> None:
    page = error_pages.catalogue([]).decode()
    for name in MEMBERS:
        assert f'<h3 id="{name}">' in page


def test_the_asynchronous_statuses_are_the_documented_ones() -> None:
    assert [row.status for row in ASYNC_STATUSES] == [200, 400, 404, 412, 413, 415, 429, 502, 503, 504]


def test_the_settings_page_has_every_setting_with_its_variable() -> None:
    page = reference.settings().decode()
    for row in table():
        assert row.full_name in page and row.variable in page and row.meaning


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_settings_named_in_the_documents_exist(path: Path) -> None:
    sections = {row.section for row in table()}
    known = {row.full_name for row in table()}
    for section, name in re.findall(r"`([a-z0-9]+)\.([a-z_]+)(?:_\*)?(?: = [^`]*)?`", path.read_text()):
        if section in sections:
            assert any(each.startswith(f"{section}.{name}") for each in known), f"{section}.{name}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text()):
        if not target.startswith("http"):
            assert (path.parent / target).exists(), target


def test_the_architecture_names_every_dependency_and_layer() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text().lower()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for dependency in project["dependencies"]:
        assert re.split(r"[\[>=]", dependency)[0] in text, dependency
    for layer in OURS:
        assert f"`{layer}" in text or f"{layer}`" in text, layer


@pytest.mark.parametrize("verb", ["serve", "test", "check", "bench", "soak", "demo"])
def test_the_commands_of_the_checkout_are_in_the_readme(verb: str) -> None:
    assert f"./dev {verb}" in (ROOT / "README.md").read_text()
    assert re.search(rf"^    {verb}\)", (ROOT / "dev").read_text(), re.MULTILINE)


def test_nothing_kept_here_names_the_place_where_it_was_made() -> None:
    here = (str(ROOT), str(Path.home()) + "/")
    for path in [*ROOT.glob("*.md"), *ROOT.glob("*.lock"), *(ROOT / "src").rglob("*.py"), *(ROOT / "docs").rglob("*")]:
        if path.is_file():
            text = path.read_text(errors="replace")
            assert not any(place in text for place in here if len(place) > 3), path
