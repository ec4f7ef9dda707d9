from mnistlib.html.elements import Html, duration, element, escape, number, table

HOSTILE = """<script>alert("x")</script>'&"""


def test_text_is_escaped_in_content_and_in_attributes() -> None:
    made = element("td", HOSTILE, title=HOSTILE)
    assert "<script>" not in made
    assert made.count("&lt;script&gt;") == 2
    assert made.count('"') == 2


def test_html_is_not_escaped_again() -> None:
    assert element("p", element("b", "a & b")) == "<p><b>a &amp; b</b></p>"


def test_terminal_control_codes_are_removed() -> None:
    assert escape("\x1b[31mred\x1b[0m\x00 \x07bell\nnext") == "red bell\nnext"


def test_void_elements_have_no_end_tag() -> None:
    assert element("img", src="x") == '<img src="x">'


def test_an_attribute_that_is_none_is_left_out() -> None:
    assert element("a", class_=None, stroke_width=2) == '<a stroke-width="2"></a>'


def test_a_column_of_numbers_is_aligned_by_its_header() -> None:
    made = table(["a", ">b"], [["x", Html("<i>1</i>")]])
    assert '<th class="number">b</th>' in made
    assert '<td>x</td><td class="number"><i>1</i></td>' in made


def test_numbers_are_written_for_a_person() -> None:
    values = [0.0, 1.0, -3.5, 0.92614, 12345.678, 1e-5, -2.5e-7, 1e12, float("nan"), float("inf")]
    assert [number(value) for value in values] == [
        "0",
        "1",
        "-3.5",
        "0.9261",
        "12,346",
        "10⁻⁵",
        "-2.5×10⁻⁷",
        "10¹²",
        "nan",
        "inf",
    ]


def test_a_duration_changes_its_unit_where_it_is_reached() -> None:
    assert [duration(seconds) for seconds in (0.9994, 59.94, 60, 3599, 3600)] == [
        "999 ms",
        "59.9 s",
        "1 min 0 s",
        "59 min 59 s",
        "1 h 0 min",
    ]
