"""Models from CSV files."""

import pytest

from kvpr_opt.errors import InputError
from kvpr_opt.files import read_instance
from kvpr_opt.problem.instance import LLM


@pytest.fixture
def read(tmp_path):
    def _read(text):
        path = tmp_path / "models.csv"
        path.write_bytes(text.encode("utf-8"))
        return read_instance(path, gpus=2, memory=80).models

    return _read


def test_columns_may_stand_in_any_order(read):
    assert read("slo,name,req_rate,size\n0.5,a,12,16.1\n") == (
        LLM("a", "16.1", req_rate=12, slo="0.5"),
    )


def test_blank_lines_are_passed_over_and_line_ends_may_be_those_of_windows(read):
    assert read("\r\n name , size ,pressure\r\n\r\na,1,2\r\n\r\nb,3,4\r\n\r\n") == (
        LLM("a", 1, pressure=2),
        LLM("b", 3, pressure=4),
    )


def test_quoted_values_may_hold_commas_quotes_and_line_breaks(read):
    (model,) = read('name,size,pressure\n"a, ""b""\r\nc",1,"7/3"\n')
    assert model.name == 'a, "b"\r\nc'
    assert str(model.pressure) == "7/3"


def test_an_empty_cell_is_not_given(read):
    assert read("name,size,req_rate,slo,pressure\na,1,4,2,\nb,1,,,3\n") == (
        LLM("a", 1, req_rate=4, slo=2),
        LLM("b", 1, pressure=3),
    )


def test_a_header_alone_is_no_models(read):
    assert read("name,size,pressure\n") == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no header; the file is empty"),
        ("\n\n", "no header; the file is empty"),
        ("name,size,size\n", "row 1: duplicate column 'size'"),
        ("name,,size\n", "row 1: column 2 has no name"),
        ("name,size,slo_ms\n", r"header\.slo_ms: unknown key \(did you mean 'slo'\?\); known: "),
        ("model_name,size\n", r"header\.size: key 'size' beside 'model_name'"),
        ("name|size|pressure\n", r"header\.'name\|size\|pressure': unknown key"),
        ("name,size,pressure\na,16,1,2\n", "row 2: 4 values, .*; a decimal comma\\? write"),
        ('name,size,pressure\na,"1,234",2\n', r"row 2\.size: '1,234' has a comma, which may"),
        ("name;size;pressure\na;12,5;0.5\n", r"row 2\.size: '12,5' has a comma"),
        ("name;size;pressure\na;1,234,5;2\n", r"row 2\.size: '1,234,5' has a comma"),
        ("name,size,pressure\na,1,2\nb,1\n", "row 3: 2 values, the header has 3 columns"),
        ("name,size,pressure\na,1,2,3\n", "row 2: 4 values, the header has 3 columns"),
        ("name,size,pressure\n\na,1,2,3\n", "row 3: 4 values, the header has 3 columns"),
        ("name,size,pressure\n,1,\n", "row 2: no key 'name'"),
        ("name,size,pressure\na,,2\n", "row 2: no key 'size'"),
        ("name,size\na,1\n", "row 2: a model needs either both req_rate and slo, or pressure"),
        ("name,size,pressure\na,x,2\n", r"row 2\.size: size 'x' is not a finite decimal number"),
        ("name,size,pressure\na,1,2\na,1,2\n", "row 3: name 'a' is taken by row 2 already"),
        ('name,size,pressure\n"a,1,2\n', "row 2: not CSV: unexpected end of data"),
        ('name,size,pressure\n"a"b,1,2\n', "row 2: not CSV: ',' expected after '\"'"),
        pytest.param(
            "name,size,pressure\n" + "a" * 200_000 + ",1,2\n",
            "row 2: not CSV: field larger than",
            id="long value",
        ),
    ],
)
def test_errors_name_the_row(read, text, message):
    with pytest.raises(InputError, match=rf"models\.csv: {message}"):
        read(text)


@pytest.mark.parametrize(
    "text",
    [
        "Name,SIZE,Req Rate,SLO\na,16.1,12,0.5\n",
        "name,size,req_rate,slo,,\na,16.1,12,0.5,,\n,,,,,\n  \n",
        "name;size;req-rate;slo\na;16.1;12;0.5\n",
        "name\tsize\treq_rate\tslo\na \t16.1\t12\t0.5\n",
        "name;size;req_rate;slo\na;16,1;12;0,5\n",
        "name;size;req_rate;slo\na;16,100;12,000;0,500\n",
        'name,size,req_rate,slo\n" a",16.1,12,"0,5"\n'.replace("16.1", '"16,1"'),
        "\ufeffname,size,req_rate,slo\r\na,16.1,12,0.5\r\n",
    ],
)
def test_what_spreadsheets_write_is_read(read, text):
    assert read(text) == (LLM("a", "16.1", req_rate=12, slo="0.5"),)


def test_names_are_one_whatever_white_space_is_around_them(read):
    with pytest.raises(InputError, match="row 3: name 'alpha' is taken by row 2 already"):
        read("name,size,pressure\nalpha,1,2\nalpha ,1,2\n")


def test_lists_of_names_keep_their_semicolons_between_tabs(read):
    (model,) = read("name\tsize\tpressure\tapart\na\t1\t2\tx;y\n")
    assert model.apart == ("x", "y")
