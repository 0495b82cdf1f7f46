import pytest
from hypothesis import given
from hypothesis import strategies as st

from ari_app.errors import BadInput
from ari_app.store.customer_file import CustomerFile, read_customers
from ari_app.store.customers import Customer


def _read(data: bytes | str) -> CustomerFile:
    return read_customers(data.encode() if isinstance(data, str) else data, region="GB", this_year=2026)


def _names(file: CustomerFile) -> list[str]:
    return [customer.name for _, customer in file.customers]


def _problem_lines(file: CustomerFile) -> list[int]:
    return [problem.line for problem in file.problems]


def test_a_plain_list_is_read() -> None:
    file = _read("number,name,birth_year,pin,email,notes\n01632 960001,Jane Doe,1980,0815,jane@example.com,likes tea\n")
    jane = Customer("+441632960001", "Jane Doe", 1980, "0815", "jane@example.com", "likes tea")
    assert file == CustomerFile(((2, jane),), ())


@pytest.mark.parametrize(
    "text",
    [
        "Name;Phone;Date of Birth\nJane Doe;01632960001;17.05.1980\n",
        "sep=;\r\nname;Telephone;born\r\nJane Doe;01632960001;1980\r\n",
        "name\tMOBILE PHONE\tBirth_Year\nJane Doe\t01632960001\t1980-05-17\n",
        "First Name|Last Name|tel|DOB|shoe size\nJane|Doe|01632960001|05/17/1980|38\n",
        '\n\n"name" , "number" , "birth year"\n'.replace(" ,", ",") + '"Jane Doe","01632960001","1980"\n\n',
        "name,number,birth_year\rJane Doe,01632960001,1980\r",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_spreadsheets_ways_of_writing_are_understood(text: str, encoding: str) -> None:
    file = _read(text.encode(encoding))
    assert [customer for _, customer in file.customers] == [Customer("+441632960001", "Jane Doe", 1980)]
    assert file.problems == ()


def test_each_bad_line_is_named_and_the_good_ones_go_in() -> None:
    file = _read(
        "number,name,birth_year,pin,email\n"
        "01632960001,Ann,,,\n"
        "hello,Bob,,,\n"
        ",Cid,,,\n"
        "01632960004,,,,\n"
        "01632960005,Eve,80,,\n"
        "01632960006,Fay,,12a4,\n"
        "01632960007,Gus,,,nowhere\n"
        "+44 1632 960001,Ann again,,,\n"
        "4.41632E+11,Hal,,,\n"
        "01632960010,Ida,1980,1234,ida@example.com,too,many\n"
        "01632960011,Joe\n"
        "01632960012,Kim,1999,,\n"
    )
    assert _names(file) == ["Ann", "Joe", "Kim"]
    assert _problem_lines(file) == [3, 4, 5, 6, 7, 8, 9, 10, 11]
    assert "line 2" in file.problems[6].reason
    assert "spreadsheet" in file.problems[7].reason


def test_windows_accents_are_kept_and_told() -> None:
    file = _read("number,name\n01632960001,Ren\u00e9\n".encode("cp1252") + "01632960002,Zoë\n".encode())
    assert _names(file) == ["René", "Zoë"]
    assert [(p.line, p.is_left_out) for p in file.problems] == [(2, False)]


def test_a_quote_never_closed_costs_its_own_line_only() -> None:
    lines = ["number,name", '01632960001,"Ann', *(f"016329601{n:02},Customer {n}" for n in range(60))]
    file = _read("\n".join(lines))
    assert _problem_lines(file) == [2]
    assert len(file.customers) == 60


def test_a_stray_quote_further_down_does_not_swallow_the_lines_between() -> None:
    file = _read('number,name,notes\n01632960001,"Ann,\n01632960002,Bob,\n01632960003,Cid,5" pipe\n01632960004,Dan,\n')
    assert _names(file)[-1] == "Dan"
    assert "Bob" in _names(file)
    assert 2 in _problem_lines(file)


def test_a_quoted_field_may_hold_lines_and_separators() -> None:
    file = _read('number,name,notes\n01632960001,"Doe, Jane","first\nsecond"\n01632960002,Bob,\n')
    assert [(line, c.name, c.notes) for line, c in file.customers] == [
        (2, "Doe, Jane", "first second"),
        (4, "Bob", ""),
    ]


def test_control_characters_do_not_reach_a_name() -> None:
    file = _read("number,name\n01632960001,Jane\x00\x1b[31m Doe\n")
    assert _names(file) == ["Jane [31m Doe"]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", 'no column "number"'),
        (b"name,birth_year\nJane,1980\n", 'no column "number"'),
        (b"number\n01632960001\n", 'no column "name"'),
        (b"01632960001,Jane\n", 'no column "number"'),
        (b"number,phone,name\n", 'two columns mean "number"'),
        (b"PK\x03\x04rest of a zip", "save it as CSV"),
        (b'number,"name\n01632960001,Jane\n', "quote"),
    ],
)
def test_what_is_no_customer_list_is_refused_in_one_line(data: bytes, told: str) -> None:
    with pytest.raises(BadInput, match=told) as caught:
        _read(data)
    assert "\n" not in str(caught.value)


@given(st.binary(max_size=400))
def test_no_bytes_break_the_reader(rest: bytes) -> None:
    file = _read(b"number,name\n01632960001,Ann\n" + rest)
    assert all(problem.line >= 2 for problem in file.problems)
    assert "+441632960001" in [customer.number for _, customer in file.customers] or file.problems
