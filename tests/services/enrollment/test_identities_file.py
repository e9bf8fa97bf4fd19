"""The rules of the files that owners upload, one by one."""

from __future__ import annotations

import pytest

from lamplighter.errors import Error
from lamplighter.errors import enrollment as errors
from lamplighter.services.enrollment.identities_file import Entry, read_identities

ONE = "A-" + ":".join(["0A"] * 32)
TWO = "A-" + ":".join(["fe"] * 32)
ODD = "A-" + "z" * 95


@pytest.mark.parametrize(
    ("text", "identities"),
    [
        (f"identity\n{ONE}\n{TWO}\n", [ONE, TWO]),
        (f"identity\r\n{ONE}\r\n{TWO}", [ONE, TWO]),
        (f"identity\r{ONE}\r{TWO}\r", [ONE, TWO]),
        (f"identity\n{ONE}\r\n{TWO}\r", [ONE, TWO]),
        (f"{TWO}\n{ONE}", [ONE]),
        (f"\n{ONE}", [ONE]),
        (f'"an unclosed header,\n{ONE}', [ONE]),
        (f"\ufeffidentity\n{ONE}", [ONE]),
        (f"identity\n\n  \t\n{ONE}\n\n\n{TWO}\n\n", [ONE, TWO]),
        (f"identity,name\n{ONE},kitchen,second floor", [ONE]),
        (f"identity\n{ONE},", [ONE]),
        (f"identity\n{ONE} ,x", [ONE]),
        (f"identity\n \t{ONE}\x00\x1f ", [ONE]),
        (f'identity\n"{ONE}"', [ONE]),
        (f'identity\n"{ONE}",', [ONE]),
        (f'identity\n  "{ONE}"\t , "x"', [ONE]),
        (f"identity\n{ODD}", [ODD]),
        (f"identity\n{ONE}\n{ONE}", [ONE, ONE]),
        (f"identität\n{ONE},küche", [ONE]),
    ],
)
def test_the_first_value_of_each_line_below_the_header_is_an_identity(text: str, identities: list[str]) -> None:
    assert read_identities(text.encode(), 10) == [Entry(each) for each in identities]


@pytest.mark.parametrize(
    ("line", "shown", "fault"),
    [
        (",", "", "is missing before the first comma"),
        (f",{ONE}", "", "is missing before the first comma"),
        ('""', '""', "is empty between its quotes"),
        (f'" {ONE}"', f" {ONE}", "has whitespace inside its quotes"),
        (f'"{ONE}\t",', f"{ONE}\t", "has whitespace inside its quotes"),
        (f'"{ONE}\x00"', f"{ONE}\ufffd", "has whitespace inside its quotes"),
        (f'"{ONE}', f'"{ONE}', "begins with a quote that is not closed"),
        (f'"{ONE}"x,', f'"{ONE}"x,', "is followed by text between its closing quote and the comma"),
        (ONE[2:], ONE[2:], "does not begin with A-"),
        (ONE.replace("A-", "B-"), ONE.replace("A-", "B-"), "does not begin with A-"),
        (ONE[:-1], ONE[:-1], "has 94 characters behind A-, not 95"),
        (ONE + "0", ONE + "0", "has 96 characters behind A-, not 95"),
        (
            ONE.replace(":", "-"),
            ONE.replace(":", "-"),
            "has other characters than letters, digits and colons behind A-",
        ),
        ("A-" + "é" * 95, "A-" + "é" * 95, "has other characters than letters, digits and colons behind A-"),
        ("x" * 300, "x" * 200, "does not begin with A-"),
        ("\x01\x02a\x00b", "a\ufffdb", "does not begin with A-"),
    ],
)
def test_a_row_with_a_fault_has_its_place_and_says_what_is_wrong(line: str, shown: str, fault: str) -> None:
    assert read_identities(f"identity\n{line}\n{TWO}\n".encode(), 10) == [Entry(shown, fault), Entry(TWO)]


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (b"", errors.EnrollmentFileEmpty, "header"),
        (b"\n\r\n  \n", errors.EnrollmentFileEmpty, "header"),
        (ONE.encode(), errors.EnrollmentFileEmpty, "header"),
        (b"identity\n\xff\xfe", errors.EnrollmentFileNotText, "byte 9 "),
        (f"identity\n{ONE}".encode("utf-16"), errors.EnrollmentFileNotText, "byte 0 "),
        ("\n".join(["identity", *[ONE] * 4]).encode(), errors.EnrollmentRowsTooMany, "more than 3 "),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_as_a_whole(content: bytes, error: type[Error], words: str) -> None:
    with pytest.raises(error) as raised:
        read_identities(content, 3)
    assert words in raised.value.public_message
