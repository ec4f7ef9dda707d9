import pytest

from mnistlib.testing.azureml.answers import Refusal
from mnistlib.testing.azureml.runs.filters import matches

RUN = {
    "status": "Running",
    "name": None,
    "createdUtc": "2026-11-20T12:49:40.000000+00:00",
    "tags": {"kind": "small", "best": None},
}


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "Status eq Running",
        "status ne 'Completed'",
        "Tags/kind eq small",
        "Tags/best eq null",
        "Name eq null",
        "(Tags/kind ne null or Tags/kind eq null)",
        "Status eq Completed or Tags/kind eq small and Status eq Running",
        "(Status eq Running and (Tags/kind eq large or Tags/kind eq small))",
        "CreatedUtc ge 2026-11-20 12:00:00",
        "CreatedUtc lt 2026-11-21T00:00:00",
    ],
)
def test_a_run_satisfies_the_filter(text: str | None) -> None:
    assert matches(RUN, text)


@pytest.mark.parametrize(
    "text",
    [
        "Status eq Completed",
        "Status ne Running",
        "Tags/unknown ne null or Tags/unknown eq null",
        "Name ne null",
        "(Status eq Completed or Tags/kind eq small) and Status eq Completed",
        "CreatedUtc gt 2026-11-20T12:49:40.000000+00:00",
        "CreatedUtc le 2026-11-19",
        "EndTimeUtc ge 2026-11-20",
    ],
)
def test_a_run_does_not_satisfy_the_filter(text: str) -> None:
    assert not matches(RUN, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Status", "'Status' is not a comparison"),
        ("Status is Running", "is not a comparison"),
        ("(Status eq Running", "lacks a closing bracket"),
        ("Status eq Running) and Name eq null", "can't be read from"),
        ("Status eq Running and ", "is not a comparison"),
    ],
)
def test_a_malformed_filter_is_a_bad_argument(text: str, message: str) -> None:
    with pytest.raises(Refusal, match=message) as caught:
        matches(RUN, text)
    assert (caught.value.status, caught.value.code) == (400, "BadArgument")
